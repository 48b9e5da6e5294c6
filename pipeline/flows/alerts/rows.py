"""Alerts as rows: decoded with their version, written with what people and queries read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec

from pipeline.detection.alerting import Firing, Timers
from pipeline.detection.anomaly import timestamp_text
from pipeline.detection.rules import Rules
from pipeline.flows.alerts.alert import Alert
from pipeline.flows.alerts.timers import due_at
from pipeline.ports import AlertKey, AlertRow, AlertStore, Clock

ID_START_CHARS: Final = 4
"""The beginning of an alert's id that it can be found by; longer beginnings narrow it down."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An alert as it was read, and the version that the next write must name."""

    alert: Alert
    version: int


class AlertRows:
    """The alert rows of `store`; one instance per invocation.

    Args:
        store: Where they are.
        clock: The time of day.
        rules: Their timers say when an alert is due.
        ttl: How long a row outlives its last change.
    """

    def __init__(self, store: AlertStore, clock: Clock, rules: Rules, ttl: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules.texts()
        self._alerting = rules.alerting
        self._ttl = ttl
        self._written: dict[AlertKey, Alert] = {}

    def latest(self, dedup_key: str) -> Stored | None:
        """Read the newest alert of a dedup key."""
        return _stored(self._store.latest(dedup_key))

    def before(self, dedup_key: str, moment: datetime) -> Stored | None:
        """Read the newest alert that was opened at a moment or before it."""
        return _stored(self._store.before(dedup_key, moment))

    def read(self, key: AlertKey) -> Stored | None:
        """Read one alert."""
        return _stored(self._store.read(key))

    def write(self, alert: Alert, replaces: int) -> bool:
        """Write an alert, False when somebody else wrote first."""
        expires_at = self._clock.now() + self._ttl
        is_written = self._store.write(
            alert.dedup_key,
            alert.opened_at,
            msgspec.json.encode(alert),
            attributes(alert, self.timers(alert.fact.rule_id), expires_at),
            replaces=replaces,
        )
        if is_written:
            self._written[AlertKey(alert.dedup_key, alert.opened_at)] = alert
        return is_written

    def firing(self, source: str) -> Sequence[Firing]:
        """Return the alerts about a source that fire, with those that this worker has written.

        The index lags, and a point above its limit is unusual in the very same batch.
        """
        own = [alert for alert in self._written.values() if alert.fact.source == source]
        known = {(alert.fact.rule_id, alert.fact.subject) for alert in own}
        others = self._store.firing(source)
        return [
            *(one for one in others if (one.rule_id, one.subject) not in known),
            *(_firing(alert) for alert in own if alert.firing and not alert.staged),
        ]

    def timers(self, rule_id: str) -> Timers:
        """Return the timers of a rule, known or not."""
        return self._alerting.timers(self._rules.get(rule_id))


def attributes(alert: Alert, timers: Timers, expires_at: datetime) -> dict[str, str | int]:
    """Return what people and indexes read beside the document.

    `due_at` is there only while something is to be done, `firing_source` only while it fires and is
    not staged, so that their indexes hold no more than that.
    """
    due = due_at(alert, timers)
    return {
        "alert_id": alert.alert_id,
        "id_start": alert.alert_id[:ID_START_CHARS],
        "status": "firing" if alert.firing else "resolved",
        "severity": alert.severity,
        "rule_id": alert.fact.rule_id,
        "subject": alert.fact.subject,
        "source": alert.fact.source,
        "title": alert.fact.title,
        "count": alert.count,
        "day": f"{alert.opened_at:%Y-%m-%d}",
        "starts_at": timestamp_text(alert.starts_at),
        "last_seen_at": timestamp_text(alert.last_seen_at),
        "expires_at": int(expires_at.timestamp()),
        "due_at": timestamp_text(due) if due else "",
        "firing_source": alert.fact.source if alert.firing and not alert.staged else "",
        "staged": "staged" if alert.staged else "",
        "acknowledged_by": alert.acknowledged.by if alert.acknowledged else "",
    }


def _firing(alert: Alert) -> Firing:
    fact = alert.fact
    return Firing(
        rule_id=fact.rule_id, subject=fact.subject, source=fact.source, severity=alert.severity
    )


def _stored(row: AlertRow | None) -> Stored | None:
    return row and Stored(msgspec.json.decode(row.document, type=Alert), row.version)
