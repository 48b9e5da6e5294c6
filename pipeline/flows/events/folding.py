"""Second step of a batch: detectors see each accepted event once, whatever was delivered twice.

A shard's state rows have one writer, but the writer's execution environment may change with every
batch. So a batch trusts the states that this environment holds in memory only if the shard's cursor
is where this environment left it; otherwise it reads them again. Each row carries the sequence
number of the last record folded into it, the fence that a redelivered record does not pass.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.detector import Detector
from pipeline.detection.pooled import PooledDetector
from pipeline.flows.events.intake import Accepted, Refused
from pipeline.flows.events.pooling import PartReader, Pooling
from pipeline.flows.events.watches import Reader, Watch
from pipeline.ports import Cursor, RemainingTime, StateKey, StateRow, StateStore

States = dict[StateKey, StateRow]
Touched = list[tuple[StateKey, Reader]]


class Known(NamedTuple):
    """Rows of a shard as they stand in the table, and keys that have none there."""

    rows: States
    absent: frozenset[StateKey]


@dataclass(slots=True)
class Folded:
    """What folding a batch gave: facts, the rows to write back, and events that broke a fold.

    `parts` are the shard's parts of pools, to be written before the other rows.
    """

    events: list[Accepted]
    anomalies: list[Anomaly]
    parts: States
    rows: States
    refused: list[Refused]


class Folding:
    """Runs the detectors over the accepted events of a batch.

    Args:
        detectors: All detectors; each says which events it reads.
        states: Where state rows are read from; writing them back is the flow's second phase.
        ttl_s: How long a state row outlives the event that changed it last.
        watches: What picks events of a batch to fold beside the detectors.
        pooled: The detectors that share pools among all shards.
    """

    def __init__(
        self,
        detectors: Sequence[Detector[Any]],
        states: StateStore,
        ttl_s: int,
        watches: Sequence[Watch] = (),
        pooled: Sequence[PooledDetector[Any]] = (),
    ) -> None:
        self._detectors = [(f"{d.name}#{d.version}", d) for d in detectors]
        self._watches = [(f"{w.name}#{w.version}", w) for w in watches]
        types = {name: detector.state_type for name, detector in self._detectors}
        self._pooling = Pooling(pooled, states)
        types |= self._pooling.types()
        types |= {name: watch.state_type for name, watch in self._watches}
        self._codecs = {
            name: (msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(state_type))
            for name, state_type in types.items()
        }
        self._states = states
        self._ttl_s = ttl_s

    def touched(self, accepted: Sequence[Accepted]) -> list[Touched]:
        """Return, for each event, the states that it touches and what folds it into them."""
        touched = [self._touched(item) for item in accepted]
        for name, watch in self._watches:
            for look in watch.looks(accepted):
                touched[look.place].append((StateKey(name, look.subject), look.reader))
        return touched

    def fold(
        self,
        accepted: Sequence[Accepted],
        touched: Sequence[Touched],
        shard_id: str,
        cursor: Cursor,
        known: Known,
        remaining_s: RemainingTime,
    ) -> Folded:
        """Fold the events behind the cursor and the fences, in the order of the shard.

        Args:
            accepted: The batch's events.
            touched: What each of them touches.
            shard_id: The shard that they came from.
            cursor: The shard's cursor as it stands in the table.
            known: What need not be read.
            remaining_s: Time left for reading the rest.
        """
        parts = {
            key: reader.key for own in touched for key, reader in own if type(reader) is PartReader
        }
        loaded = self._load(shard_id, cursor, keys_of(touched), known, parts, remaining_s)
        if parts:
            arrived_at = accepted[-1].record.arrived_at
            self._pooling.take(list(parts.values()), shard_id, loaded, arrived_at, remaining_s)
        subjects: dict[StateKey, _Subject] = {}
        folded = Folded([], [], {}, {}, [])
        for item, own in zip(accepted, touched, strict=True):
            if item.record.sequence_number > cursor.applied:
                try:
                    changed, anomalies = self._fold_one(item, own, subjects, loaded)
                except Exception as error:  # noqa: BLE001  a broken fold sets aside its record, visibly
                    folded.refused.append(_defect(item, error))
                    continue
                subjects.update(changed)
                folded.anomalies.extend(anomalies)
            folded.events.append(item)
        for key, subject in subjects.items():
            if subject.applied > subject.fence:  # nothing to store otherwise
                (folded.parts if key in parts else folded.rows)[key] = self._row(key, subject)
        return folded

    def _touched(self, item: Accepted) -> Touched:
        touched: Touched = []
        for name, detector in self._detectors:
            subject = detector.subject(item.event)
            if subject is not None:
                touched.append((StateKey(name, subject), detector))
        touched.extend(self._pooling.touched(item.event))
        return touched

    def _load(
        self,
        shard_id: str,
        cursor: Cursor,
        keys: Sequence[StateKey],
        known: Known,
        parts: Collection[StateKey],
        remaining_s: RemainingTime,
    ) -> States:
        loaded = {key: known.rows[key] for key in keys if key in known.rows}
        cold = [key for key in keys if key not in loaded]
        unread = [key for key in cold if key not in known.absent]
        if unread:
            loaded.update(self._states.read_states(shard_id, unread, remaining_s))
        for ancestor in cursor.ancestors:
            # a part of a pool is no seed: the parent's counts on beside the child's
            missing = [key for key in cold if key not in loaded and key not in parts]
            if not missing:
                break
            seeds = self._states.read_states(ancestor, missing, remaining_s)
            loaded.update({key: seed._replace(applied=0) for key, seed in seeds.items()})
        return loaded

    def _fold_one(
        self,
        item: Accepted,
        touched: Touched,
        subjects: Mapping[StateKey, "_Subject"],
        loaded: States,
    ) -> tuple[dict[StateKey, "_Subject"], list[Anomaly]]:
        """Fold one event into all of its states; when a fold raises, nothing has changed."""
        sequence_number = item.record.sequence_number
        expires_at = int(item.record.arrived_at) + self._ttl_s
        changed: dict[StateKey, _Subject] = {}
        anomalies: list[Anomaly] = []
        for key, reader in touched:
            subject = changed.get(key) or subjects.get(key)
            subject = subject or self._start(key, reader, loaded.get(key))
            if sequence_number <= subject.fence:
                continue
            try:
                state, facts = reader.fold(subject.state, item.event, item.event_id)
            except Exception as error:
                error.add_note(key.detector)
                raise
            if state is subject.state and not facts and not subject.is_seed:
                changed[key] = subject  # folded again, it changes nothing again
                continue
            changed[key] = _Subject(state, subject.fence, sequence_number, expires_at)
            anomalies.extend(facts)
        return changed, anomalies

    def _start(self, key: StateKey, reader: Reader, row: StateRow | None) -> "_Subject":
        if row is None:
            return _Subject(reader.initial(), 0, 0, 0)
        state = self._codecs[key.detector][1].decode(row.state)
        return _Subject(state, row.applied, row.applied, row.expires_at)

    def _row(self, key: StateKey, subject: "_Subject") -> StateRow:
        state = self._codecs[key.detector][0].encode(subject.state)
        return StateRow(state, subject.applied, subject.expires_at)


def keys_of(touched: Sequence[Touched]) -> list[StateKey]:
    """Return every state that a batch touches, once."""
    return list(dict.fromkeys(key for own in touched for key, _ in own))


class _Subject(NamedTuple):
    """A state in the middle of its batch; `fence` is where the stored row stood before it."""

    state: Any
    fence: int
    applied: int
    expires_at: int

    @property
    def is_seed(self) -> bool:
        """Whether it comes from a parent shard and has no row of its own yet."""
        return self.fence == 0 and self.expires_at > 0


def _defect(item: Accepted, error: Exception) -> Refused:
    detector = error.__notes__[-1] if getattr(error, "__notes__", None) else ""
    reason = f"defect in detection by {detector or 'the flow'}: {type(error).__name__}: {error}"
    return Refused(
        item.record, item.user_record, reason, "$", is_defect=True, detector=detector.split("#")[0]
    )
