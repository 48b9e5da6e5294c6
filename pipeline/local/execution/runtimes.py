"""What a worker process runs: our own client of the Runtime API, or the one that Lambda runs."""

import importlib.metadata
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline.local.deployment import Function

_OWN_CLIENT: Final = Path(__file__).with_name("runtime_client.py")
_LAMBDA_CLIENT: Final = ("awslambdaric", "simplejson", "snapshot-restore-py")
"""The distributions of Lambda's Python client; the runtime has them beside the function's code."""


class RuntimeUnavailableError(Exception):
    """Lambda's client does not run on this machine."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """How a worker is started: its command for a function, and variables beside Lambda's own.

    `has_clock` tells whether it can show the function a wall clock that is ahead.
    """

    command: Callable[[Function], list[str]]
    environment: dict[str, str] = field(default_factory=dict)
    has_clock: bool = False


def own_runtime() -> Runtime:
    """Return what runs a function from its sources with this interpreter's libraries."""
    return Runtime(lambda function: [sys.executable, "-u", str(_OWN_CLIENT)], has_clock=True)  # noqa: ARG005  it reads the environment


def lambda_runtime(directory: Path) -> Runtime:
    """Return what runs a package with Lambda's client, and with no library but the package's.

    Args:
        directory: The run's; links to Lambda's client are made in it, for the interpreter is
            started without its own libraries.

    Raises:
        RuntimeUnavailableError: Lambda's client is not installed; it is for Linux only.
    """
    libraries = directory / "runtime"
    libraries.mkdir(parents=True, exist_ok=True)
    for distribution in _LAMBDA_CLIENT:
        for source in _import_roots(distribution):
            link = libraries / source.name
            link.unlink(missing_ok=True)
            link.symlink_to(source)

    def command(function: Function) -> list[str]:
        # The current directory, the package, comes first in the module path.
        return [sys.executable, "-S", "-s", "-B", "-m", "awslambdaric", function.handler]

    return Runtime(command, {"PYTHONPATH": str(libraries.absolute())})


def _import_roots(distribution: str) -> set[Path]:
    """Return the top-level modules and packages of an installed distribution."""
    try:
        found = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError as error:
        raise RuntimeUnavailableError(
            f"{distribution}, a part of Lambda's client for Linux, is not installed"
        ) from error
    names = {file.parts[0] for file in found.files or []}
    return {
        Path(str(found.locate_file(name))).absolute()
        for name in names
        if name not in {"..", "__pycache__"} and not name.endswith(".dist-info")
    }
