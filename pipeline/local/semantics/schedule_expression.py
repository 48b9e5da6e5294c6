"""Schedule expressions of EventBridge: `rate(…)`, `cron(…)` of six fields, and `at(…)`.

The interface::

    schedule = compile_schedule("cron(0 9 ? * MON-FRI *)", "Europe/Berlin")
    schedule.next_fire(after, started_at)   # epoch seconds, or None when it never fires again

A time that the clocks skip in spring is skipped; one that they repeat in autumn fires once.
Source: Amazon EventBridge User Guide, "Setting a schedule pattern for scheduled rules (legacy)";
EventBridge Scheduler User Guide, "Schedule types".
"""

import calendar
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_UNIT_S: Final = {"minute": 60, "hour": 3600, "day": 86_400}
_MONTHS: Final = (
    "JAN",
    "FEB",
    "MAR",
    "APR",
    "MAY",
    "JUN",
    "JUL",
    "AUG",
    "SEP",
    "OCT",
    "NOV",
    "DEC",
)
_WEEKDAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2199
_FRIDAY: Final = 4

_NextFire = Callable[[float, float], float | None]
_DayRule = Callable[[int, int], set[int]]
"""Gives the days of a month, by year and month."""


class ScheduleExpressionError(ValueError):
    """The expression is none that EventBridge accepts."""


@dataclass(frozen=True, slots=True)
class ScheduleExpression:
    """A compiled expression; see the module."""

    text: str
    _next: _NextFire

    def next_fire(self, after: float, started_at: float) -> float | None:
        """Return the first time behind `after`, in epoch seconds.

        Args:
            after: The last time, or now.
            started_at: When the schedule came into being, from which a rate counts.
        """
        return self._next(after, started_at)


def compile_schedule(
    text: str, timezone: str = "UTC", *, is_scheduler: bool = False
) -> ScheduleExpression:
    """Turn an expression into what tells its times.

    Args:
        text: The expression.
        timezone: IANA name, which moves `cron` and `at`.
        is_scheduler: Whether it is of EventBridge Scheduler, which knows `at`, takes
            `rate(1 hours)` and fires a rate at its start; a rule's rate fires first when its time
            has passed once.

    Raises:
        ScheduleExpressionError: Says what is wrong with it.
    """
    match = re.fullmatch(r"(rate|cron|at)\((.*)\)", text)
    if match is None or (match[1] == "at" and not is_scheduler):
        kinds = "rate(), cron() or at()" if is_scheduler else "rate() or cron()"
        raise ScheduleExpressionError(f"{text!r} is neither {kinds}")
    try:
        zone = ZoneInfo(timezone)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise ScheduleExpressionError(f"there is no time zone {timezone!r}") from error
    kind, body = match.groups()
    if kind == "rate":
        return ScheduleExpression(text, _rate(body, is_scheduler=is_scheduler))
    if kind == "at":
        return ScheduleExpression(text, _at(body, zone))
    return ScheduleExpression(text, _cron(body, zone))


def _rate(body: str, *, is_scheduler: bool) -> _NextFire:
    match = re.fullmatch(r"([1-9]\d*) (minute|hour|day)(s?)", body)
    if match is None:
        raise ScheduleExpressionError(f"{body!r} is no number and unit, such as 5 minutes")
    count, is_plural = int(match[1]), bool(match[3])
    if not is_scheduler and is_plural is (count == 1):
        raise ScheduleExpressionError(f"{body!r}: 1 takes a singular unit, all else a plural")
    period_s = count * _UNIT_S[match[2]]

    def next_fire(after: float, started_at: float) -> float:
        first = started_at if is_scheduler else started_at + period_s
        if after < first:
            return first
        return first + ((after - first) // period_s + 1) * period_s

    return next_fire


def _at(body: str, zone: ZoneInfo) -> _NextFire:
    try:
        local = datetime.strptime(body, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=zone)
    except ValueError as error:
        raise ScheduleExpressionError(f"{body!r} is no yyyy-mm-ddThh:mm:ss") from error
    moment = local.timestamp()
    return lambda after, _: moment if moment > after else None


def _cron(body: str, zone: ZoneInfo) -> _NextFire:
    fields = body.split()
    if len(fields) != 6:
        raise ScheduleExpressionError(f"{body!r} has {len(fields)} fields, not 6")
    minutes = sorted(_numbers(fields[0], 0, 59))
    hours = sorted(_numbers(fields[1], 0, 23))
    times = [time(hour, minute) for hour in hours for minute in minutes]
    days = _days(fields[2], fields[4])
    months = sorted(_numbers(fields[3], 1, 12, _MONTHS))
    years = sorted(_numbers(fields[5], _FIRST_YEAR, _LAST_YEAR))

    def dates(first: date) -> Iterator[date]:
        for year, month in itertools.product(years, months):
            if (year, month) >= (first.year, first.month):
                every = (date(year, month, day) for day in sorted(days(year, month)))
                yield from (day for day in every if day >= first)

    def next_fire(after: float, started_at: float) -> float | None:
        del started_at  # the clock alone tells
        # A day earlier, since another zone's day may have begun.
        begin = datetime.fromtimestamp(after, zone).date() - timedelta(days=1)
        for day, clock in ((day, clock) for day in dates(begin) for clock in times):
            moment = _moment(datetime.combine(day, clock), zone)
            if moment is not None and moment > after:
                return moment
        return None

    return next_fire


def _moment(local: datetime, zone: ZoneInfo) -> float | None:
    """Give a local time's epoch seconds, the first ones if there are two; None if it is skipped."""
    moment = local.replace(tzinfo=zone, fold=0).timestamp()
    is_skipped = datetime.fromtimestamp(moment, zone).replace(tzinfo=None) != local
    return None if is_skipped else moment


def _days(of_month: str, of_week: str) -> _DayRule:
    """Read both day fields: exactly one of them is `?`."""
    if (of_month == "?") is (of_week == "?"):
        raise ScheduleExpressionError(
            f"{of_month!r} and {of_week!r}: one of day-of-month and day-of-week has to be ?"
        )
    if of_week == "?":
        rules = [_day_of_month(part) for part in of_month.split(",")]
    else:
        rules = [_day_of_week(part) for part in of_week.split(",")]
    return lambda year, month: set().union(*(rule(year, month) for rule in rules))


def _day_of_month(part: str) -> _DayRule:
    if part == "L":
        return lambda year, month: {calendar.monthrange(year, month)[1]}
    if part == "LW":
        return lambda year, month: {_weekday_near(year, month, calendar.monthrange(year, month)[1])}
    nearest = re.fullmatch(r"(\d+)W", part)
    if nearest:
        (day,) = _numbers(nearest[1], 1, 31)
        return lambda year, month: (
            {_weekday_near(year, month, day)}
            if day <= calendar.monthrange(year, month)[1]
            else set()
        )
    days = _numbers(part, 1, 31)
    return lambda year, month: {d for d in days if d <= calendar.monthrange(year, month)[1]}


def _weekday_near(year: int, month: int, day: int) -> int:
    """Give the weekday nearest to a day without leaving its month."""
    weekday = date(year, month, day).weekday()
    if weekday <= _FRIDAY:
        return day
    if weekday == _FRIDAY + 1:
        return day - 1 if day > 1 else day + 2
    return day + 1 if day < calendar.monthrange(year, month)[1] else day - 2


def _day_of_week(part: str) -> _DayRule:
    """Read a weekday, 1 being Sunday; `L` is the week's last, `6L` the month's last Friday."""
    if part == "L":
        part = "SAT"
    nth = re.fullmatch(r"(\w+)#([1-5])", part)
    last = re.fullmatch(r"([1-7]|[A-Z]{3})L", part)
    if nth:
        (weekday,) = _numbers(nth[1], 1, 7, _WEEKDAYS)
        which = int(nth[2]) - 1
        return lambda year, month: set(_weekdays(year, month, {weekday})[which : which + 1])
    if last:
        (weekday,) = _numbers(last[1], 1, 7, _WEEKDAYS)
        return lambda year, month: {_weekdays(year, month, {weekday})[-1]}
    wanted = _numbers(part, 1, 7, _WEEKDAYS)
    return lambda year, month: set(_weekdays(year, month, wanted))


def _weekdays(year: int, month: int, wanted: set[int]) -> list[int]:
    days = range(1, calendar.monthrange(year, month)[1] + 1)
    return [day for day in days if date(year, month, day).isoweekday() % 7 + 1 in wanted]


def _numbers(field: str, low: int, high: int, names: Sequence[str] = ()) -> set[int]:
    """Read a field of numbers, names, ranges, steps and lists of these."""
    numbers: set[int] = set()
    for part in field.split(","):
        match = re.fullmatch(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?", part)
        if match is None or (match[1] == "*" and match[2]):
            raise ScheduleExpressionError(f"{field!r} cannot be read")
        first, last, step = match.groups()
        begin = low if first == "*" else _number(first, low, high, names)
        end = _number(last, low, high, names) if last else begin
        if first == "*" or (step and not last):
            end = high
        if begin > end:  # FRI-MON runs over the end of the week
            chosen = [*range(begin, high + 1), *range(low, end + 1)]
        else:
            chosen = list(range(begin, end + 1))
        if step == "0" or (step and int(step) > high):
            raise ScheduleExpressionError(f"{field!r} has a step of {step}")
        numbers |= set(chosen[:: int(step or 1)])
    return numbers


def _number(text: str, low: int, high: int, names: Sequence[str]) -> int:
    if text.upper() in names:
        return low + names.index(text.upper())
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise ScheduleExpressionError(f"{text!r} is not within {low} and {high}")
    return int(text)


def utc_text(moment: float) -> str:
    """Write a time as EventBridge does, to the second."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
