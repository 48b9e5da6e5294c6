"""What a stream event source needs from a stream, be it Kinesis or DynamoDB's."""

import json
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from pipeline.local.deployment import EventSourceMapping
from pipeline.local.on_failure import TimeUnit
from pipeline.local.semantics.event_pattern import FilterSource, compile_filter
from pipeline.local.semantics.stream_types import StreamRecord


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard as the stream lists it.

    `ending_sequence_number` is None while the shard is open. Parents may be trimmed and not listed.
    """

    shard_id: str
    parents: tuple[str, ...] = ()
    ending_sequence_number: str | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Where to start in a shard without a checkpoint; `timestamp` belongs to AT_TIMESTAMP."""

    kind: Literal["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"]
    timestamp: float = 0.0


TRIM_HORIZON = Position("TRIM_HORIZON")


class Fetched(NamedTuple):
    """The records of one read; `next_iterator` is None behind the last record of a closed shard.

    `unchanged` counts those of the records that AWS would never have written.
    """

    records: list[StreamRecord]
    next_iterator: str | None
    unchanged: int = 0


class StreamReader(Protocol):
    """A stream, read for one mapping: the records come as the mapping's function gets them."""

    @property
    def arrival_unit(self) -> TimeUnit:
        """Precision of arrival times in on-failure payloads."""

    @property
    def batch_info_key(self) -> str:
        """Name of the batch's description in on-failure payloads."""

    def identity(self) -> str:
        """Return what tells this stream from an earlier one of the same name."""

    def retention_s(self) -> float:
        """Return how long the stream keeps a record."""

    def shards(self) -> list[Shard]:
        """List all shards, closed ones included."""

    def iterator(self, shard_id: str, after: str | None, position: Position) -> str:
        """Return an iterator behind a sequence number, or at a starting position without one.

        A stream that knows no AT_TIMESTAMP starts earlier, at its oldest record.
        """

    def fetch(self, shard_id: str, iterator: str, limit: int) -> Fetched:
        """Read on from an iterator."""


class EventFilter:
    """The FilterCriteria of a mapping: an event passes if it matches one of the patterns."""

    def __init__(self, mapping: EventSourceMapping, source: FilterSource) -> None:
        self._matchers = [compile_filter(text, source) for text in mapping.filters]

    @property
    def is_open(self) -> bool:
        """Whether everything passes."""
        return not self._matchers

    def passes(self, view: dict[str, Any]) -> bool:
        """Judge an event in the form that patterns see."""
        return self.is_open or any(matches(view) for matches in self._matchers)


def event_text(event: dict[str, Any]) -> bytes:
    """Encode one record of an event."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
