from datetime import UTC, datetime, timedelta

import click
import pytest

from pipeline.cli.moments import MomentType, short_text

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def _read(text: str) -> datetime:
    return MomentType(lambda: NOON).convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("24h", timedelta(days=1)),
        ("7d", timedelta(days=7)),
    ],
)
def test_an_age_is_that_long_ago(text: str, ago: timedelta) -> None:
    moment = _read(text)

    assert moment == NOON - ago


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-02-27", datetime(2026, 2, 27, tzinfo=UTC)),
        ("2026-02-27T10:30", datetime(2026, 2, 27, 10, 30, tzinfo=UTC)),
        ("2026-02-27T10:30:00+02:00", datetime(2026, 2, 27, 8, 30, tzinfo=UTC)),
    ],
)
def test_a_date_or_time_is_utc_unless_it_says_otherwise(text: str, moment: datetime) -> None:
    read = _read(text)

    assert read == moment


@pytest.mark.parametrize("text", ["", "yesterday", "24", "-1h", "9999999d"])
def test_anything_else_is_a_wrong_usage(text: str) -> None:
    with pytest.raises(click.BadParameter, match="neither an age such as 24h nor a date"):
        _read(text)


def test_an_age_before_the_calendar_begins_is_a_wrong_usage() -> None:
    with pytest.raises(click.BadParameter, match="too long ago"):
        _read("999999d")


def test_tables_show_moments_in_utc_to_the_second() -> None:
    text = short_text(datetime.fromisoformat("2026-02-27T10:30:05.9+02:00"))

    assert text == "2026-02-27 08:30:05"
