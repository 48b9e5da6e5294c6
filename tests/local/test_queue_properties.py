"""Promises of queue mappings under random handlers, loads and settings, in virtual time."""

import json
import random
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from pipeline.local.semantics.queue_mapping import Result
from pipeline.local.semantics.stream_types import NotReached, Raised, Returned
from tests.local.queue_harness import Drive, Invocation, SimulatedQueue, policy

MAX_RECEIVES = 3


class RandomHandler:
    """Fails, reports and is missed at random; it remembers what it has settled."""

    def __init__(self, seed: int, weights: tuple[int, ...]) -> None:
        self._random = random.Random(seed)
        self._weights = weights
        self._last = ""
        self.succeeded: set[str] = set()

    def __call__(self, invocation: Invocation) -> Result:
        (kind,) = self._random.choices(["ok", "report", "raise", "miss", "junk"], self._weights)
        self._last = kind
        failed = [each for each in invocation.ids if self._random.random() < 0.5]
        match kind:
            case "raise":
                return Raised()
            case "miss":
                return NotReached()
            case "junk":
                return Returned(b'{"batchItemFailures": [{"itemIdentifier": "nobody"}]}')
            case "report":
                self.succeeded.update(set(invocation.ids) - set(failed))
                failures = [{"itemIdentifier": each} for each in failed]
                return Returned(json.dumps({"batchItemFailures": failures}).encode())
        self.succeeded.update(invocation.ids)
        return Returned(b"null")

    def duration_s(self, _: Invocation) -> float:
        return 0 if self._last == "miss" else self._random.choice([0, 0.5, 3])


SEEDS = st.integers(0, 2**32)
WEIGHTS = st.tuples(*[st.integers(0, 3)] * 4, st.integers(1, 3)).map(lambda w: (w[0] + 1, *w[1:]))
SENDS = st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=40)


def check_ends(queue: SimulatedQueue, handler: RandomHandler, filtered: set[str]) -> None:
    assert sorted(queue.deleted) == sorted(handler.succeeded | filtered)
    assert all(queue.received[message_id] == MAX_RECEIVES for message_id in queue.dead)
    assert not set(queue.dead) & set(queue.deleted)


@given(SEEDS, WEIGHTS, SENDS, st.sampled_from([0, 1, 20]), st.sampled_from([None, 2, 3]))
def test_each_message_is_deleted_after_success_filtered_or_dead_after_its_last_receive(
    seed: int,
    weights: tuple[int, ...],
    sends: list[tuple[int, bool]],
    window_s: float,
    concurrency: int | None,
) -> None:
    handler = RandomHandler(seed, weights)
    queue = SimulatedQueue(max_receive_count=MAX_RECEIVES)
    for number, (delay_s, is_filtered) in enumerate(sends):
        queue.send(str(number), delay_s=delay_s, body=b"-" if is_filtered else b"{}")
    settings = policy(batch_size=50 if window_s else 4, window_s=window_s, concurrency=concurrency)

    run = Drive(queue, handler, settings, handler.duration_s).run()

    check_ends(queue, handler, {str(n) for n, (_, is_filtered) in enumerate(sends) if is_filtered})
    assert len(queue.deleted) + len(queue.dead) == len(sends)
    assert run.most_in_flight <= (concurrency or 1250)
    assert all(len(batch) <= settings.batch_size for batch in run.batches)


@given(
    SEEDS,
    WEIGHTS,
    st.lists(st.sampled_from("abcde"), max_size=40),
    st.integers(1, 10),
    st.sampled_from([4, 30]),
)
def test_first_deliveries_of_a_group_are_in_order_and_it_is_never_twice_at_once(
    seed: int, weights: tuple[int, ...], groups: list[str], batch_size: int, visibility_s: float
) -> None:
    handler = RandomHandler(seed, weights)
    queue = SimulatedQueue(is_fifo=True, max_receive_count=MAX_RECEIVES)
    for number, group in enumerate(groups):
        queue.send(f"{number:02}", group=group)
    settings = policy(is_fifo=True, batch_size=batch_size, visibility_s=visibility_s)

    run = Drive(queue, handler, settings, handler.duration_s).run()

    first_seen: dict[str | None, list[str]] = defaultdict(list)
    for invocation in run.invoked:
        for message_id, of_group in zip(invocation.ids, invocation.groups, strict=True):
            if message_id not in first_seen[of_group]:
                first_seen[of_group].append(message_id)
    assert all(seen == sorted(seen) for seen in first_seen.values())
    assert run.group_overlaps == []
    assert run.most_in_flight <= max(len(set(groups)), 1)
    if visibility_s == 30:  # otherwise a success may come when the queue has the message back
        check_ends(queue, handler, set())
