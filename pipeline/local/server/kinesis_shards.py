"""The shards of a Kinesis stream: where records go, how they are read, what a reshard leaves.

Pure: callers bring the time (milliseconds since the epoch, UTC) and see to it that only one thread
at a time is in here.

- A record goes to the open shard whose hash range holds the MD5 of its partition key; both ends of
  a range are inclusive.
- A position in a shard is the lowest sequence number still to be read, so a position outlives the
  records that retention takes away.
- A shard that was split or merged keeps its records and takes no more. Sequence numbers grow within
  a shard and from parents to children, and no two records of a stream share one.

Source: Amazon Kinesis Data Streams Developer Guide, "Terminology and concepts", "Resharding" and
"Data routing, data persistence, and shard state after a reshard"; API reference of each operation.
The layout of the sequence numbers is what other implementations read out of real ones: 186 bits
with the shard's creation time, a counter, the arrival time and the shard's number.
"""

import hashlib
import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Final, NamedTuple

HASH_KEYS: Final = 2**128
"""How many hash keys a stream divides among its shards."""

MAX_READ_BYTES: Final = 10 * 1024 * 1024
"""GetRecords returns at most so much. Source: API reference, GetRecords."""

_VERSION: Final = 2
_TIME_BITS: Final = 36
_END_COUNTER: Final = 0x7FFF_FFFF_FFFF_FFFF
_MS_PER_S: Final = 1000


class ReshardError(Exception):
    """A reshard that Kinesis refuses; the text says why."""


class Record(NamedTuple):
    """A record as it was put; `data` is still the base64 text of the request."""

    sequence_number: int
    arrived_ms: int
    partition_key: str
    data: str


class Read(NamedTuple):
    """What one read gives.

    `position` is None behind the last record of a closed shard.
    """

    records: list[Record]
    position: int | None
    behind_ms: int


class Shard:
    """A range of hash keys and the records that went to it.

    Args:
        number: Its number in the stream.
        first_hash: Lowest hash key.
        last_hash: Highest hash key.
        created_s: When it was opened; later than any of its parents.
        parents: The shard that was split, or the two that were merged.
    """

    def __init__(
        self,
        number: int,
        first_hash: int,
        last_hash: int,
        created_s: int,
        parents: "tuple[Shard, ...]" = (),
    ) -> None:
        self.number = number
        self.first_hash = first_hash
        self.last_hash = last_hash
        self.created_s = created_s
        self.parents = tuple(parent.shard_id for parent in parents)
        self.children: tuple[Shard, ...] = ()
        self.closed_ms: int | None = None
        self.starting_sequence_number = self._sequence_number(0, created_s)
        self.ending_sequence_number: int | None = None
        self._count = 0
        self._next_position = self.starting_sequence_number
        # Parallel lists: numbers and times are searched by bisection, without a key function.
        self._records: list[Record] = []
        self._numbers: list[int] = []
        self._arrivals: list[int] = []

    @property
    def shard_id(self) -> str:
        """Its name."""
        return f"shardId-{self.number:012d}"

    @property
    def is_open(self) -> bool:
        """Whether it takes records."""
        return self.closed_ms is None

    @property
    def latest(self) -> int:
        """The position behind its last record."""
        return self._next_position

    def at_time(self, time_ms: int) -> int:
        """Return the position of the first record that did not come before a time."""
        index = bisect_left(self._arrivals, time_ms)
        return self._numbers[index] if index < len(self._numbers) else self.latest

    def put(self, partition_key: str, data: str, now_ms: int) -> int:
        """Append a record and return its sequence number."""
        arrived_ms = max(now_ms, self._arrivals[-1]) if self._arrivals else now_ms
        self._count += 1
        number = self._sequence_number(self._count, arrived_ms // _MS_PER_S)
        self._records.append(Record(number, arrived_ms, partition_key, data))
        self._numbers.append(number)
        self._arrivals.append(arrived_ms)
        self._next_position = number + 1
        return number

    def read(self, position: int, limit: int, now_ms: int) -> Read:
        """Return the records from a position on, by count and size bounded, at least one."""
        start = bisect_left(self._numbers, position)
        end, size_bytes = start, 0
        for record in self._records[start : start + limit]:
            size_bytes += decoded_size_bytes(record.data)
            if size_bytes > MAX_READ_BYTES and end > start:
                break
            end += 1
        is_at_tip = end == len(self._records)
        position = self.latest if is_at_tip else self._numbers[end]
        behind_ms = 0 if is_at_tip else max(now_ms - self._arrivals[max(end - 1, start)], 0)
        is_done = is_at_tip and not self.is_open
        return Read(self._records[start:end], None if is_done else position, behind_ms)

    def close(self, now_ms: int, children: "tuple[Shard, ...]") -> None:
        """Take no more records; `children` take those of its hash keys from here on."""
        self.closed_ms = now_ms
        self.children = children
        self.ending_sequence_number = self._sequence_number(
            _END_COUNTER, max(now_ms // _MS_PER_S, self.created_s)
        )

    def trim(self, before_ms: int) -> None:
        """Forget the records that came before a time."""
        if self._arrivals and self._arrivals[0] < before_ms:
            count = bisect_left(self._arrivals, before_ms)
            del self._records[:count], self._numbers[:count], self._arrivals[:count]

    def _sequence_number(self, counter: int, time_s: int) -> int:
        number = 2 << _TIME_BITS | self.created_s
        number = number << 4 | self.number & 0xF
        number = number << 64 | counter
        number = number << 8 + _TIME_BITS | time_s
        return number << 36 | self.number << 4 | _VERSION


def shard_number(sequence_number: int) -> int | None:
    """Return the number of the shard that gave a sequence number, None if no shard can have."""
    is_ours = sequence_number >> 184 == 2 and sequence_number & 0xF == _VERSION
    return sequence_number >> 4 & 0xFFFF_FFFF if is_ours else None


def decoded_size_bytes(base64_text: str) -> int:
    """Return how many bytes a text of base64 stands for."""
    return len(base64_text) * 3 // 4 - base64_text[-2:].count("=")


class StreamShards:
    """All shards of one stream.

    Args:
        count: How many shards share the hash keys at first.
        created_ms: When the stream was made.
    """

    def __init__(self, count: int, created_ms: int) -> None:
        bounds = _even_bounds(count)
        created_s = created_ms // _MS_PER_S
        self._shards = [
            Shard(number, first, after - 1, created_s)
            for number, (first, after) in enumerate(itertools.pairwise(bounds))
        ]
        self._next_number = count
        self._route()

    def __iter__(self) -> Iterator[Shard]:
        """Go through the shards that are not forgotten, in the order of their numbers."""
        return iter(self._shards)

    @property
    def open(self) -> list[Shard]:
        """The shards that take records, by hash range."""
        return self._open

    def find(self, shard_id: str) -> Shard | None:
        """Return the shard of a name."""
        return next((shard for shard in self._shards if shard.shard_id == shard_id), None)

    def put(
        self, partition_key: str, data: str, now_ms: int, hash_key: int | None = None
    ) -> tuple[Shard, int]:
        """Append a record where it belongs; return the shard and the sequence number.

        Args:
            partition_key: Decides the shard, unless a hash key is given.
            data: The record's data in base64.
            now_ms: Time of arrival.
            hash_key: The explicit hash key, below `HASH_KEYS`.
        """
        if hash_key is None:
            digest = hashlib.md5(partition_key.encode(), usedforsecurity=False).digest()
            hash_key = int.from_bytes(digest)
        shard = self._open[bisect_right(self._first_hashes, hash_key) - 1]
        return shard, shard.put(partition_key, data, now_ms)

    def split(self, shard: Shard, hash_key: int, now_ms: int) -> None:
        """Replace a shard by two, the second of which starts at a hash key.

        Raises:
            ReshardError: The shard is closed, or the key leaves one half empty.
        """
        _check_open(shard)
        if not shard.first_hash < hash_key <= shard.last_hash:
            raise ReshardError(
                f"NewStartingHashKey {hash_key} used in SplitShard() on shard {shard.shard_id} is "
                f"not both greater than the shard's StartingHashKey {shard.first_hash} and at most "
                f"its EndingHashKey {shard.last_hash}."
            )
        ranges = [(shard.first_hash, hash_key - 1), (hash_key, shard.last_hash)]
        self._replace((shard,), ranges, now_ms)

    def merge(self, shard: Shard, adjacent: Shard, now_ms: int) -> None:
        """Replace two neighbours by one.

        Raises:
            ReshardError: One of them is closed, or they are no neighbours.
        """
        _check_open(shard)
        _check_open(adjacent)
        low, high = sorted((shard, adjacent), key=lambda one: one.first_hash)
        if low.last_hash + 1 != high.first_hash:
            raise ReshardError(
                f"Shards {shard.shard_id} and {adjacent.shard_id} are not an adjacent pair of "
                "shards eligible for merging"
            )
        self._replace((shard, adjacent), [(low.first_hash, high.last_hash)], now_ms)

    def resize(self, count: int, now_ms: int) -> None:
        """Divide the hash keys evenly among so many open shards, by splits, then by merges."""
        bounds = _even_bounds(count)
        for bound in bounds[1:-1]:
            shard = self._open[bisect_right(self._first_hashes, bound) - 1]
            if shard.first_hash != bound:
                self.split(shard, bound, now_ms)
        for first, after in itertools.pairwise(bounds):
            part = [shard for shard in self._open if first <= shard.first_hash < after]
            while len(part) > 1:
                self.merge(part[0], part[1], now_ms)
                part = [shard for shard in self._open if first <= shard.first_hash < after]

    def trim(self, before_ms: int) -> None:
        """Forget records that came before a time, and shards that were closed before it."""
        for shard in self._shards:
            shard.trim(before_ms)
        self._shards = [
            shard
            for shard in self._shards
            if shard.closed_ms is None or shard.closed_ms >= before_ms
        ]

    def _replace(
        self, parents: tuple[Shard, ...], ranges: list[tuple[int, int]], now_ms: int
    ) -> None:
        # A second later than any parent, so that sequence numbers grow from parent to child.
        created_s = max(now_ms // _MS_PER_S, *(parent.created_s + 1 for parent in parents))
        children = tuple(
            Shard(self._next_number + offset, first, last, created_s, parents)
            for offset, (first, last) in enumerate(ranges)
        )
        self._next_number += len(children)
        for parent in parents:
            parent.close(now_ms, children)
        self._shards += children
        self._route()

    def _route(self) -> None:
        self._open = sorted((s for s in self._shards if s.is_open), key=lambda s: s.first_hash)
        self._first_hashes = [shard.first_hash for shard in self._open]


def _check_open(shard: Shard) -> None:
    if not shard.is_open:
        raise ReshardError(
            f"Shard {shard.shard_id} has already been merged or split, and thus is not eligible "
            "for merging or splitting."
        )


def _even_bounds(count: int) -> list[int]:
    step = HASH_KEYS // count
    return [number * step for number in range(count)] + [HASH_KEYS]
