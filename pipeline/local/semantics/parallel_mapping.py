"""What Lambda does with one shard when several of its batches run at once, in virtual time.

ParallelizationFactor n lets up to n batches of a shard run concurrently, while records of one
partition key (Kinesis) or item key (DynamoDB) stay in order. Here the shard is n lanes, each a
`stream_mapping.ShardMapping` with its own batches, retries and batching window; a record's lane
follows from its key alone. The interface::

    shard = ParallelShardMapping(policy, started_at=now)    # n is policy.parallelization_factor
    shard.add(records)
    for lane in shard.lanes:        # each has at most one step in flight, whatever the others do
        step = lane.next_step(now)  # then lane.finish(result, now) or lane.discarded(now)
    shard.checkpoint                # everything up to it is settled, in every lane
    shard.is_settled, shard.wants_records, shard.end()      # as with one lane

What was settled behind the checkpoint comes again after a restart, as everywhere in Lambda.

Source: AWS Lambda Developer Guide, "Polling and batching streams": "Lambda still ensures in-order
processing at the partition-key level". How Lambda spreads keys over the batches, that each has a
batching window of its own, and how far it reads ahead of a lane that fails are not documented.
"""

import hashlib
from collections import deque
from collections.abc import Sequence
from typing import Final

from pipeline.local.semantics.stream_mapping import ShardMapping
from pipeline.local.semantics.stream_types import MappingPolicy, StreamRecord

_BATCHES_AHEAD: Final = 4
"""Batches per lane, on average, that are held while the lowest record is not settled."""


class ParallelShardMapping:
    """The state of one mapping on one shard with several lanes; see the module."""

    def __init__(self, policy: MappingPolicy, *, started_at: float) -> None:
        factor = policy.parallelization_factor
        self.lanes = tuple(ShardMapping(policy, started_at=started_at) for _ in range(factor))
        self._most_held = _BATCHES_AHEAD * factor * policy.batch_size
        # In shard order what is added and not passed by the checkpoint; no lane: filtered.
        self._order: deque[tuple[str, ShardMapping | None]] = deque()
        self._checkpoint: str | None = None

    @property
    def checkpoint(self) -> str | None:
        """Sequence number up to which everything is settled; None as long as nothing is."""
        order = self._order
        while order:
            number, lane = order[0]
            if lane is not None and not _has_settled(lane, number):
                break
            self._checkpoint = number
            order.popleft()
        return self._checkpoint

    @property
    def is_settled(self) -> bool:
        """Whether nothing that was added is still to be done."""
        return all(lane.is_settled for lane in self.lanes)

    @property
    def wants_records(self) -> bool:
        """Whether a lane may be idle for want of records, and not too many are held."""
        has_room = len(self._order) < self._most_held
        return has_room and any(lane.wants_records for lane in self.lanes)

    def add(self, records: Sequence[StreamRecord]) -> None:
        """Take fetched records, those behind the ones added before."""
        added: dict[ShardMapping, list[StreamRecord]] = {}
        order = self._order
        for record in records:
            number = record.sequence_number
            if record.event is not None:
                lane = self._lane_of(record)
                added.setdefault(lane, []).append(record)
                order.append((number, lane))
                continue
            if order and order[-1][1] is None:
                order.pop()  # only the last filtered one in a row bears on the checkpoint
            order.append((number, None))
        for lane, its_records in added.items():
            lane.add(its_records)

    def end(self) -> None:
        """Take note that no record follows: what is there waits for no window."""
        for lane in self.lanes:
            lane.end()

    def _lane_of(self, record: StreamRecord) -> ShardMapping:
        # The same in every process, unlike Python's own hash of a text.
        digest = hashlib.blake2b(record.key.encode(), digest_size=8).digest()
        return self.lanes[int.from_bytes(digest) % len(self.lanes)]


def _has_settled(lane: ShardMapping, sequence_number: str) -> bool:
    return lane.checkpoint is not None and int(lane.checkpoint) >= int(sequence_number)
