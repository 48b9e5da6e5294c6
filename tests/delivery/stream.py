"""A Kinesis stream with Lambda's poller in front of it, in memory and without time.

Records go by batches of one shard to execution environments picked at random. A batch is cut at
random, delivered again after a failure, delivered again now and then after a success (the poller
died before its checkpoint), and split in two when its environment died. A shard is read only after
its parents are read to their end.

Source: AWS Lambda Developer Guide, Using Lambda with Kinesis: bisection splits and keeps the order;
a reported failure makes everything from its sequence number come again.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pipeline.errors import InvalidRecordError, RetryableError
from pipeline.records import KinesisRecord
from tests.fakes.aws import CrashError

Environment = Callable[[Sequence[KinesisRecord]], None]
"""Processes a batch: returns, raises an error of the pipeline, or dies with `CrashError`."""


@dataclass
class Shard:
    """A shard, its parents, its records in order, and how many of them are settled."""

    shard_id: str
    parents: tuple[str, ...] = ()
    records: list[KinesisRecord] = field(default_factory=list)
    settled: int = 0

    def put(self, partition_key: str, data: bytes, arrived_at: float) -> None:
        number = len(self.records) + 1
        record = KinesisRecord(self.shard_id, number, partition_key, arrived_at, data)
        self.records.append(record)


class Poller:
    """Delivers all records of the shards to `environments` environments.

    Args:
        shards: The stream.
        start: Makes a fresh environment, as Lambda does after a death.
        environments: How many run at a time.
        rng: Decides shard, batch, environment and lost checkpoints.
        lost_checkpoints: Share of successful batches that are delivered again.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        start: Callable[[], Environment],
        *,
        environments: int,
        batch_size: int,
        rng: random.Random,
        lost_checkpoints: float = 0.0,
    ) -> None:
        self._shards = {shard.shard_id: shard for shard in shards}
        self._start = start
        self._environments = [start() for _ in range(environments)]
        self._batch_size = batch_size
        self._rng = rng
        self._lost_checkpoints = lost_checkpoints
        self._halves: dict[str, deque[int]] = {}

    def run(self, max_invocations: int = 5_000) -> int:
        """Deliver until every record is settled and return the number of invocations."""
        for invocations in range(max_invocations):
            ready = [shard for shard in self._shards.values() if self._is_ready(shard)]
            if not ready:
                return invocations
            self._deliver(self._rng.choice(ready))
        raise AssertionError(f"not drained after {max_invocations} invocations")

    def _is_ready(self, shard: Shard) -> bool:
        return shard.settled < len(shard.records) and all(map(self._is_over, shard.parents))

    def _is_over(self, shard_id: str) -> bool:
        shard = self._shards[shard_id]
        return shard.settled == len(shard.records) and all(map(self._is_over, shard.parents))

    def _deliver(self, shard: Shard) -> None:
        halves = self._halves.setdefault(shard.shard_id, deque())
        size = halves.popleft() if halves else self._rng.randint(1, self._batch_size)
        batch = shard.records[shard.settled : shard.settled + size]
        number = self._rng.randrange(len(self._environments))
        try:
            self._environments[number](batch)
        except RetryableError:
            return  # reported as a failed batch: it comes again, in whatever portions
        except InvalidRecordError:
            self._bisect(halves, len(batch))
            return
        except CrashError:
            self._environments[number] = self._start()
            self._bisect(halves, len(batch))
            return
        if self._rng.random() >= self._lost_checkpoints:
            shard.settled += len(batch)

    def _bisect(self, halves: deque[int], size: int) -> None:
        if size > 1:
            halves.extendleft([size - size // 2, size // 2])
        else:
            halves.appendleft(1)
