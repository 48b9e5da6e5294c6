"""`streamwarden put`: JSON lines onto the stream, checked before they go."""

import json
import os
import stat
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import BinaryIO

import click
from rich.console import Console

from pipeline.cli.console import make_console
from pipeline.cli.moments import utc_now
from pipeline.cli.producers.delivery import Delivery, in_words, progress_bar
from pipeline.cli.producers.destination import (
    EXIT_REFUSED,
    NotPutError,
    open_producer,
    stream_options,
)
from pipeline.cli.producers.lines import Refused, check_lines
from pipeline.cli.producers.producer import PutError
from pipeline.cli.producers.puts import StreamPut

ShowRefusal = Callable[[Refused], None]


@click.command()
@click.argument("file", type=click.File("rb"))
@stream_options
@click.option("--dry-run", is_flag=True, help="Check the lines and put nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print refusals and summary as JSON lines.")
def put(
    file: BinaryIO, stream: str | None, stack_name: str | None, *, dry_run: bool, as_json: bool
) -> None:
    """Put the events of FILE on the stream.

    FILE has one JSON object a line; - is standard input. Each line is checked first, with the
    pipeline's own decoder. Refused lines are reported and left out, the others are put under the
    partition key of the contract. An event without an id gets one made of its bytes, so the same
    file can be put again.

    Exit code 0: all put; 1: some lines refused; 2: wrong usage; 3: the stream did not take them.
    """
    console = make_console(stderr=True)
    delivery = None if dry_run else Delivery(open_producer(stream, stack_name))
    checked = CheckedLines(file, utc_now, refusal_printer(console, as_json=as_json))
    failure = ""
    try:
        with progress_bar(console, "putting", _size(file)) as advance:
            for events in delivery.send(checked) if delivery else checked.numbered():
                advance(_position(file), events)
    except PutError as error:
        failure = str(error)
    except KeyboardInterrupt:
        failure = "interrupted"
    _print_summary(delivery, checked, failure, as_json=as_json)
    if failure:
        raise NotPutError(f"{failure}; putting the same lines again repeats no event")
    if checked.refused:
        raise SystemExit(EXIT_REFUSED)


class CheckedLines:
    """The records of the lines that keep the contract, in order; counts those that do not."""

    def __init__(
        self, file: BinaryIO, now: Callable[[], datetime], show_refusal: ShowRefusal
    ) -> None:
        self._file = file
        self._now = now
        self._show_refusal = show_refusal
        self.accepted = 0
        self.refused = 0

    def __iter__(self) -> Iterator[StreamPut]:
        for fate in check_lines(self._file, self._now):
            if isinstance(fate, Refused):
                self.refused += 1
                self._show_refusal(fate)
            else:
                self.accepted += 1
                yield fate.put

    def numbered(self) -> Iterator[int]:
        """Yield how many lines were accepted so far, after each of them."""
        for _ in self:
            yield self.accepted


def refusal_printer(console: Console, *, as_json: bool) -> ShowRefusal:
    """Return what shows a refused line: on the console, or as JSON on standard output."""

    def show(refused: Refused) -> None:
        if as_json:
            click.echo(json.dumps(refused._asdict()))
        else:
            console.out(f"line {refused.line}: {refused.path}: {refused.reason}", highlight=False)

    return show


def _print_summary(
    delivery: Delivery | None, checked: CheckedLines, failure: str, *, as_json: bool
) -> None:
    by_type = dict(delivery.by_type) if delivery else {}
    if as_json:
        summary = {
            "put": sum(by_type.values()),
            "accepted": checked.accepted,
            "refused": checked.refused,
            "by_type": by_type,
            "failure": failure,
        }
        click.echo(json.dumps(summary))
        return
    did = f"put {in_words(by_type)}" if delivery else f"would put {checked.accepted} events"
    click.echo(f"{did}, refused {checked.refused} line{'' if checked.refused == 1 else 's'}")


def _size(file: BinaryIO) -> int | None:
    """Return the size of a regular file in bytes, None for a pipe or a terminal."""
    try:
        found = os.fstat(file.fileno())
    except OSError:  # a stream in memory
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _position(file: BinaryIO) -> int:
    return file.tell() if file.seekable() else 0
