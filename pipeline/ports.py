"""What the flows need from outside, as protocols.

Adapters implement them on AWS services, tests on memory; one contract suite runs over both.
Every method raises `RetryableError` for throttling and outage, after its own bounded retries.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

import msgspec

from pipeline.detection.alerting import Firing
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.record_tally import RecordTally
from pipeline.events import Event


class StoredEvent(NamedTuple):
    """An accepted event and its identity: the producer's `event_id`, else shard and number."""

    event_id: str
    event: Event


class LakeObject(NamedTuple):
    """An object of the lake: its key and its gzip-compressed body."""

    key: str
    body: bytes


RemainingTime = Callable[[], float]
"""Tells how many seconds are left for retries; an adapter gives up with `RetryableError` at 0."""


class EventSink(Protocol):
    """Where phase one of a batch lands: rows and objects that are idempotent by their keys."""

    def write(
        self,
        events: Sequence[StoredEvent],
        anomalies: Sequence[Anomaly],
        objects: Sequence[LakeObject],
        remaining_s: RemainingTime,
    ) -> None:
        """Write everything; on return all of it is durable.

        In no order, except that facts of one `dedup_key` become visible in the order given.

        After an error some of it may be written: repeat the whole call.
        """


class FactSink(Protocol):
    """Where the flows that find few facts write them; the alert flow reads them there."""

    def write(self, facts: Sequence[Anomaly]) -> None:
        """Write facts under their own keys, in their order; a repetition changes nothing."""


class StateKey(NamedTuple):
    """Identity of a detector's state: the detector with its version, and the subject it watches."""

    detector: str
    subject: str


class StateRow(NamedTuple):
    """A detector's state as one shard last wrote it.

    `applied` is the sequence number of the last record folded into it, the fence against
    redelivery; 0 for a row seeded from a parent shard. `expires_at` is in epoch seconds.
    """

    state: bytes
    applied: int
    expires_at: int


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """How far a shard has been processed.

    `applied` is the sequence number of the last record whose effects are complete, 0 for none.
    `ancestors` are the shards whose state rows seed this one, nearest first. `suspect` is the
    sequence number of a record that is tried alone, and `attempts` how often it was begun
    without an orderly end. `arrived_at` is the watermark, the arrival of the newest record that is
    complete, in epoch seconds, 0 for none; `tally` counts what arrived of late.
    """

    applied: int = 0
    ancestors: tuple[str, ...] = ()
    suspect: int = 0
    attempts: int = 0
    arrived_at: float = 0.0
    tally: RecordTally = RecordTally()


class StateStore(Protocol):
    """Detector state and shard cursors; each row has one writer, the shard's consumer."""

    def read_cursor(self, shard_id: str) -> Cursor | None:
        """Read a shard's cursor consistently, None when the shard is new."""

    def write_cursor(self, shard_id: str, cursor: Cursor) -> None:
        """Replace a shard's cursor."""

    def read_states(
        self, shard_id: str, keys: Sequence[StateKey], remaining_s: RemainingTime
    ) -> Mapping[StateKey, StateRow]:
        """Read the shard's rows consistently; keys without a row are absent from the answer."""

    def read_shard(
        self, shard_id: str, keys: Sequence[StateKey], remaining_s: RemainingTime
    ) -> tuple[Cursor | None, Mapping[StateKey, StateRow]]:
        """Read cursor and rows side by side, as `read_cursor` and `read_states` do.

        A row may be older than the cursor when another environment wrote in between. So the rows
        count only for a caller that finds the cursor where it left it itself.
        """

    def shards_of(self, key: StateKey, remaining_s: RemainingTime) -> Collection[str]:
        """Return the shards that have a row of this key, consistently, closed shards included."""

    def write_states(
        self, shard_id: str, rows: Mapping[StateKey, StateRow], remaining_s: RemainingTime
    ) -> None:
        """Replace rows, in no order and without a condition."""


class ShardLineage(Protocol):
    """Who was split or merged into whom."""

    def parents(self, shard_id: str) -> tuple[str, ...]:
        """Return a shard's parents, adjacent parent last; empty for one born with the stream."""


Topic = Literal["alerts", "oncall"]


class AlertRow(NamedTuple):
    """A stored alert: its document and the version that the next write must name."""

    document: bytes
    version: int


class AlertKey(NamedTuple):
    """Identity of an alert's row."""

    dedup_key: str
    opened_at: datetime


class AlertStore(Protocol):
    """The alert rows, which are also the outbox of the pages."""

    def latest(self, dedup_key: str) -> AlertRow | None:
        """Read the newest alert of a dedup key consistently, None if there has never been one."""

    def before(self, dedup_key: str, moment: datetime) -> AlertRow | None:
        """Read the newest alert that was opened at a moment or before it, consistently."""

    def read(self, key: AlertKey) -> AlertRow | None:
        """Read one alert consistently, None when there is none."""

    def due(self, now: datetime, limit: int) -> Sequence[AlertKey]:
        """Return the alerts whose `due_at` has come, the longest due first, at most `limit`.

        From an index that lags behind by seconds: read an alert before acting on it.
        """

    def firing(self, source: str) -> Sequence[Firing]:
        """Return the alerts about a source that fire, from an index that lags behind."""

    def write(
        self,
        dedup_key: str,
        opened_at: datetime,
        document: bytes,
        attributes: Mapping[str, str | int],
        *,
        replaces: int,
    ) -> bool:
        """Write the alert as version `replaces + 1`; 0 creates it.

        Args:
            dedup_key: Rule and subject.
            opened_at: Orders the alerts of a dedup key; fixed for the life of the alert.
            document: The whole alert as JSON.
            attributes: What people and queries read beside the document; empty texts are left out.
            replaces: The version that was read.

        Returns False, having written nothing, when somebody else wrote first; True for the
        repetition of a write that did happen. After an error either may be the case.
        """


class Pager(Protocol):
    """The two SNS topics."""

    def publish(self, topic: Topic, subject: str, body: str, attributes: Mapping[str, str]) -> str:
        """Publish one message and return its message id. A repetition sends a second copy."""


class Clock(Protocol):
    """The time of day."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
