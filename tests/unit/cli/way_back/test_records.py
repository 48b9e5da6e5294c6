from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.cli.way_back.function_calls import NotTakenError
from pipeline.cli.way_back.records import Lost, Wanted, bring_back, count

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def lost(key: str, records: int = 1, reason: str = "late", obstacle: str = "") -> Lost:
    return Lost("failures", "EventsFunction", reason, key, records, NOON, obstacle)


class Shelf:
    """A place that takes note of what is put back; some keys are not taken, one interrupts."""

    def __init__(self, refused: tuple[str, ...] = (), interrupts: str = "") -> None:
        self.put: list[str] = []
        self._refused = refused
        self._interrupts = interrupts

    def find(self) -> Iterator[Lost]:
        yield from ()

    def put_back(self, one: Lost) -> None:
        if one.key == self._interrupts:
            raise KeyboardInterrupt
        if one.key in self._refused:
            raise NotTakenError("no")
        self.put.append(one.key)

    def leave(self, one: Lost) -> None:
        del one


def test_what_is_not_taken_is_told_and_the_rest_goes_on() -> None:
    shelf = Shelf(refused=("b",))

    outcome = bring_back(
        [lost("a", 3), lost("b"), lost("c", 2), lost("d", obstacle="lost its function")],
        {"failures": shelf},
        rate=100,
        pause=lambda _: None,
    )

    assert shelf.put == ["a", "c"]
    assert (outcome.items, outcome.records) == (2, 5)
    assert [(one.key, why) for one, why in outcome.left] == [
        ("b", "no"),
        ("d", "lost its function"),
    ]


def test_the_rate_is_kept_on_average() -> None:
    pauses: list[float] = []

    bring_back([lost("a", 50), lost("b", 25)], {"failures": Shelf()}, 100, pauses.append)

    assert pauses == [0.5, 0.25]


def test_an_interruption_leaves_the_rest() -> None:
    shelf = Shelf(interrupts="b")

    outcome = bring_back(
        [lost("a"), lost("b"), lost("c")], {"failures": shelf}, 100, lambda _: None
    )

    assert (shelf.put, outcome.failure) == (["a"], "interrupted")


def test_an_interruption_while_waiting_keeps_what_came_back() -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    outcome = bring_back([lost("a"), lost("b")], {"failures": Shelf()}, 100, interrupt)

    assert (outcome.items, outcome.failure) == (1, "interrupted")


@pytest.mark.parametrize(
    ("wanted", "is_meant"),
    [
        (Wanted(), True),
        (Wanted(source="events"), True),
        (Wanted(source="alerts"), False),
        (Wanted(reason="LATE"), True),
        (Wanted(reason="gone"), False),
        (Wanted(key="aws/*"), True),
        (Wanted(key="aws"), False),
        (Wanted(since=NOON, until=NOON), True),
        (Wanted(since=NOON + timedelta(seconds=1)), False),
        (Wanted(until=NOON - timedelta(seconds=1)), False),
    ],
)
def test_filters_choose(wanted: Wanted, is_meant: bool) -> None:  # noqa: FBT001  a parameter
    assert wanted.includes(lost("aws/lambda/a")) == is_meant


def test_counts_are_by_place_source_and_reason_what_stays_last() -> None:
    groups = count(
        [
            lost("a", 3, reason="age"),
            lost("b", obstacle="no function"),
            lost("c", 4, reason="age"),
            lost("d", 1),
        ]
    )

    assert [(one.reason, one.obstacle, one.items, one.records) for one in groups] == [
        ("age", "", 2, 7),
        ("late", "", 1, 1),
        ("late", "no function", 1, 1),
    ]
