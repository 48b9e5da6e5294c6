"""`streamwarden alerts tail`: what happens to alerts, as it happens."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple, get_args

import click

from pipeline.cli.alerts.command import line_fields
from pipeline.cli.alerts.index import AlertLine, Wanted, firing_alerts, list_alerts, read_line
from pipeline.cli.alerts.spans import SpanType
from pipeline.cli.finite import FiniteRange
from pipeline.cli.moments import utc_now
from pipeline.cli.stack import reading, stack_option
from pipeline.cli.tables import remark
from pipeline.detection.anomaly import Severity
from pipeline.detection.texts import MAX_TITLE_CHARS
from pipeline.flows.alerts.texts import clean, moment_text

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LOOK_BACK: Final = timedelta(hours=1)
"""What opened within it is seen even when it is over before the next look."""

_MAX_RECENT: Final = 1000

Snapshot = Mapping[str, AlertLine]


class Change(NamedTuple):
    """What happened to an alert between two looks, and how it stands now."""

    what: str
    line: AlertLine


@click.command("tail")
@stack_option
@click.option("--severity", type=click.Choice(get_args(Severity)), help="Only these.")
@click.option("--rule", metavar="ID", help="Only alerts of this rule.")
@click.option("--subject", metavar="TEXT", help="Only alerts about this subject.")
@click.option(
    "--for", "length", type=SpanType(), help="How long, such as 10m; until Ctrl-C without."
)
@click.option(
    "--every",
    "every_s",
    type=FiniteRange(min=0.2, max=60),
    default=2.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
def tail(  # noqa: PLR0913  one for each option
    *,
    stack_name: str | None,
    severity: str | None,
    rule: str | None,
    subject: str | None,
    length: timedelta | None,
    every_s: float,
    as_json: bool,
) -> None:
    """Follow the alerts: a line for each change.

    A change is opened, worse, more, taken over or resolved. It begins with what fires, and looks at
    indexes of the table, so it may lag by seconds and sees what happens between two looks as one
    change.
    """
    wanted = Wanted(severity=severity, rule=rule, subject=subject)
    with reading(stack_name) as stack:
        client, name = stack.client("dynamodb"), stack.output("AlertsTableName")
        if not as_json:
            remark("what fires, then each change; Ctrl-C ends it")
        looks = int(length.total_seconds() / every_s) if length else None
        try:
            for change in follow(
                lambda: snapshot(client, name, utc_now()),
                lambda line: read_line(client, name, line),
                lambda: time.sleep(every_s),
                looks,
            ):
                if wanted.fits(change.line):
                    click.echo(_json(change) if as_json else _text(change))
        except KeyboardInterrupt:
            remark("")


def snapshot(client: "DynamoDBClient", table: str, now: datetime) -> Snapshot:
    """Return by their ids the alerts that fire, and those opened within the last hour."""
    recent = list_alerts(client, table, Wanted(since=now - _LOOK_BACK), _MAX_RECENT, now)
    return {line.alert_id: line for line in chain(recent.lines, firing_alerts(client, table))}


def follow(
    look: Callable[[], Snapshot],
    read: Callable[[AlertLine], AlertLine | None],
    wait: Callable[[], None],
    looks: int | None = None,
) -> Iterator[Change]:
    """Yield what fires, then each change.

    Args:
        look: Takes a snapshot.
        read: Reads one alert as it is now, None when it is gone.
        wait: Waits for the next look.
        looks: How many looks follow the first; None for ever.
    """
    before: dict[str, AlertLine] = dict(look())
    for line in _by_time(before.values()):
        if line.status == "firing":
            yield Change("firing", line)
    while looks is None or looks > 0:
        looks = None if looks is None else looks - 1
        wait()
        after = dict(look())
        for alert_id, line in before.items():
            if alert_id not in after and line.status == "firing" and (now := read(line)):
                after[alert_id] = now
        for line in _by_time(after.values()):
            for what in _changes(before.get(line.alert_id), line):
                yield Change(what, line)
        before = after


def _changes(before: AlertLine | None, line: AlertLine) -> Iterator[str]:
    """Name what is different; an alert that nobody has seen yet may be over already."""
    if before is None:
        yield "opened"
    if line.status == "resolved" and (before is None or before.status == "firing"):
        yield "resolved"
    elif before and line.status == "firing":
        if line.severity != before.severity:
            yield f"{before.severity} to {line.severity}"
        if line.count != before.count:
            yield f"{before.count:,} to {line.count:,} times"
        if line.taken_by != before.taken_by:
            yield f"taken by {clean(line.taken_by, 40)}"


def _by_time(lines: Iterable[AlertLine]) -> list[AlertLine]:
    return sorted(lines, key=lambda line: (line.opened_at, line.alert_id))


def _json(change: Change) -> str:
    fields = {"at": moment_text(utc_now()), "change": change.what, **line_fields(change.line)}
    return json.dumps(fields, ensure_ascii=False)


def _text(change: Change) -> str:
    line = change.line
    title = clean(line.title, MAX_TITLE_CHARS)
    return (
        f"{utc_now():%H:%M:%S}  {change.what:<16}  {line.severity:<8}  {line.alert_id[:8]}  {title}"
    )
