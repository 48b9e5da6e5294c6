import io
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from rich.console import Console

from pipeline.cli.demo.moderation import moderation_option, moderation_table
from pipeline.local.rekognition import Declared

SHA = "ab" * 32
TEXT = f"""
[[image]]
sha256 = "{SHA}"
labels = [{{ name = "Weapons", confidence = 97.5, parent = "Violence", level = 2 }}]
"""


@click.command()
@moderation_option
def command(moderation: Declared | None) -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(moderation_table(moderation or Declared()))
    assert isinstance(console.file, io.StringIO)
    click.echo(console.file.getvalue())


def test_declared_answers_are_read_and_shown(tmp_path: Path) -> None:
    path = tmp_path / "answers.toml"
    path.write_text(TEXT)

    result = CliRunner().invoke(command, ["--moderation", str(path)])

    lines = [line.split() for line in result.stdout.splitlines()]
    assert "declared and not recognised" in result.stdout
    assert [SHA[:12], "Violence", "/", "Weapons", "97.5", "%"] in lines


@pytest.mark.parametrize(
    ("text", "reason"),
    [("[[image]]\nsha256 = 7", "Expected `str`"), ("labels", "answers.toml")],
)
def test_a_file_that_declares_nothing_is_a_wrong_usage(
    tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "answers.toml"
    path.write_text(text)

    result = CliRunner().invoke(command, ["--moderation", str(path)])

    assert result.exit_code == 2
    assert reason in result.stderr


def test_a_file_that_is_not_there_is_a_wrong_usage() -> None:
    result = CliRunner().invoke(command, ["--moderation", "nowhere.toml"])

    assert result.exit_code == 2
    assert "No such file" in result.stderr
