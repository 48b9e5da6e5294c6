"""The linters that have an environment of their own, which `make test` makes in build/lint."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

BIN: Final = Path(__file__).resolve().parent.parent / "build" / "lint" / "bin"


def linter(name: str) -> Path:
    """Return the program of a linter; without its environment, the test is skipped."""
    program = BIN / name
    if not program.exists():
        pytest.skip(f"{name} is not installed: `make test` does that, in build/lint")
    return program


def offline() -> Mapping[str, str]:
    """Return an environment in which a linter's calls home fail at once."""
    nowhere = "http://127.0.0.1:9"
    proxies = {"HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere, "NO_PROXY": ""}
    names = proxies | {name.lower(): value for name, value in proxies.items()}
    return {**os.environ, **names}
