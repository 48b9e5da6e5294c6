"""Detectors over changes of users, with states that several shards may write.

A record of a table's stream does not name its shard, so a state here cannot have the one writer per
shard that the states of the event flow have. Instead each state has a version: it is replaced
together with the facts that it led to, in one transaction, by whoever has read the newest. Whoever
loses reads and folds again.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from pipeline.detection.accounts import ChangeDetector
from pipeline.detection.anomaly import Anomaly
from pipeline.errors import RetryableError
from pipeline.flows.users.ports import StateChange, Versioned, VersionedStates
from pipeline.ports import RemainingTime, StateKey
from pipeline.users import UserChange

MAX_TRIES: Final = 8
"""How often a batch folds against other writers before it goes back to the stream."""


class Broken(NamedTuple):
    """A change that broke a fold, and how."""

    change: UserChange
    error: Exception


class Watched(NamedTuple):
    """What watching a batch gave: how many facts, and the changes that broke a fold."""

    anomalies: int
    broken: Sequence[Broken]


class _Folded(NamedTuple):
    """How far one subject's changes were folded; `state` is None when it is as it was."""

    taken: int
    state: bytes | None
    anomalies: Sequence[Anomaly]


class Watching:
    """Runs the detectors over the changes of a batch.

    Args:
        detectors: Each says which changes it reads.
        states: Where states and facts go.
        ttl_s: How long a state row outlives the change that touched it last.
    """

    def __init__(
        self, detectors: Sequence[ChangeDetector[Any]], states: VersionedStates, ttl_s: int
    ) -> None:
        self._detectors = {f"{d.name}#{d.version}": d for d in detectors}
        self._states = states
        self._ttl_s = ttl_s

    def take(self, changes: Sequence[UserChange], remaining_s: RemainingTime) -> Watched:
        """Fold changes; on return states and facts are durable. A repetition changes nothing.

        Raises:
            RetryableError: Throttling or outage, or other writers that never rest.
        """
        anomalies, tries = 0, 0
        broken: dict[str, Broken] = {}
        pending = self._pending(changes, broken)
        while pending:
            if tries == MAX_TRIES:
                raise RetryableError(
                    "cannot write a detector's state: others write it all the time"
                )
            rows = self._states.read(list(pending), remaining_s)
            folded = {key: self._fold(key, todo, rows, broken) for key, todo in pending.items()}
            writes = {
                key: self._change(done, pending[key][done.taken - 1], rows.get(key))
                for key, done in folded.items()
                if done.state is not None
            }
            lost = set(self._states.write(writes)) if writes else set()
            tries += bool(lost)
            anomalies += sum(len(w.anomalies) for key, w in writes.items() if key not in lost)
            pending = {
                key: todo if key in lost else todo[folded[key].taken :]
                for key, todo in pending.items()
                if key in lost or folded[key].taken < len(todo)
            }
        return Watched(anomalies, list(broken.values()))

    def _pending(
        self, changes: Sequence[UserChange], broken: dict[str, Broken]
    ) -> dict[StateKey, list[UserChange]]:
        pending: dict[StateKey, list[UserChange]] = {}
        for name, detector in self._detectors.items():
            for change in changes:
                try:
                    subject = detector.subject(change)
                except Exception as error:  # noqa: BLE001  a broken fold sets aside its change, visibly
                    broken[change.change_id] = Broken(change, error)
                    continue
                if subject is not None:
                    pending.setdefault(StateKey(name, subject), []).append(change)
        return pending

    def _fold(
        self,
        key: StateKey,
        changes: Sequence[UserChange],
        rows: Mapping[StateKey, Versioned],
        broken: dict[str, Broken],
    ) -> _Folded:
        """Fold one subject's changes up to its first fact: facts become visible in their order."""
        detector = self._detectors[key.detector]
        row = rows.get(key)
        if row is None:
            before = detector.initial()
        else:
            before = msgspec.msgpack.decode(row.state, type=detector.state_type)
        state, taken = before, 0
        facts: Sequence[Anomaly] = ()
        for change in changes:
            taken += 1
            try:
                state, facts = detector.fold(state, change)
            except Exception as error:  # noqa: BLE001  a broken fold sets aside its change, visibly
                broken[change.change_id] = Broken(change, error)
                continue
            if facts:
                break
        if state == before:
            return _Folded(taken, None, ())
        return _Folded(taken, msgspec.msgpack.encode(state), facts)

    def _change(self, done: _Folded, last: UserChange, row: Versioned | None) -> StateChange:
        expires_at = int(last.timestamp.timestamp()) + self._ttl_s
        replaces = 0 if row is None else row.version
        return StateChange(done.state or b"", replaces, expires_at, done.anomalies)
