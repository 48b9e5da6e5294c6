from datetime import timedelta

import click
import pytest

from pipeline.cli.alerts.spans import SpanType, WeeklyType, weekly_text


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("45s", timedelta(seconds=45)),
        ("30m", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
        ("26w", timedelta(days=182)),
    ],
)
def test_a_span_has_a_number_and_a_unit(text: str, span: timedelta) -> None:
    taken = SpanType().convert(text, None, None)

    assert taken == span


@pytest.mark.parametrize("text", ["", "2", "h", "0h", "-2h", "2 hours", "1.5h", "99999999d"])
def test_anything_else_is_no_span(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no span such as"):
        SpanType().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "shown", "minutes"),
    [
        ("Sun 02:00-04:00 Europe/Berlin", "sun 02:00-04:00 Europe/Berlin", 120),
        ("saturday,Sun 22:30-01:00 UTC", "sat,sun 22:30-01:00 UTC", 150),
        ("Mon-Fri 00:00-00:00 UTC", "mon,tue,wed,thu,fri 00:00-00:00 UTC", 1440),
        ("Sat-Mon 06:00-06:30 UTC", "mon,sat,sun 06:00-06:30 UTC", 30),
        ("daily 03:00-03:15 America/New_York", "daily 03:00-03:15 America/New_York", 15),
    ],
)
def test_a_window_is_written_as_it_is_taken(text: str, shown: str, minutes: int) -> None:
    window = WeeklyType().convert(text, None, None)

    assert (weekly_text(window), window.minutes) == (shown, minutes)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Sun 02:00 Europe/Berlin", "is no window such as"),
        ("Someday 02:00-04:00 UTC", "is no day of the week"),
        ("Sun 24:00-04:00 UTC", "begins"),
        ("Sun 02:00-04:00 Middle/Earth", "there is no time zone"),
    ],
)
def test_a_window_that_is_none_says_why(text: str, told: str) -> None:
    with pytest.raises(click.BadParameter, match=told):
        WeeklyType().convert(text, None, None)
