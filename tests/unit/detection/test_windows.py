from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from pipeline.detection.windows import EMPTY, Window, add, mark, spans

ENTRIES = st.lists(
    st.tuples(st.integers(0, 500), st.integers(0, 40)),
    max_size=40,
    unique_by=lambda entry: entry[1],
)
SPAN_S = 100.0


def window(entries: list[tuple[int, int]], capacity: int = 100) -> Window:
    """Return a window of entries, each a time and a mark, its value ten times the mark."""
    kept = EMPTY
    for at, number in entries:
        if number not in kept.marks:
            kept = add(kept, float(at), number, number * 10, capacity) or kept
    return kept


def fullest(kept: Window, at: float) -> int:
    return max(end - start for start, end in spans(kept, at, SPAN_S))


def test_entries_are_kept_from_old_to_new_with_what_they_weigh() -> None:
    kept = window([(30, 3), (10, 1), (20, 2)])

    assert kept == Window((10.0, 20.0, 30.0), (1, 2, 3), (10, 20, 30))


def test_a_full_window_drops_its_oldest_entry() -> None:
    kept = window([(10, 1), (20, 2), (30, 3), (40, 4)], capacity=3)

    assert kept.times == (20.0, 30.0, 40.0)


def test_a_full_window_takes_no_entry_older_than_its_own() -> None:
    kept = window([(10, 1), (20, 2), (30, 3)], capacity=3)

    assert add(kept, 9.0, 9, 90, 3) is None


def test_a_late_entry_takes_the_place_of_the_oldest_in_a_full_window() -> None:
    kept = window([(10, 1), (20, 2), (30, 3), (15, 4)], capacity=3)

    assert kept == Window((15.0, 20.0, 30.0), (4, 2, 3), (40, 20, 30))


def test_a_window_that_the_rules_have_shrunk_gives_up_its_oldest_entries() -> None:
    kept = window([(10, 1), (20, 2), (30, 3), (40, 4)], capacity=4)

    shrunk = add(kept, 50.0, 5, 50, 2)

    assert shrunk == Window((40.0, 50.0), (4, 5), (40, 50))


def test_a_stretch_holds_its_end_and_not_the_moment_of_its_beginning() -> None:
    kept = window([(0, 1), (1, 2), (100, 3)])

    assert spans(kept, 100.0, SPAN_S) == [(1, 3)]


def test_a_window_slides_and_does_not_tumble() -> None:
    around_the_hour = window([(99, 1), (100, 2), (101, 3), (102, 4)])

    assert fullest(around_the_hour, 102.0) == 4


def test_a_late_entry_counts_in_its_own_stretch_and_in_those_of_newer_entries() -> None:
    kept = window([(0, 1), (90, 2), (140, 3), (400, 4), (50, 5)])

    assert spans(kept, 50.0, SPAN_S) == [(0, 2), (0, 3), (1, 4)]


@given(ENTRIES, st.randoms(use_true_random=False), st.integers(1, 12))
def test_the_order_of_arrival_does_not_change_what_is_kept(
    entries: list[tuple[int, int]], order: Random, capacity: int
) -> None:
    shuffled = list(entries)
    order.shuffle(shuffled)

    assert window(shuffled, capacity) == window(entries, capacity)
    assert list(window(entries, capacity).times) == [at for at, _ in sorted(entries)[-capacity:]]


@given(ENTRIES, st.integers(1, 12))
def test_a_repetition_changes_nothing(entries: list[tuple[int, int]], capacity: int) -> None:
    once = window(entries, capacity)

    again = once
    for at, number in entries:
        if number not in again.marks:
            again = add(again, float(at), number, number * 10, capacity) or again

    assert again == once


@given(ENTRIES)
def test_the_fullest_stretch_ever_seen_is_the_fullest_there_is(
    entries: list[tuple[int, int]],
) -> None:
    kept, seen = EMPTY, 0

    for at, number in entries:
        kept = add(kept, float(at), number, 0, 100) or kept
        seen = max(seen, fullest(kept, float(at)))

    times = [at for at, _ in entries]
    assert seen == max((sum(end - SPAN_S < at <= end for at in times) for end in times), default=0)


@given(ENTRIES)
def test_every_stretch_holds_the_entry_that_it_is_about(entries: list[tuple[int, int]]) -> None:
    kept = window(entries)

    for at, number in entries:
        place = kept.marks.index(number)
        found = spans(kept, float(at), SPAN_S)
        assert any(start <= place < end for start, end in found)
        assert all(one[0] <= other[0] and one[1] < other[1] for one, other in pairwise(found))


def test_a_mark_is_four_bytes_and_the_same_in_every_process() -> None:
    assert mark("tx-1") == 0xEE0F8BEA
    assert 0 <= mark("ü" * 128) < 2**32
