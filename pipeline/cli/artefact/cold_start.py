"""The CPU time of a cold start, against that of one boto3 client, in fresh processes."""

import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import boto3

from pipeline.cli.artefact.distributions import PYTHON, Architecture, architecture_here
from pipeline.cli.artefact.package import Package

ROUNDS: Final = 5

_TIMED: Final = """
import time
before = time.process_time()
{}
print((time.process_time() - before) * 1000)
"""
_ENVIRONMENT: Final = {
    "AWS_ACCESS_KEY_ID": "cold",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_SECRET_ACCESS_KEY": "start",
}
_ONE_CLIENT: Final = 'import boto3\nboto3.client("dynamodb")'


@dataclass(frozen=True, slots=True)
class ColdStart:
    """What a function's start takes over a bare interpreter, and how many times one client's."""

    cpu_ms: float
    ratio: float


def can_start(architecture: Architecture) -> bool:
    """Tell whether packages for an architecture run on this machine and interpreter."""
    return (
        sys.platform == "linux"
        and sys.version_info[:2] == PYTHON
        and architecture_here(platform.machine()) == architecture
    )


def cold_starts(packages: Sequence[Package], rounds: int = ROUNDS) -> dict[str, ColdStart]:
    """Measure the start of packages: the handler's module, and a client of each of its services.

    The unit is `boto3.client("dynamodb")` with boto3 as it is installed beside this interpreter.
    Each package is measured right after the unit, round after round: the median of such ratios
    holds on a busy machine too.
    """
    library = Path(boto3.__file__).resolve().parents[1]
    times: dict[str, list[tuple[float, float]]] = {package.name: [] for package in packages}
    for _ in range(rounds):
        for package in packages:
            code = start_code(package.handler, package.services)
            unit = _cpu_ms(library, _ONE_CLIENT)
            cpu_ms = _cpu_ms(package.folder, code)
            times[package.name].append((cpu_ms, cpu_ms / unit))
    return {name: _median(values) for name, values in times.items()}


def start_code(handler: str, services: Iterable[str]) -> str:
    """Return a program that loads a handler's module and makes the clients that it will make."""
    clients = [f"aws.client({service!r})" for service in sorted(services)]
    imports = [f"import {handler.rpartition('.')[0]}", "from pipeline.adapters import aws"]
    return "\n".join([*imports, *clients])


def _median(values: Sequence[tuple[float, float]]) -> ColdStart:
    return ColdStart(*(median(column) for column in zip(*values, strict=True)))


def _cpu_ms(path: Path, code: str) -> float:
    run = subprocess.run(  # noqa: S603  the command is this interpreter and our program
        [sys.executable, "-P", "-S", "-s", "-B", "-c", _TIMED.format(code)],
        env={**_ENVIRONMENT, "PYTHONPATH": str(path.absolute())},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(run.stdout)
