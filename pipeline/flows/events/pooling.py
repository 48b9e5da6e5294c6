"""What crosses partition keys: parts per shard, and a snapshot of their sums.

Each shard writes its own part of a pool, fenced like any state, and before the states of the batch:
what is added follows from those, so a batch that comes again finds them as they were and adds only
what is missing. Nothing is ever added in the table: a lost reply would count it twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.pooled import Addition, Pool, PooledDetector, PoolKey
from pipeline.events import Event
from pipeline.ports import RemainingTime, StateKey, StateRow, StateStore

_MAX_SNAPSHOTS: Final = 50_000


@dataclass(slots=True)
class PartReader:
    """Adds to the shard's part of one pool what the detector's fold of the same event gave."""

    key: PoolKey
    pool: Pool[Any]
    source: "PooledReader"

    def initial(self) -> Any:  # noqa: ANN401  each pool has a state type of its own
        """Return an empty part."""
        return self.pool.initial()

    def fold(self, state: Any, _event: Event, _event_id: str) -> tuple[Any, Sequence[Anomaly]]:  # noqa: ANN401  see above
        """Return the part with the additions; the very same part when there are none."""
        for addition in self.source.additions:
            if addition.key == self.key:
                state = self.pool.add(state, addition.what)
        return state, ()


@dataclass(slots=True)
class PooledReader:
    """Folds one event as a `Detector` does and keeps what it adds for the parts behind it."""

    detector: PooledDetector[Any]
    totals: Mapping[PoolKey, Any]
    additions: Sequence[Addition] = ()

    def initial(self) -> Any:  # noqa: ANN401  each detector has a state type of its own
        """Return the state of a subject that has never been seen."""
        return self.detector.initial()

    def fold(self, state: Any, event: Event, event_id: str) -> tuple[Any, Sequence[Anomaly]]:  # noqa: ANN401  see above
        """Take in one event."""
        after, anomalies, self.additions = self.detector.fold(state, event, event_id, self.totals)
        return after, anomalies


class _Taken(NamedTuple):
    at: float
    total: Any


class Pooling:
    """Hands folds over pools to a batch, and the sums that they see.

    Args:
        detectors: All detectors that share pools.
        states: Where the parts of other shards are read from.
    """

    def __init__(self, detectors: Sequence[PooledDetector[Any]], states: StateStore) -> None:
        self._detectors = [(f"{d.name}#{d.version}", d) for d in detectors]
        self._pools = {pool.name: pool for d in detectors for pool in d.pools}
        self._decoders = {
            name: msgspec.msgpack.Decoder(pool.state_type) for name, pool in self._pools.items()
        }
        self._states = states
        self._totals: dict[PoolKey, Any] = {}  # what the readers of all batches look at
        self._taken: dict[PoolKey, _Taken] = {}

    def types(self) -> dict[str, type[msgspec.Struct]]:
        """Return what the stored states and parts decode to, by name and version."""
        found = {name: detector.state_type for name, detector in self._detectors}
        return found | {_name(pool): pool.state_type for pool in self._pools.values()}

    def touched(self, event: Event) -> list[tuple[StateKey, PooledReader | PartReader]]:
        """Return what an event touches, each state before the parts that it adds to."""
        touched: list[tuple[StateKey, PooledReader | PartReader]] = []
        for name, detector in self._detectors:
            subject = detector.subject(event)
            if subject is None:
                continue
            reader = PooledReader(detector, self._totals)
            touched.append((StateKey(name, subject), reader))
            for key in detector.pooled(event):
                part = PartReader(key, self._pools[key.pool], reader)
                touched.append((self._state_key(key), part))
        return touched

    def take(
        self,
        keys: Sequence[PoolKey],
        shard_id: str,
        own: Mapping[StateKey, StateRow],
        arrived_at: float,
        remaining_s: RemainingTime,
    ) -> None:
        """Let the folds see the sums of these pools as they stand, or stood a little before.

        Time is that of the arrival of records, so nothing here reads a clock.

        Args:
            keys: The pools that a batch touches.
            shard_id: Whose rows `own` are.
            own: The rows of the shard, with its parts.
            arrived_at: When the batch arrived.
            remaining_s: Time left for reading.
        """
        if len(self._taken) > _MAX_SNAPSHOTS:
            self._taken.clear()
            self._totals.clear()
        stale = [key for key in keys if not self._is_fresh(key, arrived_at)]
        if not stale:
            return
        parts: dict[PoolKey, list[Any]] = {key: [] for key in stale}
        by_state = {self._state_key(key): key for key in stale}
        rows = [own] + [
            self._states.read_states(shard, list(by_state), remaining_s)
            for shard in self._other_shards(stale, shard_id, remaining_s)
        ]
        for found in rows:
            for state_key, key in by_state.items():
                if state_key in found:
                    decoder = self._decoders[key.pool]
                    parts[key].append(decoder.decode(found[state_key].state))
        for key in stale:
            total = self._pools[key.pool].total(parts[key])
            self._totals[key] = total
            self._taken[key] = _Taken(arrived_at, total)

    def _is_fresh(self, key: PoolKey, arrived_at: float) -> bool:
        taken = self._taken.get(key)
        limit_s = self._pools[key.pool].snapshot_s
        return taken is not None and abs(arrived_at - taken.at) < limit_s

    def _other_shards(
        self, keys: Sequence[PoolKey], shard_id: str, remaining_s: RemainingTime
    ) -> list[str]:
        """Return the other shards that may have parts of these pools, closed ones included."""
        wanted = {key.pool for key in keys}
        shards: set[str] = set()
        for _, detector in self._detectors:
            if wanted.isdisjoint(pool.name for pool in detector.pools):
                continue
            key = self._state_key(detector.registry)
            shards.update(self._states.shards_of(key, remaining_s))
        return sorted(shards - {shard_id})

    def _state_key(self, key: PoolKey) -> StateKey:
        return StateKey(_name(self._pools[key.pool]), key.subject)


def _name(pool: Pool[Any]) -> str:
    return f"{pool.name}#{pool.version}"
