"""The named queries: their SQL, which lies beside this module, and what they are about."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Final

from pipeline.errors import InvalidRecordError

COMPACTION: Final = "compaction"
DAILY: Final = ("daily_activity", "daily_transactions", "daily_metrics")
QUERIES: Final = (COMPACTION, *DAILY)

LATE_DAYS: Final = 3
"""A day's figures are computed on each of so many days after it, for events that come late."""

LOOK_BACK_HOURS: Final = 48
"""Arrival hours in which objects may still appear: a batch that waited lies in the hour of its
arrival. What comes later than that is compacted by hand."""

MAX_LATE_DAYS: Final = 20
"""Days before its arrival under which an event can lie; compaction.sql has the same figure."""

_SERIES: Final = "series"
_ISO_HOUR: Final = "%Y-%m-%dT%H"


@cache
def sql(query: str) -> str:
    """Return the text of a query; its first line is its name in a comment."""
    return files("pipeline.flows.analytics").joinpath(f"sql/{query}.sql").read_text("utf-8")


def parameters(query: str, period: str) -> tuple[str, ...]:
    """Return what stands for the question marks: literals of SQL, made of a checked period.

    Raises:
        InvalidRecordError: The period is none.
    """
    if query == COMPACTION:
        hour = _moment(period, _ISO_HOUR)
        return hour.strftime("'%Y-%m-%d'"), hour.strftime("'%H'")
    day = _moment(period, "%Y-%m-%d").strftime("'%Y-%m-%d'")
    return day, day


def identity(text: str, values: Sequence[str]) -> tuple[str, str] | None:
    """Return query and period of a text that Athena has run, None for one that is not ours."""
    name = text.partition("\n")[0].removeprefix("-- ").strip()
    if name not in QUERIES or not values:
        return None
    if name == COMPACTION:
        return name, f"{values[0]}T{values[1]}".replace("'", "")
    return name, values[0].strip("'")


def closed_hours(at: datetime) -> list[str]:
    """Return the arrival hours that are over at a time, the oldest first."""
    this = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return [
        (this - timedelta(hours=back)).strftime(_ISO_HOUR) for back in range(LOOK_BACK_HOURS, 0, -1)
    ]


def closed_days(at: datetime) -> list[str]:
    """Return the days whose figures a schedule computes, the oldest first."""
    today = at.astimezone(UTC).date()
    return [(today - timedelta(days=back)).isoformat() for back in range(LATE_DAYS, 0, -1)]


def compacted_folders(hour: str) -> list[str]:
    """Return every prefix that the compaction of an arrival hour can have written to."""
    arrived = _moment(hour, _ISO_HOUR)
    arrival = arrived.strftime("%Y-%m-%d-%H")
    days = [
        (arrived.date() + timedelta(days=offset)).isoformat()
        for offset in range(-MAX_LATE_DAYS, 2)  # a timestamp may be an hour ahead
    ]
    return [
        f"compacted/event_type={kind}/day={day}/arrival={arrival}/"
        for kind in ("fraud_report", "system_metric", "transaction", "user_activity")
        for day in days
    ]


def figures(query: str, rows: Sequence[Mapping[str, str | None]]) -> dict[str, float]:
    """Return a result's numbers by name: `events`, or `amount of CHF` for a series.

    Raises:
        InvalidRecordError: A value is no number.
    """
    found = {}
    for row in rows:
        series = row.get(_SERIES)
        for name, value in row.items():
            if name == _SERIES or value is None:
                continue
            try:
                found[f"{name} of {series}" if series else name] = float(value)
            except ValueError as error:
                raise InvalidRecordError(f"{query}: {name} is {value!r}, no number") from error
    return found


def _moment(text: str, form: str) -> datetime:
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidRecordError(f"{text!r} is no period") from error
