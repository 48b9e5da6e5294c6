from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from pipeline.flows.alerts.silence import Matcher, Silence, Weekly, silenced_by
from tests.fakes.alerts import NOON, cpu_fact

SUNDAYS = Weekly(days=("sun",), begins="02:00", minutes=120, timezone="Europe/Berlin")


def silence(name: str = "s-1", **changes: object) -> Silence:
    fields: dict[str, object] = {
        "silence_id": name,
        "owner": "ann",
        "reason": "new disks",
        "created_at": NOON,
        "starts_at": NOON,
        "ends_at": NOON + timedelta(hours=2),
        "matcher": Matcher(rule="static_limit"),
    }
    return Silence(**(fields | changes))  # type: ignore[arg-type]  # tests name the fields


@pytest.mark.parametrize(
    ("matcher", "fits"),
    [
        (Matcher(rule="static_limit"), True),
        (Matcher(rule="static_*", source="web-?"), True),
        (Matcher(rule="static_limit", source="db-*"), False),
        (Matcher(subject="web-7/cpu_usage"), True),
        (Matcher(subject="WEB-7/*"), False),
        (Matcher(severities=("high", "medium")), True),
        (Matcher(severities=("critical",)), False),
        (Matcher(labels={"metric_name": "cpu_*"}), True),
        (Matcher(labels={"metric_name": "cpu_*", "region": "*-1"}), False),
    ],
)
def test_all_that_a_matcher_gives_must_fit(matcher: Matcher, *, fits: bool) -> None:
    assert matcher.fits(cpu_fact(), "high") is fits


def test_a_matcher_that_would_hide_everything_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Matcher()


def test_a_silence_holds_from_its_start_to_before_its_end() -> None:
    one = silence()
    minute = timedelta(minutes=1)

    held = [
        one.until(moment) for moment in (NOON - minute, NOON, one.ends_at - minute, one.ends_at)
    ]

    assert held == [None, one.ends_at, one.ends_at, None]


def test_a_silence_that_never_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="end after it starts"):
        silence(ends_at=NOON)


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        (datetime(2026, 3, 1, 0, 59, tzinfo=UTC), None),
        (datetime(2026, 3, 1, 1, 0, tzinfo=UTC), datetime(2026, 3, 1, 3, 0, tzinfo=UTC)),
        (datetime(2026, 3, 1, 2, 59, tzinfo=UTC), datetime(2026, 3, 1, 3, 0, tzinfo=UTC)),
        (datetime(2026, 3, 1, 3, 0, tzinfo=UTC), None),
        (datetime(2026, 3, 2, 1, 30, tzinfo=UTC), None),  # a Monday
        (datetime(2026, 7, 5, 0, 30, tzinfo=UTC), datetime(2026, 7, 5, 2, 0, tzinfo=UTC)),  # summer
    ],
)
def test_a_maintenance_window_opens_by_the_clock_on_its_wall(
    moment: datetime, end: datetime | None
) -> None:
    assert SUNDAYS.until(moment) == end


def test_a_window_that_begins_before_midnight_holds_after_it() -> None:
    night = Weekly(days=("sat",), begins="23:00", minutes=180, timezone="UTC")

    assert night.until(datetime(2026, 3, 1, 1, 0, tzinfo=UTC)) == datetime(
        2026, 3, 1, 2, 0, tzinfo=UTC
    )


def test_the_change_to_summer_time_leaves_a_window_as_long_as_it_is() -> None:
    begin = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)  # 02:00 does not exist in Berlin on that day

    assert SUNDAYS.until(begin) == begin + timedelta(minutes=120)


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "../etc/passwd", ""])
def test_a_time_zone_that_nobody_knows_is_refused(zone: str) -> None:
    document = msgspec.json.encode(SUNDAYS).replace(b"Europe/Berlin", zone.encode())

    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(document, type=Weekly)


def test_a_recurring_silence_holds_only_while_its_window_is_open_and_it_has_not_ended() -> None:
    ends_at = datetime(2026, 3, 8, 2, 0, tzinfo=UTC)
    one = silence(starts_at=NOON - timedelta(days=9), ends_at=ends_at, weekly=SUNDAYS)

    held = [
        one.until(datetime(2026, 3, day, hour, 30, tzinfo=UTC))
        for day, hour in ((1, 1), (1, 12), (8, 1), (15, 1))
    ]

    assert held == [datetime(2026, 3, 1, 3, 0, tzinfo=UTC), None, ends_at, None]


def test_of_several_silences_the_one_that_holds_longest_hides() -> None:
    longer = silence("s-2", ends_at=NOON + timedelta(hours=3))
    other = silence("s-3", ends_at=NOON + timedelta(hours=9), matcher=Matcher(source="db-1"))

    assert silenced_by([silence(), longer, other], cpu_fact(), "high", NOON) == longer


def test_a_silence_is_read_as_it_was_written() -> None:
    one = silence(weekly=SUNDAYS, matcher=Matcher(severities=("low",), labels={"a": "b*"}))

    assert msgspec.json.decode(msgspec.json.encode(one), type=Silence) == one
