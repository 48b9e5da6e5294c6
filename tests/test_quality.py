"""The tools that judge the code run within the tests, so that nothing lands without them."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

TOOLS = {
    "format": ["ruff", "format", "--check", "."],
    "lint": ["ruff", "check", "--output-format=concise", "."],
    "types": ["mypy"],
    "imports": ["lint-imports", "--no-cache"],
}


@pytest.mark.timeout(300)  # mypy without its cache, on a slow machine
@pytest.mark.parametrize("tool", TOOLS)
def test_the_code_passes(tool: str) -> None:
    program, *arguments = TOOLS[tool]

    run = subprocess.run(
        [BIN / program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, f"`{program}` says:\n{run.stdout}{run.stderr}"
