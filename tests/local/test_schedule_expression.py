"""Schedule expressions, in virtual time."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.local.semantics.schedule_expression import (
    ScheduleExpressionError,
    compile_schedule,
    utc_text,
)

SATURDAY = datetime(2026, 11, 21, 8, 0, tzinfo=UTC).timestamp()


def times(
    text: str,
    after: float | str = SATURDAY,
    *,
    zone: str = "UTC",
    count: int = 3,
    is_scheduler: bool = False,
) -> list[str]:
    """List the next times of an expression that came into being at the first of them."""
    schedule = compile_schedule(text, zone, is_scheduler=is_scheduler)
    now = datetime.fromisoformat(after).timestamp() if isinstance(after, str) else after
    started_at, found = now, []
    for _ in range(count):
        moment = schedule.next_fire(now, started_at)
        if moment is None:
            break
        found.append(utc_text(moment).removesuffix(":00Z"))
        now = moment
    return found


def test_the_rate_of_a_rule_fires_first_when_its_time_has_passed() -> None:
    assert times("rate(5 minutes)") == ["2026-11-21T08:05", "2026-11-21T08:10", "2026-11-21T08:15"]
    assert times("rate(1 day)", count=1) == ["2026-11-22T08:00"]


def test_the_rate_of_a_schedule_fires_at_its_start() -> None:
    schedule = compile_schedule("rate(2 hours)", is_scheduler=True)

    assert schedule.next_fire(SATURDAY - 1, SATURDAY) == SATURDAY
    assert schedule.next_fire(SATURDAY, SATURDAY) == SATURDAY + 7200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cron(0 9 * * ? *)", ["2026-11-21T09:00", "2026-11-22T09:00", "2026-11-23T09:00"]),
        ("cron(0 9 ? * MON-FRI *)", ["2026-11-23T09:00", "2026-11-24T09:00", "2026-11-25T09:00"]),
        ("cron(0 9 ? * 2 *)", ["2026-11-23T09:00", "2026-11-30T09:00", "2026-12-07T09:00"]),
        ("cron(0 9 ? * FRI-MON *)", ["2026-11-21T09:00", "2026-11-22T09:00", "2026-11-23T09:00"]),
        ("cron(0/20 8 * * ? *)", ["2026-11-21T08:20", "2026-11-21T08:40", "2026-11-22T08:00"]),
        ("cron(5,50 8-9 * * ? *)", ["2026-11-21T08:05", "2026-11-21T08:50", "2026-11-21T09:05"]),
        ("cron(0 0 L * ? *)", ["2026-11-30T00:00", "2026-12-31T00:00", "2027-01-31T00:00"]),
        ("cron(0 0 LW 1 ? *)", ["2027-01-29T00:00", "2028-01-31T00:00", "2029-01-31T00:00"]),
        ("cron(0 0 1W 5 ? 2027)", ["2027-05-03T00:00"]),  # the first is a Saturday
        ("cron(0 0 15W 8 ? 2027)", ["2027-08-16T00:00"]),  # a Sunday
        ("cron(0 0 31W 10 ? 2027)", ["2027-10-29T00:00"]),  # a Sunday, the month's last day
        ("cron(0 0 ? * 6L *)", ["2026-11-27T00:00", "2026-12-25T00:00", "2027-01-29T00:00"]),
        ("cron(0 0 ? * L *)", ["2026-11-28T00:00", "2026-12-05T00:00", "2026-12-12T00:00"]),
        ("cron(0 0 ? * TUE#2 *)", ["2026-12-08T00:00", "2027-01-12T00:00", "2027-02-09T00:00"]),
        ("cron(0 0 ? * 3#5 *)", ["2026-12-29T00:00", "2027-03-30T00:00", "2027-06-29T00:00"]),
        ("cron(0 0 29 FEB ? *)", ["2028-02-29T00:00", "2032-02-29T00:00", "2036-02-29T00:00"]),
        ("cron(0 0 1 1 ? 2026-2027)", ["2027-01-01T00:00"]),
        ("cron(0 0 31 2 ? *)", []),
    ],
)
def test_a_cron_expression_names_its_times(text: str, expected: list[str]) -> None:
    assert times(text) == expected


def test_a_time_zone_moves_the_times() -> None:
    assert times("cron(0 9 * * ? *)", zone="Asia/Tokyo") == [
        "2026-11-22T00:00",
        "2026-11-23T00:00",
        "2026-11-24T00:00",
    ]


def test_a_time_that_spring_skips_is_skipped() -> None:
    assert times("cron(30 2 * * ? *)", "2026-03-28T00:00Z", zone="Europe/Berlin") == [
        "2026-03-28T01:30",
        "2026-03-30T00:30",
        "2026-03-31T00:30",
    ]


def test_a_time_that_autumn_repeats_fires_once() -> None:
    assert times("cron(30 2 * * ? *)", "2026-10-24T00:00Z", zone="Europe/Berlin") == [
        "2026-10-24T00:30",
        "2026-10-25T00:30",
        "2026-10-26T01:30",
    ]


def test_a_one_time_schedule_fires_once() -> None:
    assert times("at(2026-12-01T10:00:00)", zone="America/New_York", is_scheduler=True) == [
        "2026-12-01T15:00"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "every day",
        "rate(0 minutes)",
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(1.5 hours)",
        "rate(5 weeks)",
        "at(2026-12-01T10:00:00)",
        "cron(0 9 * * *)",
        "cron(0 9 * * * *)",
        "cron(0 9 ? * ? *)",
        "cron(60 9 * * ? *)",
        "cron(0 24 * * ? *)",
        "cron(0 9 0 * ? *)",
        "cron(0 9 32 * ? *)",
        "cron(0 9 * 13 ? *)",
        "cron(0 9 ? * 0 *)",
        "cron(0 9 ? * FOO *)",
        "cron(0 9 ? * 2#6 *)",
        "cron(0 9 * * ? 1969)",
        "cron(0#1 9 * * ? *)",
        "cron(0/0 9 * * ? *)",
        "cron(*-5 9 * * ? *)",
    ],
)
def test_what_a_rule_does_not_take_is_refused(text: str) -> None:
    with pytest.raises(ScheduleExpressionError):
        compile_schedule(text)


@pytest.mark.parametrize(
    ("text", "zone"), [("at(2026-12-01)", "UTC"), ("rate(1 day)", "Mars/Olympus"), ("rate(1)", "")]
)
def test_what_a_schedule_does_not_take_is_refused(text: str, zone: str) -> None:
    with pytest.raises(ScheduleExpressionError):
        compile_schedule(text, zone, is_scheduler=True)


@given(
    after=st.integers(1_700_000_000, 1_900_000_000),
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
)
def test_a_daily_time_comes_within_two_days_and_has_the_clock_that_was_asked_for(
    after: int, minute: int, hour: int, zone: str
) -> None:
    schedule = compile_schedule(f"cron({minute} {hour} * * ? *)", zone)

    moment = schedule.next_fire(after, after)

    assert moment is not None
    assert after < moment <= after + 2 * 86_400 + 3600
