"""Tumbling windows, in virtual time."""

import json

import pytest

from pipeline.local.semantics.stream_types import (
    Batch,
    Invoke,
    NotReached,
    Raised,
    Result,
    Returned,
    StreamRecord,
    Unusable,
    Window,
)
from pipeline.local.semantics.tumbling_window import TumblingShardMapping, invocation_event
from tests.local.stream_harness import StreamRun, numbers, policy, record, scripted

MINUTE = policy(tumbling_s=60)


def collect(invoke: Invoke) -> Result:
    """Return a state that lists what the window has had so far."""
    assert invoke.window is not None
    seen = json.loads(invoke.window.state).get("seen", [])
    return state({"seen": seen + numbers(invoke.batch)})


def state(value: object, **rest: object) -> Returned:
    return Returned(json.dumps({"state": value, **rest}).encode())


def arrived(*moments: float) -> list[StreamRecord]:
    return [record(number, moment) for number, moment in enumerate(moments, start=1)]


def windows(run: StreamRun) -> list[tuple[float, list[str], bool, object]]:
    """Say of each invocation when its window began, what it had, if it was final, its state."""
    found = []
    for one in run.invocations:
        assert one.window is not None
        is_final, before = one.window.is_final, json.loads(one.window.state)
        found.append((one.window.start, numbers(one.batch), is_final, before))
    return found


def test_a_window_aggregates_its_batches_and_ends_with_its_result() -> None:
    run = StreamRun(MINUTE, arrived(0, 1, 2, 59, 60), collect, is_closed=True).run()

    assert windows(run) == [
        (0, ["1"], False, {}),
        (0, ["2"], False, {"seen": ["1"]}),
        (0, ["3"], False, {"seen": ["1", "2"]}),
        (0, ["4"], False, {"seen": ["1", "2", "3"]}),
        (0, [], True, {"seen": ["1", "2", "3", "4"]}),
        (60, ["5"], False, {}),
        (60, [], True, {"seen": ["5"]}),
    ]


def test_the_event_bears_the_window_in_lambdas_fields() -> None:
    window = Window(1607497440, 1607497560, b'{"1":282}', is_final=False, is_terminated_early=False)
    invoke = Invoke(Batch((StreamRecord("1", 1607497475, b'{"eventID":"a"}'),)), window)

    event = invocation_event(invoke, shard_id="shardId-000000000006", source_arn="arn:stream")

    assert json.loads(event) == {
        "Records": [{"eventID": "a"}],
        "window": {"start": "2020-12-09T07:04:00Z", "end": "2020-12-09T07:06:00Z"},
        "state": {"1": 282},
        "shardId": "shardId-000000000006",
        "eventSourceARN": "arn:stream",
        "isFinalInvokeForWindow": False,
        "isWindowTerminatedEarly": False,
    }


def test_without_windows_the_event_has_records_alone() -> None:
    batch = Batch((StreamRecord("1", 0, b"1"), StreamRecord("2", 0, b"2")))

    event = invocation_event(Invoke(batch), shard_id="shard", source_arn="arn")

    assert event == b'{"Records":[1,2]}'


def test_an_idle_window_is_over_two_minutes_after_its_end() -> None:
    run = StreamRun(MINUTE, arrived(10), collect).run()

    assert [(one.started_at, one.window and one.window.is_final) for one in run.invocations] == [
        (10, False),
        (180, True),
    ]


def test_a_shard_that_is_behind_finishes_no_window_too_early() -> None:
    # Read an hour late, one at a time: the records of a window still go into one state.
    run = StreamRun(policy(tumbling_s=60, batch_size=1), arrived(0, 1, 2), collect, now=3600)

    run.run()

    assert windows(run)[-1] == (0, [], True, {"seen": ["1", "2", "3"]})
    assert sum(is_final for _, _, is_final, _ in windows(run)) == 1
    assert run.now == 3720


@pytest.mark.parametrize("answer", [b"null", b"{}", b"[1]", b"1", b"{", b'{"State": {}}'])
def test_an_answer_without_a_state_is_a_failed_attempt(answer: bytes) -> None:
    run = StreamRun(
        policy(tumbling_s=60, retries=1),
        arrived(0),
        lambda invoke: state({}) if not invoke.batch.records else Returned(answer),
    ).run()

    assert run.invoked == [["1"], ["1"], []]
    assert [(each.invoke_count, each.last) for each in run.discards] == [(2, Unusable(answer))]


def test_a_failed_attempt_leaves_the_state_as_it_was() -> None:
    handler = scripted(state({"n": 1}), Raised(), NotReached(), state({"n": 2}), state({}))

    run = StreamRun(MINUTE, arrived(0, 1), handler).run()

    assert windows(run) == [
        (0, ["1"], False, {}),
        (0, ["2"], False, {"n": 1}),
        (0, ["2"], False, {"n": 1}),
        (0, ["2"], False, {"n": 1}),
        (0, [], True, {"n": 2}),
    ]


def test_the_state_of_a_partial_success_counts() -> None:
    failures = [{"itemIdentifier": "2"}]
    handler = scripted(state({"n": 1}, batchItemFailures=failures), state({"n": 2}), state({}))

    run = StreamRun(MINUTE, arrived(0, 0), handler).run()

    assert windows(run) == [
        (0, ["1", "2"], False, {}),
        (0, ["2"], False, {"n": 1}),
        (0, [], True, {"n": 2}),
    ]


def test_the_state_of_an_attempt_without_progress_is_dropped() -> None:
    failures = [{"itemIdentifier": "1"}]
    handler = scripted(state({"n": 1}, batchItemFailures=failures), state({"n": 2}), state({}))

    run = StreamRun(MINUTE, arrived(0, 0), handler).run()

    assert windows(run)[1] == (0, ["1", "2"], False, {})


def test_a_final_invocation_is_repeated_until_it_succeeds_and_the_shard_waits() -> None:
    handler = scripted(
        state({"n": 1}),
        Raised(),
        Returned(b"null"),
        state({}, batchItemFailures=[{"itemIdentifier": "1"}]),
        *[NotReached()] * 20,
        state({}),
        state({"n": 2}),
        state({}),
    )

    settings = policy(tumbling_s=60, retries=0)
    run = StreamRun(settings, arrived(0, 60), handler, is_closed=True).run()

    assert windows(run)[1:25] == [(0, [], True, {"n": 1})] * 24
    assert windows(run)[25:] == [(60, ["2"], False, {}), (60, [], True, {"n": 2})]
    assert run.discards == []


def test_a_state_beyond_one_megabyte_terminates_the_window_early() -> None:
    def handler(invoke: Invoke) -> Result:
        return state("x" * (1024 * 1024 - 1 if "1" in numbers(invoke.batch) else 0))

    run = StreamRun(MINUTE, arrived(0, 1), handler, is_closed=True).run()

    found = [one.window for one in run.invocations if one.window]
    assert run.invoked == [["1"], [], ["2"], []]
    assert [window.is_terminated_early for window in found] == [False, True, False, False]
    assert [window.is_final for window in found] == [False, True, False, True]
    assert [len(window.state) for window in found] == [2, 1024 * 1024 + 1, 2, 2]
    assert {window.start for window in found} == {0}


def test_a_state_of_one_megabyte_is_kept() -> None:
    run = StreamRun(MINUTE, arrived(0, 1), lambda _: state("x" * (1024 * 1024 - 2))).run()

    assert [one.window and one.window.is_terminated_early for one in run.invocations] == [
        False,
        False,
        False,
    ]


def test_a_record_out_of_order_joins_the_open_window() -> None:
    run = StreamRun(MINUTE, arrived(60, 59, 61), collect, is_closed=True, now=100).run()

    assert windows(run) == [
        (60, ["1", "2", "3"], False, {}),
        (60, [], True, {"seen": ["1", "2", "3"]}),
    ]


def test_the_checkpoint_moves_when_a_window_is_finished() -> None:
    run = StreamRun(MINUTE, arrived(0, 1, 60), collect, is_closed=True).run()

    assert run.checkpoints == [None, None, "2", "2", "3"]


def test_a_window_that_was_cut_off_by_a_kill_is_aggregated_again() -> None:
    run = StreamRun(MINUTE, arrived(0, 1, 2), collect).run(until=30)

    run.kill()
    run.run()

    assert windows(run)[-1] == (0, [], True, {"seen": ["1", "2", "3"]})


def test_retries_and_age_apply_to_the_batches_of_a_window() -> None:
    def handler(invoke: Invoke) -> Result:
        return Raised() if "1" in numbers(invoke.batch) else collect(invoke)

    run = StreamRun(policy(tumbling_s=60, retries=1), arrived(0, 10), handler).run()

    assert [(each.numbers, each.condition) for each in run.discards] == [
        (["1"], "RetryAttemptsExhausted")
    ]
    assert windows(run)[-1] == (0, [], True, {"seen": ["2"]})


def test_filtered_records_open_no_window() -> None:
    added = [record(1, 0, is_filtered=True), record(2, 0, is_filtered=True)]

    run = StreamRun(MINUTE, added, collect).run()

    assert run.invocations == []
    assert run.shard.checkpoint == "2"


def test_the_batches_of_a_window_end_with_it_in_spite_of_the_batching_window() -> None:
    settings = policy(tumbling_s=60, window_s=300, batch_size=100)

    run = StreamRun(settings, arrived(0, 1, 60), collect).run(until=60)

    assert [(one.started_at, numbers(one.batch)) for one in run.invocations] == [
        (60, ["1", "2"]),
        (60, []),
    ]


def test_a_step_stays_the_same_until_it_is_finished() -> None:
    shard = TumblingShardMapping(MINUTE, started_at=0)
    shard.add(arrived(0, 60))
    first = shard.next_step(0)
    assert isinstance(first, Invoke)

    again = shard.next_step(5)
    shard.finish(state({}), 5)
    final = shard.next_step(5)

    assert again == first
    assert shard.next_step(9) is final
