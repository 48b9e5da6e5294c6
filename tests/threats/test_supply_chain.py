"""What is installed is what was resolved: each version pinned, each file known by its hash.

pip compares hashes as soon as a requirement has one.
"""

import re
from pathlib import Path

import pytest

PINNED = re.compile(
    r"[\w.-]+(\[[\w,-]+\])?==[\w.+!]+( ; [^\\]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*"
)
REQUIREMENTS = sorted((Path(__file__).resolve().parents[2] / "requirements").glob("*.txt"))


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_each_requirement_is_one_version_with_hashes(path: Path) -> None:
    text = re.sub(r"^\s*#.*$|\\\n", "", path.read_text(), flags=re.MULTILINE)
    lines = [line for line in text.splitlines() if line.strip()]

    loose = [line[:60] for line in lines if not PINNED.fullmatch(line)]

    assert lines
    assert loose == []
