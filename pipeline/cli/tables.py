"""How commands print: tables for people, JSON for programs, remarks on standard error."""

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import click
from rich import box
from rich.table import Table
from rich.text import Text

from pipeline.cli.console import make_console

MIN_WIDTH: Final = 126
"""Columns that a row of a list needs."""

_STYLES: Final = {
    "critical": "bold red",
    "high": "red",
    "WRONG": "red",
    "firing": "red",
    "resolved": "green",
}


class Column(NamedTuple):
    """A column: `is_whole` keeps its cells on one line, `is_figure` sets them to the right."""

    title: str
    is_whole: bool = True
    is_figure: bool = False


def figures(*titles: str) -> list[Column]:
    """Return columns of figures."""
    return [Column(title, is_figure=True) for title in titles]


def verdict(*, is_good: bool) -> str:
    """Say whether a line of a ledger balances."""
    return "ok" if is_good else "WRONG"


def table(
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    total: Sequence[str] | None = None,
) -> Table:
    """Lay out rows of plain text, the total below a gap; nothing in a cell is read as markup."""
    laid_out = Table(
        title=title,
        min_width=len(title),  # rich breaks a title where its table ends, in mid-word
        box=box.SIMPLE_HEAD,
        title_justify="left",
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for column in columns:
        laid_out.add_column(
            column.title,
            no_wrap=column.is_whole,
            overflow="fold",
            justify="right" if column.is_figure else "left",
        )
    for row in rows:
        laid_out.add_row(*map(_cell, row))
    if total:
        laid_out.add_section()
        laid_out.add_row(*map(_cell, total))
    return laid_out


def print_table(laid_out: Table) -> None:
    """Print a table, at least `MIN_WIDTH` wide.

    A narrow terminal then wraps the rows, where rich would crop their cells.
    """
    console = make_console()
    console.width = max(console.width, MIN_WIDTH)
    console.print(laid_out)


def counted(count: int, noun: str) -> str:
    """Write a count with its noun, which takes an s unless there is one."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def print_json(value: Any) -> None:  # noqa: ANN401  whatever JSON holds
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def remark(text: str) -> None:
    """Tell people something beside the result, which may go into a file or a pipe."""
    click.echo(text, err=True)


def _cell(text: str) -> Text:
    return Text(text, style=_STYLES.get(text, ""))
