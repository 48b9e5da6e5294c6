"""Bytecode of the functions' Python, the same bytes from the same sources."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from pipeline.cli.artefact.distributions import PYTHON

_SCRIPT: Final = """
import json, sys
from importlib._bootstrap_external import _code_to_hash_pyc
from importlib.util import source_hash
if list(sys.version_info[:2]) != json.loads(sys.argv[1]) or sys.implementation.name != "cpython":
    sys.exit(f"{sys.executable} is {sys.version}")
for line in sys.stdin:
    path, place, target = json.loads(line)
    with open(path, "rb") as file:
        source = file.read()
    code = compile(source, place, "exec", dont_inherit=True, optimize=0)
    with open(target, "wb") as file:
        file.write(_code_to_hash_pyc(code, source_hash(source), False))
"""
"""Compiles files in a process of its own, in the order given.

What marshal writes depends on what else the process holds and on the seed of hashes. The bytecode
says that it need not be checked against its source, whose time stamp a package does not keep.
"""


def compile_all(targets: Mapping[Path, tuple[str, Path]]) -> None:
    """Compile sources with the functions' version of CPython.

    Args:
        targets: Source files, each with the path that tracebacks are to show and the file to write.

    Raises:
        click.ClickException: There is no such interpreter, or a source does not compile.
    """
    lines = "".join(
        json.dumps([str(path), place, str(target)]) + "\n"
        for path, (place, target) in sorted(targets.items())
    )
    run = subprocess.run(  # noqa: S603  the command is an interpreter and our script
        [_interpreter(), "-P", "-S", "-s", "-B", "-c", _SCRIPT, json.dumps(PYTHON)],
        input=lines,
        env={"PATH": os.defpath, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise click.ClickException(f"cannot compile the sources: {run.stderr.strip()}")


def _interpreter() -> str:
    if sys.version_info[:2] == PYTHON:
        return sys.executable
    name = "python{}.{}".format(*PYTHON)
    found = shutil.which(name)
    if found is None:
        raise click.ClickException(f"bytecode needs {name}, the functions' runtime, on the PATH")
    return found
