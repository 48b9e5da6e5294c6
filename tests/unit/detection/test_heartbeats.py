import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detection.heartbeats import (
    BUCKETS,
    NONE,
    Beat,
    Heartbeats,
    bucket,
    heard,
    merged,
)

REGULAR = 10


def after(*moments: float, name: str = "source web-7", state: Heartbeats = NONE) -> Heartbeats:
    for moment in moments:
        state = heard(state, name, moment, REGULAR)
    return state


def test_signs_of_life_within_a_minute_are_one_beat_and_nothing_to_store() -> None:
    state = after(1000.0)

    assert heard(state, "source web-7", 1059.9, REGULAR) is state
    assert heard(state, "source web-7", 900.0, REGULAR) is state
    assert heard(state, "source web-7", 1060.0, REGULAR) is not state


def test_a_source_that_reports_every_minute_usually_pauses_for_a_minute() -> None:
    state = after(*(60.0 * minute for minute in range(1000)))

    assert state.beats == (Beat("source web-7", 59_940, 60, 200),)


def test_half_of_an_unusual_pause_is_learned_and_fades_over_days() -> None:
    regular = after(*(60.0 * minute for minute in range(20)))
    last = regular.beats[0].last

    paused = after(last + 7260.0, state=regular)
    week_later = after(
        *(last + 7260.0 + 60.0 * minute for minute in range(1, 10_081)), state=paused
    )

    assert 3600 <= paused.beats[0].longest_s <= 3700
    assert 850 <= week_later.beats[0].longest_s <= 1000


def test_a_nightly_pause_is_usual_after_a_working_week() -> None:
    state = NONE
    for day in range(6):
        state = after(*(86_400.0 * day + 60 * minute for minute in range(16 * 60)), state=state)

    assert 1.5 * state.beats[0].longest_s > 8 * 3600


def test_regular_sources_cannot_be_crowded_out() -> None:
    state = after(*(60.0 * minute for minute in range(11)))

    for number in range(500):
        state = heard(state, f"source stranger-{number}", 700.0 + number, REGULAR)

    assert state.beats[0].name == "source web-7"
    assert state.beats[-1].name == "source stranger-499"
    assert len(state.beats) == 20


def test_a_row_full_of_regular_sources_takes_no_other() -> None:
    state = Heartbeats(tuple(Beat(f"source web-{n:02}", 1000, 60, 10) for n in range(24)))

    assert heard(state, "source newcomer", 1100.0, REGULAR) is state


def test_a_source_that_is_silent_for_a_week_makes_room() -> None:
    beats = [Beat(f"source web-{n:02}", 1_000_000, 60, 10) for n in range(24)]
    state = Heartbeats((Beat("source gone", 1000, 60, 200), *beats[1:]))

    after_it = heard(state, "source newcomer", 1_000_060.0, REGULAR)

    names = {beat.name for beat in after_it.beats}
    assert "source newcomer" in names
    assert "source gone" not in names


@given(
    st.lists(
        st.tuples(
            st.text(min_size=1, max_size=256), st.floats(min_value=0, max_value=4_000_000_000)
        ),
        max_size=60,
    )
)
def test_a_row_costs_one_write_unit_whatever_sources_are_called(
    signs: list[tuple[str, float]],
) -> None:
    state = NONE

    for name, moment in signs:
        state = heard(state, name, moment, REGULAR)

    packed = msgspec.msgpack.encode(state)
    assert len(packed) <= 850
    assert msgspec.msgpack.decode(packed, type=Heartbeats) == state


def test_a_source_has_one_row_among_few() -> None:
    rows = {bucket(f"source web-{number}") for number in range(1000)}

    assert rows == {str(number) for number in range(BUCKETS)}


def test_the_newest_entry_of_all_shards_counts() -> None:
    old = Heartbeats((Beat("source web-7", 1000, 60, 50), Beat("source web-8", 900, 60, 3)))
    new = Heartbeats((Beat("source web-7", 2000, 90, 2),))

    assert merged([old, new]) == {
        "source web-7": Beat("source web-7", 2000, 90, 2),
        "source web-8": Beat("source web-8", 900, 60, 3),
    }
