"""What would have fired: the pipeline's own detectors and alert rules over old events, no effects.

The clock is the events' own. What happens to an alert, and whether people would have been told, is
decided by the alert flow's own transition; silences, storms and groups of alerts are left out.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from pipeline.cli.lake.events import LakeEvent
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.detector import detectors, pooled_detectors
from pipeline.detection.pooled import PoolKey  # noqa: TC001  beside the other types
from pipeline.detection.rules import Rules
from pipeline.flows.alerts.alert import Alert, transition
from pipeline.flows.alerts.telling import heard


class Detection:
    """Folds events as the consumer of the stream does: one state per shard, detector and subject.

    Pools, which all shards share, are as of the event before; in the consumer they are as of the
    batch before. A lake is read shard by shard, so one shard may have learned of another's reports
    too early, or not yet. `defects` counts the events that broke a fold, by detector and error; the
    consumer sets such ones aside.
    """

    def __init__(self, rules: Rules) -> None:
        self._detectors = [(f"{one.name}#{one.version}", one) for one in detectors(rules)]
        pooled = pooled_detectors(rules)
        self._pooled = [(f"{one.name}#{one.version}", one) for one in pooled]
        self._pools = {pool.name: pool for one in pooled for pool in one.pools}
        self._totals: dict[PoolKey, Any] = {}
        self._states: dict[tuple[str, str, str], Any] = {}
        self.defects: Counter[str] = Counter()
        self.events = 0

    def facts(self, events: Iterable[LakeEvent]) -> Iterator[Anomaly]:
        """Yield the facts that the events give."""
        for item in events:
            self.events += 1
            try:
                changed, facts = self._fold(item)
            except Exception as error:  # noqa: BLE001  counted and told, as the consumer does
                self.defects[f"{type(error).__name__}: {error}"] += 1
                continue
            self._states.update(changed)
            for fact in facts:
                yield msgspec.structs.replace(fact, archived_at=item.arrival_hour)

    def _fold(self, item: LakeEvent) -> tuple[dict[tuple[str, str, str], Any], list[Anomaly]]:
        changed: dict[tuple[str, str, str], Any] = {}
        facts: list[Anomaly] = []
        for name, detector in self._detectors:
            subject = detector.subject(item.event)
            if subject is None:
                continue
            key = (item.shard_id, name, subject)
            state = self._states.get(key)
            before = detector.initial() if state is None else state
            changed[key], found = detector.fold(before, item.event, item.event_id)
            facts.extend(found)
        for name, one in self._pooled:
            subject = one.subject(item.event)
            if subject is None:
                continue
            for pool in one.pooled(item.event):
                self._totals.setdefault(pool, self._pools[pool.pool].initial())
            key = (item.shard_id, name, subject)
            before = self._states[key] if key in self._states else one.initial()
            outcome = one.fold(before, item.event, item.event_id, self._totals)
            changed[key] = outcome.state
            facts.extend(outcome.anomalies)
            for pool, what in outcome.additions:
                self._totals[pool] = self._pools[pool.pool].add(self._totals[pool], what)
        return changed, facts


@dataclass(slots=True)
class Firing:
    """An alert that would have been, and how often people would have been told of it at once."""

    alert: Alert
    pages: int
    is_new: bool


def firings(
    facts: Sequence[Anomaly], known: Iterable[tuple[str, str]], rules: Rules
) -> list[Firing]:
    """Group facts to alerts, the earliest first.

    Args:
        facts: In any order; the clock goes by the time of each.
        known: `dedup_key` and `fact_key` of those that the stack has found already. An alert is new
            when none of its facts is.
        rules: Today's.
    """
    found = set(known)
    staged = {rule.id for rule in rules.all() if rule.staged}
    newest: dict[str, Alert] = {}
    by_id: dict[str, Firing] = {}
    for fact in sorted(facts, key=lambda one: (one.occurred_at, one.fact_key)):
        before = newest.get(fact.dedup_key)
        change = transition(before, fact, fact.occurred_at, rules.timers(fact.rule_id))
        if change is None:
            continue
        alert = heard(change.alert, fact.occurred_at) if change.reason else change.alert
        newest[fact.dedup_key] = alert
        firing = by_id.setdefault(alert.alert_id, Firing(alert, 0, is_new=True))
        firing.alert = alert
        firing.pages += change.reason is not None and fact.rule_id not in staged
        firing.is_new &= (fact.dedup_key, fact.fact_key) not in found
    return sorted(by_id.values(), key=lambda one: one.alert.starts_at)


def within(facts: Iterable[Anomaly], start: datetime, end: datetime) -> list[Anomaly]:
    """Return the facts of a time range; those before it came of warming up."""
    return [fact for fact in facts if start <= fact.occurred_at < end]
