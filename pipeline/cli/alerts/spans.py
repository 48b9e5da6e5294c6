"""Spans of time as people write them on a command line: so long, and again each week."""

import re
from datetime import timedelta
from typing import Any, Final

import click
import msgspec

from pipeline.flows.alerts.silence import WEEKDAYS, Weekday, Weekly

_SPAN: Final = re.compile(r"(\d{1,6})([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_EVERY: Final = re.compile(r"(\S+) +(\d\d:\d\d)-(\d\d:\d\d) +(\S+)")
_DAY_MINUTES: Final = 1440


class SpanType(click.ParamType[timedelta]):
    """Takes `30m`, `2h`, `7d`, `26w`."""

    name = "span"

    def convert(
        self,
        value: Any,  # noqa: ANN401  click's signature: its text, or the default as it is
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> timedelta:
        """Return the span, which is longer than nothing."""
        if isinstance(value, timedelta):
            return value
        found = _SPAN.fullmatch(value)
        if not found or not int(found[1]):
            self.fail(f"{value!r} is no span such as 30m, 2h, 7d or 26w", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


class WeeklyType(click.ParamType[Weekly]):
    """Takes `Sun 02:00-04:00 Europe/Berlin`, `Mon-Fri ...`, `Sat,Sun ...` and `daily ...`."""

    name = "window"

    def convert(
        self,
        value: Any,  # noqa: ANN401  click's signature: its text, or the default as it is
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Weekly:
        """Return the window; one that ends before it begins reaches past midnight."""
        if isinstance(value, Weekly):
            return value
        found = _EVERY.fullmatch(" ".join(value.split()))
        if not found:
            self.fail(f"{value!r} is no window such as Sun 02:00-04:00 Europe/Berlin", param, ctx)
        days, begins, ends, timezone = found.groups()
        minutes = (_minutes(ends) - _minutes(begins)) % _DAY_MINUTES or _DAY_MINUTES
        try:
            return msgspec.convert(
                {
                    "days": _days(days.lower()),
                    "begins": begins,
                    "minutes": minutes,
                    "timezone": timezone,
                },
                type=Weekly,
            )
        except (ValueError, msgspec.ValidationError) as error:
            self.fail(f"{value!r}: {error}", param, ctx)


def weekly_text(weekly: Weekly) -> str:
    """Write a window as it is taken."""
    end = (_minutes(weekly.begins) + weekly.minutes) % _DAY_MINUTES
    days = "daily" if weekly.days == WEEKDAYS else ",".join(weekly.days)
    return f"{days} {weekly.begins}-{end // 60:02}:{end % 60:02} {weekly.timezone}"


def _days(text: str) -> tuple[Weekday, ...]:
    if text == "daily":
        return WEEKDAYS
    chosen: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        begin = _day(first)
        length = (_day(last or first) - begin) % len(WEEKDAYS)
        chosen |= {(begin + number) % len(WEEKDAYS) for number in range(length + 1)}
    return tuple(WEEKDAYS[number] for number in sorted(chosen))


def _day(text: str) -> int:
    for number, day in enumerate(WEEKDAYS):
        if text[:3] == day:
            return number
    raise ValueError(f"{text!r} is no day of the week")


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])
