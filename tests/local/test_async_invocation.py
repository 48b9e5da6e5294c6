"""The rules of asynchronous invocation, in virtual time."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.local.semantics.async_invocation import (
    MAX_PAYLOAD_BYTES,
    AsyncInvocations,
    AsyncPolicy,
    Deliver,
    Invoke,
    NotReached,
    PayloadTooLargeError,
    Raised,
    Result,
    Returned,
    Wait,
)

SUCCESS = Returned(b"null")
FAILURE = Raised(b'{"errorMessage": "no"}')
Handler = Callable[[str, int], Result]
"""Gives the result of an invocation by the event's request id and its number in all."""


@dataclass
class Drive:
    """Drives a queue with a scripted handler until it is settled."""

    queue: AsyncInvocations
    handler: Handler
    duration_s: float = 0
    now: float = 0
    invoked: list[tuple[float, str, int]] = field(default_factory=list)
    ends: list[tuple[str, str, int]] = field(default_factory=list)
    last: list[Result | None] = field(default_factory=list)

    def run(self) -> "Drive":
        while not self.queue.is_settled:
            match self.queue.next_step(self.now):
                case Invoke(event, attempt) as step:
                    self.invoked.append((self.now, event.request_id, attempt))
                    result = self.handler(event.request_id, len(self.invoked))
                    self.now += self.duration_s
                    self.queue.finish(step, result, self.now)
                case Deliver(event, condition, count, last) as step:
                    self.ends.append((event.request_id, condition, count))
                    self.last.append(last)
                    self.queue.delivered(step)
                case Wait(until):
                    assert until is not None
                    assert until > self.now
                    self.now = until
        return self

    @property
    def times(self) -> list[float]:
        return [moment for moment, _, _ in self.invoked]


def drive(policy: AsyncPolicy, handler: Handler, *request_ids: str, duration_s: float = 0) -> Drive:
    queue = AsyncInvocations(policy)
    for request_id in request_ids or ("one",):
        queue.accept(request_id, b"{}", 0)
    return Drive(queue, handler, duration_s).run()


def test_a_failing_event_is_tried_three_times_after_one_and_two_minutes() -> None:
    run = drive(AsyncPolicy(), lambda *_: FAILURE)

    assert run.invoked == [(0, "one", 1), (60, "one", 2), (180, "one", 3)]
    assert run.ends == [("one", "RetriesExhausted", 3)]
    assert run.last == [FAILURE]


@pytest.mark.parametrize(("retries", "times"), [(0, [0]), (1, [0, 60]), (2, [0, 60, 180])])
def test_retries_stop_at_the_maximum(retries: int, times: list[float]) -> None:
    run = drive(AsyncPolicy(maximum_retry_attempts=retries), lambda *_: FAILURE)

    assert run.times == times
    assert run.ends == [("one", "RetriesExhausted", retries + 1)]


@pytest.mark.parametrize(
    ("age_s", "times"), [(60, [0]), (90, [0, 60]), (180, [0, 60]), (181, [0, 60, 180])]
)
def test_an_event_ends_at_once_when_its_next_try_would_be_too_late(
    age_s: float, times: list[float]
) -> None:
    run = drive(AsyncPolicy(maximum_event_age_s=age_s), lambda *_: FAILURE)

    condition = "RetriesExhausted" if len(times) == 3 else "EventAgeExceeded"
    assert run.times == times
    assert run.ends == [("one", condition, len(times))]
    assert run.now == times[-1]


def test_a_success_is_told_only_where_there_is_a_destination() -> None:
    quiet = drive(AsyncPolicy(), lambda *_: SUCCESS)
    told = drive(AsyncPolicy(has_success_destination=True), lambda *_: SUCCESS)

    assert quiet.ends == []
    assert told.ends == [("one", "Success", 1)]
    assert told.last == [SUCCESS]


def test_a_success_behind_a_failure_counts_both_attempts() -> None:
    run = drive(
        AsyncPolicy(has_success_destination=True),
        lambda _, number: SUCCESS if number == 2 else FAILURE,
    )

    assert run.ends == [("one", "Success", 2)]


def test_throttles_cost_no_attempt_and_wait_longer_and_longer() -> None:
    run = drive(AsyncPolicy(), lambda _, number: NotReached() if number < 12 else FAILURE)

    waits = [later - earlier for earlier, later in zip(run.times, run.times[1:], strict=False)]
    assert waits[:11] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert [attempt for _, _, attempt in run.invoked[:12]] == [1] * 12
    assert run.ends == [("one", "RetriesExhausted", 3)]


def test_a_function_that_is_never_reached_gives_its_event_up_after_six_hours() -> None:
    run = drive(AsyncPolicy(), lambda *_: NotReached())

    assert run.ends == [("one", "EventAgeExceeded", 0)]
    assert run.last == [None]
    assert 21_300 < run.now < 21_600


def test_an_event_that_is_too_old_when_its_turn_comes_is_not_tried() -> None:
    run = drive(
        AsyncPolicy(maximum_event_age_s=60), lambda *_: SUCCESS, "one", "two", duration_s=60
    )

    assert run.invoked == [(0, "one", 1)]
    assert run.ends == [("two", "EventAgeExceeded", 0)]


def test_without_reserved_concurrency_no_event_is_tried() -> None:
    run = drive(AsyncPolicy(has_no_concurrency=True), lambda *_: SUCCESS)

    assert run.invoked == []
    assert run.ends == [("one", "ZeroReservedConcurrency", 0)]


def test_an_event_that_waits_holds_nobody_back() -> None:
    run = drive(AsyncPolicy(), lambda name, _: FAILURE if name == "bad" else SUCCESS, "bad", "good")

    assert run.invoked[:3] == [(0, "bad", 1), (0, "good", 1), (60, "bad", 2)]


def test_one_event_accepted_twice_is_two() -> None:
    run = drive(AsyncPolicy(), lambda *_: SUCCESS, "same", "same")

    assert [name for _, name, _ in run.invoked] == ["same", "same"]


def test_waits_that_are_shortened_count_for_the_age_in_full() -> None:
    run = drive(AsyncPolicy(maximum_event_age_s=90, wait_scale=0.01), lambda *_: FAILURE)

    assert run.times == pytest.approx([0, 0.6])
    assert run.ends == [("one", "EventAgeExceeded", 2)]


def test_a_payload_over_one_mebibyte_is_refused() -> None:
    queue = AsyncInvocations(AsyncPolicy())
    queue.accept("fits", b"x" * MAX_PAYLOAD_BYTES, 0)

    with pytest.raises(PayloadTooLargeError, match="1048577 byte payload is too large"):
        queue.accept("too large", b"x" * (MAX_PAYLOAD_BYTES + 1), 0)


def test_an_invocation_is_finished_once() -> None:
    queue = AsyncInvocations(AsyncPolicy())
    queue.accept("one", b"{}", 0)
    step = queue.next_step(0)
    assert isinstance(step, Invoke)
    queue.finish(step, FAILURE, 0)

    with pytest.raises(RuntimeError, match="is finished"):
        queue.finish(step, FAILURE, 0)


def test_many_events_are_in_flight_at_once() -> None:
    queue = AsyncInvocations(AsyncPolicy())
    for name in ("one", "two"):
        queue.accept(name, b"{}", 0)

    steps = [queue.next_step(0), queue.next_step(0)]

    assert [step.event.request_id for step in steps if isinstance(step, Invoke)] == ["one", "two"]
    assert queue.next_step(0) == Wait(None)


@given(
    results=st.lists(st.sampled_from([SUCCESS, FAILURE, NotReached()]), min_size=1, max_size=60),
    events=st.integers(1, 6),
    retries=st.integers(0, 2),
    age_s=st.integers(60, 21_600),
    duration_s=st.sampled_from([0.0, 0.5, 40.0]),
)
def test_each_event_ends_once_within_its_budget_and_age(
    results: list[Result], events: int, retries: int, age_s: int, duration_s: float
) -> None:
    policy = AsyncPolicy(retries, age_s, has_success_destination=True)
    names = [str(number) for number in range(events)]
    given_results: dict[str, list[Result]] = {name: [] for name in names}

    def handler(name: str, number: int) -> Result:
        result = results[number % len(results)]
        given_results[name].append(result)
        return result

    run = drive(policy, handler, *names, duration_s=duration_s)

    assert sorted(name for name, _, _ in run.ends) == names
    for name, condition, count in run.ends:
        executed = [result for result in given_results[name] if not isinstance(result, NotReached)]
        assert count == len(executed) <= retries + 1
        assert (condition == "Success") is (SUCCESS in executed)
        if condition == "RetriesExhausted":
            assert count == retries + 1
    assert all(moment < age_s for moment in run.times)
