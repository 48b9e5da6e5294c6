"""The thread that fires schedules, under a clock that is always late enough."""

import itertools
import threading
from collections.abc import Iterator

import pytest

from pipeline.local.deployment import EventRoutes, EventRule, EventTarget, Schedule
from pipeline.local.sources.schedule_source import ScheduleSource

STARTED = 1_772_000_000.0
TARGET = EventTarget("arn:aws:sqs:us-east-1:123456789012:queue")


def schedule(logical_id: str, expression: str, ends_at: float | None = None) -> Schedule:
    return Schedule(logical_id, "arn", expression, "UTC", None, ends_at, TARGET)


def rule(logical_id: str, expression: str | None) -> EventRule:
    return EventRule(logical_id, logical_id, "arn", "default", None, expression, (TARGET,))


def fired(routes: EventRoutes, clock: Iterator[float], count: int) -> list[tuple[str, float]]:
    """Run a source until it has fired so often."""
    found: list[tuple[str, float]] = []
    is_done = threading.Event()

    def fire(logical_id: str, moment: float) -> None:
        if len(found) < count:
            found.append((logical_id, moment - STARTED))
        if len(found) == count:
            is_done.set()

    source = ScheduleSource(routes, fire, pytest.fail, lambda: next(clock))
    source.start()
    assert is_done.wait(60)
    source.stop()
    assert source.join(60)
    assert source.failure is None
    return found


def hurrying() -> Iterator[float]:
    """Advance by half a minute at each look, so that nothing is waited for."""
    now = STARTED
    while True:
        yield now
        now += 30


def test_schedules_and_rules_fire_in_the_order_of_their_times() -> None:
    routes = EventRoutes(
        rules=[rule("Rule", "rate(2 minutes)"), rule("Pattern", None)],
        schedules=[schedule("Each", "rate(1 minutes)")],
    )

    assert fired(routes, hurrying(), 5) == [
        ("Each", 0),
        ("Each", 60),
        ("Rule", 120),
        ("Each", 120),
        ("Each", 180),
    ]


def test_a_schedule_ends_at_its_end() -> None:
    routes = EventRoutes(
        schedules=[
            schedule("Short", "rate(1 minutes)", ends_at=STARTED + 60),
            schedule("Long", "rate(2 minutes)"),
        ]
    )

    assert fired(routes, hurrying(), 4) == [("Short", 0), ("Long", 0), ("Short", 60), ("Long", 120)]


def test_what_was_slept_through_is_not_made_up_for() -> None:
    clock = itertools.chain([STARTED, STARTED], itertools.count(STARTED + 3600, 30))

    found = fired(EventRoutes(schedules=[schedule("Each", "rate(1 minutes)")]), clock, 3)

    assert found == [("Each", 0), ("Each", 3600), ("Each", 3660)]


def test_without_schedules_nothing_is_watched() -> None:
    source = ScheduleSource(EventRoutes(), lambda *_: None, pytest.fail, lambda: STARTED)

    source.start()

    assert source.join(60)
    assert source.progress()["times"].is_settled


def test_a_thread_that_breaks_says_so() -> None:
    problems: list[str] = []

    def fire(logical_id: str, moment: float) -> None:
        raise LookupError(f"{logical_id} at {moment - STARTED}")

    routes = EventRoutes(schedules=[schedule("Each", "rate(1 minutes)")])
    source = ScheduleSource(routes, fire, problems.append, lambda: STARTED)

    source.start()

    assert source.join(60)
    assert isinstance(source.failure, LookupError)
    assert problems == ["nothing fires any more: LookupError('Each at 0.0')"]
