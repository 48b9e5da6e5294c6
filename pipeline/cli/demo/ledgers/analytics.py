"""The ledger of analytics: the figures of queries against the events that the tables hold."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pipeline.cli.demo.ledgers.events import LedgerLine
from pipeline.flows.analytics.jobs import CLAIM

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

HOURLY: Final = "ScheduleAnalyticsFunctionHourly"
DAILY: Final = "ScheduleAnalyticsFunctionDaily"
SWEEP: Final = "ScheduleAlertsFunctionEveryMinute"

_NIGHTS_BACK: Final = (9, 6, 3, 0)
"""A night's schedule computes the three days before it, so these compute twelve, each once: those
of past_days.py, that of the traffic and, around midnight, the one that begins meanwhile."""

_HOURS_AFTER: Final = 3
_CLAIM_LAPSES_S: Final = CLAIM.total_seconds() + 10
"""Somewhat longer than a claim holds, as clocks may be skewed."""

_FIGURE_OF: Final = {
    "user_activity": ("daily_activity", "events"),
    "system_metric": ("daily_metrics", "points"),
}
"""Which figure of which query counts the events of a type."""


class QueryRow(NamedTuple):
    """A row of AnalyticsJobsTable: a query about a day or an hour of arrival."""

    query: str
    period: str
    status: str
    scanned_bytes: int
    figures: dict[str, float]

    @property
    def is_settled(self) -> bool:
        """Whether the query has done its work."""
        return self.status == "SUCCEEDED"


@dataclass(frozen=True, slots=True)
class AnalyticsResult:
    """The rows of all queries, and what is wrong with them."""

    rows: tuple[QueryRow, ...] = ()
    wrong: tuple[str, ...] = ()


def fire_schedules(
    fire: Callable[[str, datetime], object],
    now: datetime,
    unsettled: Callable[[], Collection[QueryRow]],
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Fire the template's schedules as if the next hour and the next night had come.

    First the hour's, which compacts what has arrived, then the day's, which computes the figures,
    night after night, so that each day is held against those before it, last the sweep of the
    alerts, which tells what a page budget has held back. What stays unsettled the hours after it
    take up, as on any day.

    Args:
        fire: Fires a schedule, by logical id and time, and waits until all that follows is done.
        now: The time in UTC.
        unsettled: Gives the rows of queries that the next hour should take up.
        wait: Lets that many seconds pass.
    """
    hour = now.replace(minute=10, second=0, microsecond=0) + timedelta(hours=1)
    night = now.replace(hour=1, minute=40, second=0, microsecond=0) + timedelta(days=1)
    fired = [(HOURLY, hour), *((DAILY, night - timedelta(days=back)) for back in _NIGHTS_BACK)]

    for logical_id, at in fired:
        fire(logical_id, at)
        for hours in range(1, 1 + _HOURS_AFTER):
            if not (rows := unsettled()):
                break
            if any(row.status == "CLAIMED" for row in rows):
                wait(_CLAIM_LAPSES_S)
            fire(HOURLY, at + timedelta(hours=hours))
    fire(SWEEP, now)


def draw_up_analytics(rows: Iterable[QueryRow], ledger: Sequence[LedgerLine]) -> AnalyticsResult:
    """Hold the figures of all days together against the stored events.

    Args:
        rows: What the queries came to.
        ledger: The ledger of events.
    """
    found = tuple(sorted(rows))
    wrong = [f"{row.query} of {row.period} is {row.status}" for row in found if not row.is_settled]
    is_whole = not wrong
    counted: Counter[tuple[str, str]] = Counter()
    for row in found:
        for name, value in row.figures.items():
            counted[row.query, name] += round(value)
    stored = {line.event_type: line.stored for line in ledger}
    for kind, figure in _FIGURE_OF.items():
        if is_whole and counted[figure] != stored.get(kind, 0):
            query, name = figure
            wrong.append(f"{query}: {counted[figure]} {name}, {stored.get(kind, 0)} are stored")
    return AnalyticsResult(found, tuple(wrong))


def read_queries(dynamodb: "DynamoDBClient", table: str) -> Iterator[QueryRow]:
    """Read back all rows."""
    pages = dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    for page in pages:
        for item in page["Items"]:
            figures: Mapping[str, Any] = item.get("figures", {}).get("M", {})
            yield QueryRow(
                query=item["query"]["S"],
                period=item["period"]["S"],
                status=item["status"]["S"],
                scanned_bytes=int(item.get("scanned_bytes", {}).get("N", "0")),
                figures={name: float(value["N"]) for name, value in figures.items()},
            )
