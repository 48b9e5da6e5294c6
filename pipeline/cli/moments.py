"""Moments as people write them on a command line: a time ago, or a date."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

_AGE: Final = re.compile(r"(\d{1,6})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class MomentType(click.ParamType[datetime]):
    """Takes `30m`, `24h`, `7d` (that long ago) or an ISO 8601 date or time, UTC without an offset.

    Args:
        now: Tells the time in UTC.
    """

    name = "moment"

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    def convert(
        self,
        value: Any,  # noqa: ANN401  click's signature: its text, or the default as it is
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> datetime:
        """Return the moment in UTC."""
        if isinstance(value, datetime):
            return value
        if found := _AGE.fullmatch(value):
            try:
                return self._now() - timedelta(**{_UNITS[found[2]]: int(found[1])})
            except OverflowError:
                self.fail(f"{value} is too long ago", param, ctx)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is neither an age such as 24h nor a date or time", param, ctx)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def utc_now() -> datetime:
    """Return the time of day: commands are where a clock comes from."""
    return datetime.now(UTC)  # noqa: TID251  see above


def short_text(moment: datetime) -> str:
    """Write a moment for a table, in UTC to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
