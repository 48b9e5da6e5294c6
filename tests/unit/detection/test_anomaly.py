from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detection.anomaly import timestamp_text

BERLIN = timezone(timedelta(hours=2))
MOMENTS = st.builds(
    lambda microseconds, minutes: (
        datetime.fromtimestamp(0, timezone(timedelta(minutes=minutes)))
        + timedelta(microseconds=microseconds)
    ),
    st.integers(-(10**16), 10**17),
    st.integers(-14 * 60, 14 * 60),
)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 9, 21, 12, 0, 0, 250_000, UTC), "2026-09-21T12:00:00.250000Z"),
        (datetime(2026, 9, 21, 12, 0, 0, 1, UTC), "2026-09-21T12:00:00.000001Z"),
        (datetime(2026, 9, 21, 12, 0, 0, 0, UTC), "2026-09-21T12:00:00.000000Z"),
        (datetime(2026, 9, 21, 1, 30, 0, 0, BERLIN), "2026-09-20T23:30:00.000000Z"),
        (datetime(70, 1, 1, 0, 0, 0, 0, UTC), "0070-01-01T00:00:00.000000Z"),
    ],
)
def test_a_moment_is_written_in_utc_with_microseconds(moment: datetime, text: str) -> None:
    assert timestamp_text(moment) == text


@given(st.lists(MOMENTS, min_size=2, max_size=2))
def test_the_order_of_texts_is_the_order_of_time(moments: list[datetime]) -> None:
    first, second = sorted(moments)

    assert timestamp_text(first) <= timestamp_text(second)
    assert datetime.fromisoformat(timestamp_text(first)) == first
