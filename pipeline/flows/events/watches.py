"""What watches the producers themselves: when each was heard, and fields that nobody knows.

Unlike a detector, a watch looks at a whole batch and picks the few events worth a look, so it
costs next to nothing per event. From there on its states are folded, fenced, stored and handed on
to child shards like any detector's.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec
from msgspec import UNSET

from pipeline.detection import drift, heartbeats
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.drift import Drift
from pipeline.detection.health_rules import HealthRule, HealthRules
from pipeline.detection.heartbeats import Heartbeats
from pipeline.events import Event, SystemMetric
from pipeline.flows.events.intake import Accepted

MAX_SAMPLES: Final = 32
"""Events of a batch whose fields are compared with the contract, 2 us each."""

SAMPLES_EACH: Final = 2
"""Events of a batch that are compared for each producer and event type."""


class Reader(Protocol):
    """Folds events into a state, as a `Detector` does."""

    def initial(self) -> Any:  # noqa: ANN401  each has a state type of its own
        """Return the state of a subject that has never been seen."""

    def fold(self, state: Any, event: Event, event_id: str) -> tuple[Any, Sequence[Anomaly]]:  # noqa: ANN401  see above
        """Take in one event; the very same state is returned when there is nothing to store."""


class Look(NamedTuple):
    """One event of a batch that a watch takes in: its place, the state it touches, and how."""

    place: int
    subject: str
    reader: Reader


class Watch(Protocol):
    """Picks events of a batch and folds them; `name`, `version` and `state_type` as a detector."""

    @property
    def name(self) -> str:
        """Part of the key of every state row."""

    @property
    def version(self) -> int:
        """Part of the key too."""

    @property
    def state_type(self) -> type[msgspec.Struct]:
        """What a stored state decodes to; below 1 KB of msgpack."""

    def looks(self, accepted: Sequence[Accepted]) -> Iterator[Look]:
        """Yield what to take in of a batch, the same for the same batch."""


class HeartbeatWatch:
    """Notes when sources of metrics and named producers were heard, once per batch each."""

    name = "heartbeats"
    version = 1
    state_type = Heartbeats

    def __init__(self, rules: HealthRules) -> None:
        self._beats = rules.pipeline_silent_source.beats

    def looks(self, accepted: Sequence[Accepted]) -> Iterator[Look]:
        """Yield the last event of each source and producer."""
        last: dict[str, int] = {}
        for index, item in enumerate(accepted):
            event = item.event
            if isinstance(event, SystemMetric):
                last[f"source {event.source}"] = index
            if event.producer is not UNSET:
                last[f"producer {event.producer}"] = index
        for name, index in last.items():
            heard = _Heard(name, accepted[index].record.arrived_at, self._beats)
            yield Look(index, heartbeats.bucket(name), heard)


class DriftWatch:
    """Looks for fields that the contract does not know in a sample of each batch."""

    name = "schema_drift"
    version = 1
    state_type = Drift

    def __init__(self, rules: HealthRules) -> None:
        self._rule = rules.pipeline_schema_drift

    def looks(self, accepted: Sequence[Accepted]) -> Iterator[Look]:
        """Yield sampled events that have unknown fields; a batch without any touches nothing."""
        sampled: Counter[tuple[type[Event], object]] = Counter()
        samples = 0
        for index, item in enumerate(accepted):
            group = (type(item.event), item.event.producer)
            if sampled[group] == SAMPLES_EACH:
                continue
            sampled[group] += 1
            samples += 1
            fields = drift.unknown_fields(item.payload, item.event)
            if fields:
                yield Look(index, "shard", _Strange(self._rule, fields, item.record.arrived_at))
            if samples == MAX_SAMPLES:
                return


class _Heard(NamedTuple):
    name: str
    arrived_at: float
    regular_beats: int

    def initial(self) -> Heartbeats:
        return heartbeats.NONE

    def fold(
        self, state: Heartbeats, _event: Event, _event_id: str
    ) -> tuple[Heartbeats, Sequence[Anomaly]]:
        return heartbeats.heard(state, self.name, self.arrived_at, self.regular_beats), ()


class _Strange(NamedTuple):
    rule: HealthRule
    fields: tuple[str, ...]
    arrived_at: float

    def initial(self) -> Drift:
        return Drift()

    def fold(self, state: Drift, event: Event, event_id: str) -> tuple[Drift, Sequence[Anomaly]]:
        return drift.fold(self.rule, state, self.fields, event, event_id, self.arrived_at)


def watches(rules: HealthRules) -> tuple[Watch, ...]:
    """Return every watch under these rules."""
    return (HeartbeatWatch(rules), DriftWatch(rules))
