"""Detection across partition keys: what a fold adds to pools, which all shards share.

A pool is kept as one part per shard, each with one writer, and read as the sum of the parts. So it
must not matter in which order, and in which part, something was added. A fold sees pools as they
stood when the batch began or up to a minute before, never what its own batch has added: so nothing
depends on where a batch was cut, but for when a fact is told.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from pipeline.detection.anomaly import Anomaly
from pipeline.events import Event

StateT = TypeVar("StateT", bound=msgspec.Struct)
PartT = TypeVar("PartT", bound=msgspec.Struct)


class PoolKey(NamedTuple):
    """A pool of the detector, and the subject that it is about."""

    pool: str
    subject: str


class Addition(NamedTuple):
    """Something to add to the own part of a pool; one of the pool's own types."""

    key: PoolKey
    what: Any


class Pool(Protocol[PartT]):
    """A kind of state that is kept in parts."""

    @property
    def name(self) -> str:
        """Part of the key of every row."""

    @property
    def version(self) -> int:
        """Part of the key too."""

    @property
    def snapshot_s(self) -> float:
        """For how long, in time of arrival, a sum is taken as read: at most a minute."""

    @property
    def state_type(self) -> type[PartT]:
        """What a stored part decodes to; at most 850 bytes of msgpack."""

    def initial(self) -> PartT:
        """Return an empty part."""

    def add(self, part: PartT, what: Any) -> PartT:  # noqa: ANN401  each pool takes types of its own
        """Return the part with something added; the order of additions must not matter."""

    def total(self, parts: Sequence[PartT]) -> PartT:
        """Return what one part would hold, had it been given everything; of none, an empty one."""


class Outcome(NamedTuple):
    """What a fold gave: the subject's state, facts, and what to add to pools."""

    state: Any
    anomalies: Sequence[Anomaly] = ()
    additions: Sequence[Addition] = ()


class PooledDetector(Protocol[StateT]):
    """A `Detector` that also reads pools and adds to them."""

    @property
    def name(self) -> str:
        """Part of the key of every state row."""

    @property
    def version(self) -> int:
        """Part of the key too."""

    @property
    def state_type(self) -> type[StateT]:
        """What a stored state decodes to; at most 850 bytes of msgpack."""

    @property
    def pools(self) -> Sequence[Pool[Any]]:
        """What it shares among all shards."""

    @property
    def registry(self) -> PoolKey:
        """A pool that every event adds to: who has a part of it has parts at all."""

    def subject(self, event: Event) -> str | None:
        """Name the subject that an event touches, None when no rule here reads it."""

    def pooled(self, event: Event) -> Sequence[PoolKey]:
        """Name the pools that an event touches, given that it has a subject."""

    def initial(self) -> StateT:
        """Return the state of a subject that has never been seen."""

    def fold(
        self, state: StateT, event: Event, event_id: str, totals: Mapping[PoolKey, Any]
    ) -> Outcome:
        """Take in one event.

        State and additions follow from the state and the event alone; only the facts may depend on
        the totals, and with them the incident that they are about. An event folded a second time
        changes and adds nothing.
        """
