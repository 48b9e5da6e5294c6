"""Several batches of one shard at once, in virtual time.

Of two lanes the keys `even` and `2` share one, `odd` and `3` the other.
"""

import pytest

from pipeline.local.semantics.parallel_mapping import ParallelShardMapping
from pipeline.local.semantics.stream_shard import stream_shard
from pipeline.local.semantics.stream_types import Invoke, NotReached, Raised, Result, StreamRecord
from tests.local.stream_harness import (
    SUCCESS,
    StreamRun,
    failing,
    numbers,
    policy,
    record,
    scripted,
)


def keyed(count: int) -> list[StreamRecord]:
    return [record(n, key="odd" if n % 2 else "even") for n in range(1, count + 1)]


def test_batches_of_different_keys_overlap_and_those_of_one_key_do_not() -> None:
    run = StreamRun(policy(factor=2), keyed(10), lambda _: SUCCESS, lambda _: 5).run()

    spans = [(one.started_at, one.ended_at, numbers(one.batch)) for one in run.invocations]
    assert spans == [
        (0, 5, ["2", "4", "6"]),
        (0, 5, ["1", "3", "5"]),
        (5, 10, ["8", "10"]),
        (5, 10, ["7", "9"]),
    ]


def test_the_checkpoint_is_below_the_lowest_record_in_flight() -> None:
    def duration_s(invoke: Invoke) -> float:
        return 50 if "1" in numbers(invoke.batch) else 1

    run = StreamRun(policy(factor=2), keyed(8), lambda _: SUCCESS, duration_s).run()

    assert run.checkpoints == [None, None, "6", "8"]


def test_a_key_that_fails_does_not_hold_up_the_others() -> None:
    def handler(invoke: Invoke) -> Result:
        return Raised() if "1" in numbers(invoke.batch) else SUCCESS

    run = StreamRun(policy(factor=2, retries=1), keyed(6), handler, lambda _: 1).run()

    assert [numbers(one.batch) for one in run.invocations if one.started_at < 2] == [
        ["2", "4", "6"],
        ["1", "3", "5"],
    ]
    assert [(each.numbers, each.invoke_count) for each in run.discards] == [(["1", "3", "5"], 2)]
    assert run.shard.checkpoint == "6"


def test_each_lane_has_retries_of_its_own() -> None:
    even = scripted(NotReached(), Raised(), NotReached(), SUCCESS)

    def handler(invoke: Invoke) -> Result:
        return even(invoke) if "2" in numbers(invoke.batch) else SUCCESS

    run = StreamRun(policy(factor=2, retries=1), keyed(2), handler).run()

    assert run.invoked == [["2"], ["1"], ["2"], ["2"], ["2"]]
    assert run.discards == []


def test_filtered_records_belong_to_no_lane_and_the_checkpoint_passes_them() -> None:
    added = [
        record(1, key="odd"),
        record(2, is_filtered=True),
        record(3, is_filtered=True),
        record(4, key="even"),
        record(5, is_filtered=True),
    ]

    run = StreamRun(policy(factor=2), added, lambda _: SUCCESS).run()

    assert sorted(run.invoked) == [["1"], ["4"]]
    assert run.shard.checkpoint == "5"


def test_what_is_held_behind_a_stuck_key_is_bounded() -> None:
    def handler(invoke: Invoke) -> Result:
        return Raised() if "1" in numbers(invoke.batch) else SUCCESS

    run = StreamRun(policy(factor=2, batch_size=3), keyed(1000), handler).run(until=3600)

    seen = {number for batch in run.invoked for number in batch}
    assert run.shard.checkpoint is None
    assert run.shard.wants_records is False
    assert len(seen) < 30


def test_a_partial_failure_holds_the_checkpoint_of_the_whole_shard() -> None:
    def handler(invoke: Invoke) -> Result:
        return failing("3") if numbers(invoke.batch) == ["1", "3", "5"] else SUCCESS

    run = StreamRun(policy(factor=2), keyed(6), handler).run()

    assert run.invoked == [["2", "4", "6"], ["1", "3", "5"], ["3", "5"]]
    assert run.checkpoints == [None, "2", "6"]


def test_after_a_kill_what_is_above_the_checkpoint_comes_again() -> None:
    run = StreamRun(
        policy(factor=2),
        keyed(4),
        lambda _: SUCCESS,
        lambda invoke: 10 if "1" in numbers(invoke.batch) else 1,
    ).run(until=5)

    run.kill()
    run.run()

    assert run.invoked == [["2", "4"], ["1", "3"], ["2", "4"], ["1", "3"]]
    assert run.shard.checkpoint == "4"


def test_the_end_of_a_shard_ends_the_windows_of_all_lanes() -> None:
    shard = ParallelShardMapping(policy(factor=2, window_s=300), started_at=0)
    shard.add(keyed(2))

    shard.end()

    assert [type(lane.next_step(0)) for lane in shard.lanes] == [Invoke, Invoke]


def test_tumbling_windows_allow_one_batch_at_a_time() -> None:
    with pytest.raises(ValueError, match="factor of 1"):
        stream_shard(policy(factor=2, tumbling_s=60), started_at=0)
