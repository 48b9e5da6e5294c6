"""`streamwarden smoke`: a marked batch through a deployed stack, looked for at every place."""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Protocol

import click

from pipeline.cli.deployment.smoke_batch import Batch, make_batch
from pipeline.cli.deployment.smoke_traces import Traces
from pipeline.cli.finite import FiniteRange
from pipeline.cli.moments import utc_now
from pipeline.cli.producers.destination import NotPutError
from pipeline.cli.producers.producer import PutError
from pipeline.cli.stack import EXIT_NOTHING, reading, stack_option
from pipeline.cli.tables import Column, print_json, print_table, remark, table

_PAUSE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Hop:
    """A place that the batch has to reach; `missing` is empty once it has."""

    place: str
    seconds: float
    missing: tuple[str, ...]


@click.command()
@stack_option
@click.option(
    "--timeout",
    "timeout_s",
    type=FiniteRange(min=1),
    default=180.0,
    show_default=True,
    metavar="SECONDS",
    help="How long the batch may take.",
)
@click.option("--keep", is_flag=True, help="Leave what the batch became, to look at it.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def smoke(stack_name: str | None, timeout_s: float, *, keep: bool, as_json: bool) -> None:
    """Send a marked batch through a stack, and look where it arrives.

    It has an event of each type, with a test page. Looks for the rows, for the lake's lines and for
    the alert, which is told and resolved: the on-call engineer gets a page of the least severity
    that says it is a test. Then takes rows and lines away; the alert stays, as any that people were
    told of.

    Exit code 0: all arrived; 1: something did not; 2: wrong usage; 3: the stack cannot be read.
    """
    batch = make_batch(uuid.uuid4().hex[:12], utc_now())
    with reading(stack_name) as stack:
        traces = Traces(stack, batch)
        try:
            traces.put()
        except PutError as error:
            raise NotPutError(str(error)) from error
        hops = follow(traces, timeout_s, time.monotonic, time.sleep)
        left = [] if keep else traces.remove()
    _print(batch, hops, left, as_json=as_json)
    if any(hop.missing for hop in hops):
        raise SystemExit(EXIT_NOTHING)


class Looking(Protocol):
    """Looks for what the batch must become; each method names what is missing."""

    def missing_rows(self) -> list[str]:
        """Name the events without their row."""

    def missing_in_the_lake(self) -> list[str]:
        """Name the events that the lake has not."""

    def missing_pages(self) -> list[str]:
        """Say what is left of the alert's way."""


def follow(
    traces: Looking,
    timeout_s: float,
    monotonic_s: Callable[[], float],
    pause: Callable[[float], None],
) -> list[Hop]:
    """Wait until the batch has reached every place, or the time is up.

    Args:
        traces: What it leaves.
        timeout_s: The time for all places together.
        monotonic_s: A clock of seconds.
        pause: Waits a number of seconds.
    """
    started = monotonic_s()
    places: Sequence[tuple[str, Callable[[], list[str]]]] = (
        ("rows", traces.missing_rows),
        ("lake", traces.missing_in_the_lake),
        ("alert", traces.missing_pages),
    )
    hops = []
    for place, look in places:
        missing = look()
        while missing and monotonic_s() - started < timeout_s:
            pause(_PAUSE_S)
            missing = look()
        hops.append(Hop(place, monotonic_s() - started, tuple(missing)))
    return hops


def _print(batch: Batch, hops: Sequence[Hop], left: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"mark": batch.mark, "hops": [asdict(hop) for hop in hops], "left": list(left)})
        return
    columns = [Column("place"), Column("after", is_figure=True), Column("missing", is_whole=False)]
    rows = [
        [hop.place, f"{hop.seconds:.1f} s", "\n".join(hop.missing) or "nothing"] for hop in hops
    ]
    print_table(table(f"{batch.mark}: {len(batch.events)} events", columns, rows))
    for text in left:
        remark(text)
