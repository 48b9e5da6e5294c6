"""The pinned distributions that functions may need: as wheels for Lambda, or as installed here."""

import hashlib
import importlib.metadata
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

import click

from pipeline.cli.artefact.closure import ReadSource

Architecture = Literal["arm64", "x86_64"]

ARCHITECTURES: Final[tuple[Architecture, ...]] = ("arm64", "x86_64")

PYTHON: Final = (3, 13)
"""The interpreter of the functions, as `Runtime` in the template says."""

_MACHINES: Final[Mapping[Architecture, str]] = {"arm64": "aarch64", "x86_64": "x86_64"}
_PLATFORMS: Final = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")
"""What runs on the runtime's system, Amazon Linux 2023 with glibc 2.34.

Source: AWS Lambda Developer Guide, Lambda runtimes, python3.13.
"""


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution of PyPI; files are keyed by their path below the import root."""

    name: str
    files: Mapping[str, ReadSource]


def architecture_here(machine: str) -> Architecture | None:
    """Return the architecture of a machine, as `platform.machine` names it; None for others."""
    names: dict[str, Architecture] = {
        "aarch64": "arm64",
        "amd64": "x86_64",
        "arm64": "arm64",
        "x86_64": "x86_64",
    }
    return names.get(machine.lower())


def downloaded(requirements: Path, architecture: Architecture, cache: Path) -> list[Distribution]:
    """Return all pinned distributions as wheels for Lambda; pip checks their hashes.

    Args:
        requirements: The pinned requirements with hashes.
        architecture: What the functions run on.
        cache: Keeps the wheels of these very requirements from build to build.

    Raises:
        click.ClickException: pip cannot get them; its own words precede.
    """
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    folder = cache / f"{architecture}-{digest}"
    if not folder.is_dir():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        _download(requirements, architecture, part)
        part.rename(folder)
    return [_wheel(path) for path in sorted(folder.glob("*.whl"))]


def installed(requirements: Path) -> list[Distribution]:
    """Return all pinned distributions as they are installed beside this interpreter.

    Raises:
        click.ClickException: One is missing or has another version than its pin.
    """
    pins = re.findall(r"^([a-z0-9-]+)==(\S+)", requirements.read_text(), re.MULTILINE)
    return [_installed(name, version) for name, version in pins]


def _download(requirements: Path, architecture: Architecture, folder: Path) -> None:
    platforms = [f"--platform={prefix}_{_MACHINES[architecture]}" for prefix in _PLATFORMS]
    python = ".".join(map(str, PYTHON))
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download"]
    command += ["--no-deps", "--require-hashes", f"--requirement={requirements}"]
    command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
    run = subprocess.run(  # noqa: S603  the command is this interpreter's pip
        [*command, *platforms, f"--dest={folder}"], check=False
    )
    if run.returncode:
        raise click.ClickException(f"pip cannot get the wheels of {requirements}")


def _wheel(path: Path) -> Distribution:
    archive = zipfile.ZipFile(path)
    files = {
        name: partial(archive.read, name) for name in archive.namelist() if not name.endswith("/")
    }
    return Distribution(_normal(path.name.partition("-")[0]), files)


def _installed(name: str, version: str) -> Distribution:
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError as error:
        raise click.ClickException(f"{name} is not installed") from error
    if found.version != version:
        raise click.ClickException(f"{name} {found.version} is installed, {version} is pinned")
    files = {
        file.as_posix(): Path(str(file.locate())).read_bytes
        for file in found.files or []
        if ".." not in file.parts and "__pycache__" not in file.parts
    }
    return Distribution(_normal(name), files)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
