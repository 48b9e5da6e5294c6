from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from pipeline.cli.main import SECTIONS, main


def _groups() -> Iterator[tuple[str, click.Group]]:
    yield "streamwarden", main
    for name, command in main.commands.items():
        if isinstance(command, click.Group):
            yield f"streamwarden {name}", command


def _options() -> Iterator[tuple[str, click.Option]]:
    for path, group in _groups():
        for name, command in group.commands.items():
            for parameter in command.params:
                if isinstance(parameter, click.Option):
                    yield f"{path} {name} {parameter.opts[0]}", parameter


@pytest.mark.parametrize(("path", "group"), list(_groups()), ids=str)
def test_the_list_of_commands_says_each_in_a_whole_line(path: str, group: click.Group) -> None:
    shown = CliRunner().invoke(group, ["--help"], prog_name=path, terminal_width=80).output

    entries = [line.split() for line in shown.splitlines() if line.startswith("  ")]
    assert {words[0] for words in entries} >= set(group.commands)
    assert [words for words in entries if words[-1].endswith("...")] == []


def test_each_command_stands_under_one_heading() -> None:
    listed = [command.name for commands in SECTIONS.values() for command in commands]

    assert sorted(map(str, listed)) == sorted(main.commands)


def test_each_option_says_what_it_is_for() -> None:
    silent = [path for path, option in _options() if not option.help]

    assert silent == []
