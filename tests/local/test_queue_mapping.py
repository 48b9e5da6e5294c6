"""The rules of a queue mapping, in virtual time."""

import json

import pytest

from pipeline.local.semantics.queue_mapping import MappedQueue, QueueMessage, Receive, Result
from pipeline.local.semantics.stream_types import NotReached, Raised, Returned
from tests.local.queue_harness import (
    Drive,
    Handler,
    Invocation,
    SimulatedQueue,
    fifo_of,
    policy,
    queue_of,
)

SUCCESS = Returned(b"null")


def succeed(_: Invocation) -> Result:
    return SUCCESS


def failing(*items: object) -> Returned:
    failures = [{"itemIdentifier": item} for item in items]
    return Returned(json.dumps({"batchItemFailures": failures}).encode())


def report_always(*ids: str) -> Handler:
    return lambda invocation: failing(*(each for each in invocation.ids if each in ids))


def first_then_success(first: Result) -> Handler:
    results = iter([first])
    return lambda _: next(results, SUCCESS)


def test_a_batch_without_a_window_takes_what_one_receive_brought() -> None:
    run = Drive(queue_of("abc"), succeed, policy()).run()

    assert run.batches == [["a", "b", "c"]]
    assert run.queue.deleted == ["a", "b", "c"]


def test_a_batch_has_no_more_messages_than_its_size() -> None:
    run = Drive(queue_of("abcde"), succeed, policy(batch_size=2)).run()

    assert run.batches == [["a", "b"], ["c", "d"], ["e"]]


def test_a_window_begins_with_its_first_message_and_gathers_until_its_end() -> None:
    queue = SimulatedQueue()
    queue.send("a", delay_s=5)
    queue.send("b", delay_s=14)
    queue.send("c", delay_s=16)

    run = Drive(queue, succeed, policy(batch_size=100, window_s=10)).run()

    assert [(each.at, each.ids) for each in run.invoked] == [(15, ["a", "b"]), (26, ["c"])]


def test_a_full_batch_does_not_wait_for_its_window() -> None:
    queue = queue_of([str(number) for number in range(25)])

    run = Drive(queue, succeed, policy(batch_size=25, window_s=300)).run()

    assert [(each.at, len(each.ids)) for each in run.invoked] == [(0, 25)]


def test_an_event_stays_within_6_mb_and_the_rest_begins_a_window_of_its_own() -> None:
    queue = SimulatedQueue()
    for message_id in "abcdefgh":
        queue.send(message_id, body=b"x" * 1024 * 1024)

    run = Drive(queue, succeed, policy(batch_size=100, window_s=10)).run()

    # Six messages of 1 MiB with their commas and the event around them are over 6 MiB.
    assert [(each.at, each.ids) for each in run.invoked] == [
        (0, ["a", "b", "c", "d", "e"]),
        (10, ["f", "g", "h"]),
    ]


@pytest.mark.parametrize(
    ("window_s", "timeout_s", "visibility_s", "effective_s"),
    [(0, 30, 30, 30), (20, 10, 30, 30), (21, 10, 30, 61), (300, 60, 60, 390)],
)
def test_the_visibility_timeout_outlasts_window_and_function(
    window_s: float, timeout_s: float, visibility_s: float, effective_s: float
) -> None:
    settings = policy(window_s=window_s, timeout_s=timeout_s, visibility_s=visibility_s)

    step = MappedQueue(settings).next_step(0)

    assert step == Receive(10, effective_s)


@pytest.mark.parametrize(
    "answer",
    [
        b'""',
        b"[]",
        b"null",
        b"{}",
        b'{"batchItemFailures": []}',
        b'{"batchItemFailures":null}',
    ],
)
def test_an_answer_that_reports_no_failure_deletes_the_batch(answer: bytes) -> None:
    run = Drive(queue_of("ab"), lambda _: Returned(answer), policy()).run(until=10)

    assert run.queue.deleted == ["a", "b"]


def test_exactly_the_messages_that_are_not_reported_are_deleted() -> None:
    run = Drive(queue_of("abcd"), first_then_success(failing("b", "d")), policy()).run()

    assert run.batches == [["a", "b", "c", "d"], ["b", "d"]]
    assert run.queue.deleted == ["a", "c", "b", "d"]
    assert run.left == ["b", "d"]


def test_a_reported_message_comes_back_after_the_visibility_timeout_with_a_new_handle() -> None:
    run = Drive(queue_of("a"), first_then_success(failing("a")), policy(visibility_s=120)).run()

    assert [(each.at, each.handles) for each in run.invoked] == [
        (0, ["handle-0"]),
        (120, ["handle-1"]),
    ]
    assert run.queue.received == {"a": 2}


@pytest.mark.parametrize(
    "result",
    [
        Raised(),
        Returned(b"{"),
        Returned(b'{"batchItemFailures": [{"itemIdentifier": ""}]}'),
        Returned(b'{"batchItemFailures": [{"itemIdentifier": null}]}'),
        Returned(b'{"batchItemFailures": [{"itemidentifier": "a"}]}'),
        Returned(b'{"batchItemFailures": [{"itemIdentifier": 1}]}'),
        failing("a", "unknown"),
    ],
)
def test_an_error_or_a_malformed_report_deletes_nothing(result: Result) -> None:
    run = Drive(queue_of("ab"), first_then_success(result), policy()).run()

    assert run.batches == [["a", "b"], ["a", "b"]]
    assert [each.at for each in run.invoked] == [0, 30]


def test_without_reporting_any_answer_deletes_the_batch() -> None:
    run = Drive(queue_of("ab"), report_always("a", "b"), policy(report=False)).run()

    assert run.batches == [["a", "b"]]
    assert run.queue.deleted == ["a", "b"]


def test_a_message_that_always_fails_is_seen_max_receive_count_times() -> None:
    queue = queue_of("abc", max_receive_count=4)

    run = Drive(queue, report_always("b"), policy()).run()

    assert run.batches == [["a", "b", "c"], ["b"], ["b"], ["b"]]
    assert queue.dead == ["b"]
    assert queue.deleted == ["a", "c"]


def test_a_filter_miss_is_deleted_at_once_without_an_invocation_though_its_batch_fails() -> None:
    queue = SimulatedQueue(max_receive_count=1)
    queue.send("a")
    queue.send("miss", body=b"-")

    run = Drive(queue, lambda _: Raised(), policy(), duration_s=lambda _: 3).run()

    assert run.batches == [["a"]]
    assert (queue.deleted, queue.dead) == (["miss"], ["a"])


def test_filter_misses_alone_invoke_nothing() -> None:
    queue = SimulatedQueue()
    queue.send("miss", body=b"-")

    run = Drive(queue, succeed, policy(window_s=5)).run()

    assert (run.batches, queue.deleted, run.now) == ([], ["miss"], 0)


def test_a_batch_that_does_not_reach_the_function_is_tried_again_while_it_is_invisible() -> None:
    results: list[Result] = [NotReached(), NotReached(), SUCCESS]

    run = Drive(queue_of("ab"), lambda _: results.pop(0), policy()).run()

    assert [(each.at, each.ids) for each in run.invoked] == [
        (0, ["a", "b"]),
        (2, ["a", "b"]),
        (6, ["a", "b"]),
    ]
    assert run.queue.received == {"a": 1, "b": 1}


def test_throttling_beyond_the_visibility_timeout_costs_a_receive() -> None:
    queue = queue_of("a", max_receive_count=2)

    run = Drive(queue, lambda _: NotReached(), policy(visibility_s=20)).run()

    # 2 + 4 + 8 s of waiting, then 8 more would be over the 20 s.
    assert [each.at for each in run.invoked] == [0, 2, 6, 14, 20, 22, 26, 34]
    assert run.left == ["a", "a"]
    assert queue.dead == ["a"]


def test_a_standard_queue_starts_with_five_batches_and_adds_five_each_second() -> None:
    queue = queue_of([str(number) for number in range(40)])

    run = Drive(queue, succeed, policy(batch_size=1), duration_s=lambda _: 100).run(until=3)

    assert [each.at for each in run.invoked[:7]] == [0, 0, 0, 0, 0, 0.2, 0.4]
    assert run.most_in_flight == 19


def test_the_growth_begins_anew_after_a_receive_that_found_nothing() -> None:
    queue = queue_of("a")
    for number in range(10):
        queue.send(str(number), delay_s=10)

    run = Drive(queue, succeed, policy(batch_size=1), duration_s=lambda _: 100).run(until=10.5)

    # The first message is still being invoked: four more make five.
    assert [each.at for each in run.invoked] == [0, 10, 10, 10, 10, 10.2, 10.4]


def test_the_maximum_concurrency_bounds_the_batches_in_flight() -> None:
    queue = queue_of([str(number) for number in range(30)])

    run = Drive(queue, succeed, policy(batch_size=1, concurrency=2), duration_s=lambda _: 1).run()

    assert run.most_in_flight == 2
    assert len(run.batches) == 30


def test_messages_stay_in_the_queue_while_no_batch_may_run() -> None:
    queue = queue_of([str(number) for number in range(30)])

    run = Drive(queue, succeed, policy(concurrency=2), duration_s=lambda _: 20)
    run.run(until=10)

    assert len(queue.received) == 20


def test_a_batch_of_a_fifo_queue_may_hold_several_groups() -> None:
    run = Drive(fifo_of(["a1", "b1", "a2"]), succeed, policy(is_fifo=True)).run()

    assert run.batches == [["a1", "b1", "a2"]]


def test_a_group_that_is_in_flight_waits_and_others_do_not() -> None:
    queue = fifo_of(["a1", "a2", "b1"])

    run = Drive(queue, succeed, policy(is_fifo=True, batch_size=1), duration_s=lambda _: 3).run()

    assert [(each.at, each.ids) for each in run.invoked] == [(0, ["a1"]), (0, ["b1"]), (3, ["a2"])]


def test_later_messages_of_a_failed_group_are_deleted_unless_they_are_reported() -> None:
    queue = fifo_of(["a1", "a2", "a3"])

    Drive(queue, first_then_success(failing("a2")), policy(is_fifo=True)).run()

    assert queue.deleted == ["a1", "a3", "a2"]


def test_a_failed_message_blocks_its_group_until_it_is_visible_again() -> None:
    queue = fifo_of(["a1", "a2", "b1", "b2"])

    run = Drive(
        queue, first_then_success(Raised()), policy(is_fifo=True, batch_size=1, concurrency=2)
    ).run()

    assert [(each.at, each.ids) for each in run.invoked] == [
        (0, ["a1"]),
        (0, ["b1"]),
        (0, ["b2"]),
        (30, ["a1"]),
        (30, ["a2"]),
    ]


def test_a_group_whose_visibility_ran_out_in_mid_invocation_is_not_invoked_a_second_time() -> None:
    queue = fifo_of(["a1"])

    run = Drive(
        queue, succeed, policy(is_fifo=True), duration_s=lambda each: 0 if each.at else 45
    ).run()

    # The second receive waits for the first invocation's end.
    assert [each.at for each in run.invoked] == [0, 45]
    assert run.group_overlaps == []


def test_a_message_that_waits_too_long_for_its_group_is_left_to_the_queue() -> None:
    queue = fifo_of(["a1"])

    run = Drive(
        queue, succeed, policy(is_fifo=True), duration_s=lambda each: 0 if each.at else 70
    ).run()

    # Received at 0, 30 and 60; the handle of the second receive is worth nothing at 70.
    assert [(each.at, each.handles) for each in run.invoked] == [
        (0, ["handle-0"]),
        (70, ["handle-2"]),
    ]


def test_the_queue_in_memory_drops_duplicates_for_five_minutes() -> None:
    queue = SimulatedQueue(is_fifo=True)
    queue.send("a1", 0, group="a", deduplication_id="x")
    queue.send("a2", 299, group="a", deduplication_id="x")
    queue.send("a3", 300, group="a", deduplication_id="x")

    run = Drive(queue, succeed, policy(is_fifo=True), now=300).run()

    assert run.batches == [["a1", "a3"]]


def test_answers_out_of_turn_are_refused() -> None:
    mapping = MappedQueue(policy())

    with pytest.raises(RuntimeError, match="no receive"):
        mapping.received([QueueMessage("a", "handle", b"{}")], 0)
