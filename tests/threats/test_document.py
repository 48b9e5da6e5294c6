"""docs/threats.md: each threat has controls and tests, and all of them exist."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Threat(NamedTuple):
    """A section of the document: its parts by the word that opens them."""

    title: str
    parts: dict[str, str]

    @property
    def tests(self) -> list[tuple[str, str]]:
        """The tests that it names, by file and function."""
        return re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", self.parts["Test"])

    @property
    def controls(self) -> list[str]:
        """The files that it names as controls."""
        return re.findall(r"`([\w./-]+\.(?:py|toml|txt|ya?ml))`", self.parts["Control"])


def threats() -> list[Threat]:
    text = (ROOT / "docs" / "threats.md").read_text()
    sections = [section.partition("\n") for section in text.split("\n## ")[1:]]
    part = re.compile(r"^\*\*(\w+)\.\*\* (.*?)(?=^\*\*|\Z)", re.MULTILINE | re.DOTALL)
    return [Threat(title, dict(part.findall(body))) for title, _, body in sections]


@cache
def functions(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_the_threats_are_the_twenty_of_the_list() -> None:
    numbers = [threat.title.partition(" ")[0] for threat in threats()]

    assert numbers == [str(number) for number in range(1, 21)]


@pytest.mark.parametrize("threat", threats(), ids=lambda threat: threat.title)
def test_a_threat_has_controls_and_tests_that_exist(threat: Threat) -> None:
    missing = [path for path in threat.controls if not (ROOT / path).is_file()]
    unknown = [
        f"{path}::{name}"
        for path, name in threat.tests
        if not (ROOT / path).is_file() or name not in functions(path)
    ]

    assert list(threat.parts)[:3] == ["Threat", "Control", "Test"]
    assert threat.controls
    assert threat.tests
    assert (missing, unknown) == ([], [])


@pytest.mark.parametrize("threat", threats(), ids=lambda threat: threat.title)
def test_whatever_a_threat_names_as_a_test_is_one(threat: Threat) -> None:
    named = re.findall(r"`(tests/[^`]*)`", threat.parts["Test"])

    assert named == [f"{path}::{name}" for path, name in threat.tests]
