"""`streamwarden validate`: the check of `streamwarden put` alone."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

import click
from rich.table import Table

from pipeline.cli.console import make_console
from pipeline.cli.moments import short_text, utc_now
from pipeline.cli.producers.destination import EXIT_REFUSED
from pipeline.cli.producers.lines import Accepted, Refused, check_lines
from pipeline.cli.producers.put import ShowRefusal, refusal_printer
from pipeline.cli.tables import Column, table


@dataclass(slots=True)
class TypeSummary:
    """The accepted lines of one event type and the time that their events cover."""

    lines: int
    earliest: datetime
    latest: datetime


@dataclass(slots=True)
class Summary:
    """What a file holds, by event type in the order of their first lines."""

    by_type: dict[str, TypeSummary] = field(default_factory=dict)
    refused: int = 0

    @property
    def accepted(self) -> int:
        """How many lines keep the contract."""
        return sum(kind.lines for kind in self.by_type.values())


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--json", "as_json", is_flag=True, help="Print refusals and summary as JSON lines.")
def validate(file: BinaryIO, *, as_json: bool) -> None:
    """Check the events of FILE, and put nothing.

    FILE has one JSON object a line; - is standard input. The check is that of the pipeline, as if
    the records arrived now.

    Exit code 0: all lines keep the contract; 1: some do not; 2: wrong usage.
    """
    show_refusal = refusal_printer(make_console(stderr=True), as_json=as_json)
    summary = summarize(check_lines(file, utc_now), show_refusal)
    if as_json:
        click.echo(json.dumps(as_document(summary)))
    else:
        make_console().print(summary_table(summary))
    if summary.refused:
        raise SystemExit(EXIT_REFUSED)


def summarize(fates: Iterable[Accepted | Refused], show_refusal: ShowRefusal) -> Summary:
    """Sum up the fates of lines and show each refusal as it comes."""
    summary = Summary()
    for fate in fates:
        if isinstance(fate, Refused):
            summary.refused += 1
            show_refusal(fate)
            continue
        at = fate.event.timestamp
        kind = summary.by_type.setdefault(
            fate.put.user_records[0].event_type, TypeSummary(0, at, at)
        )
        kind.lines += 1
        kind.earliest, kind.latest = min(kind.earliest, at), max(kind.latest, at)
    return summary


def as_document(summary: Summary) -> dict[str, object]:
    """Return the summary for machines."""
    return {
        "accepted": summary.accepted,
        "refused": summary.refused,
        "by_type": {
            name: {
                "lines": kind.lines,
                "earliest": kind.earliest.isoformat(),
                "latest": kind.latest.isoformat(),
            }
            for name, kind in summary.by_type.items()
        },
    }


def summary_table(summary: Summary) -> Table:
    """Lay out the summary for people."""
    rows = [
        [name, str(kind.lines), short_text(kind.earliest), short_text(kind.latest)]
        for name, kind in sorted(summary.by_type.items())
    ]
    sums = [
        ["accepted", str(summary.accepted), "", ""],
        ["refused", str(summary.refused), "", ""],
    ]
    columns = [
        Column("event type"),
        Column("lines", is_figure=True),
        Column("earliest, UTC"),
        Column("latest, UTC"),
    ]
    return table("", columns, [*rows, *sums])
