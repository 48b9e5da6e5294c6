"""The alert flow: facts in, alert rows that are their own outbox, pages out.

A notification is recorded in the row by the same conditional write as the transition that causes
it. Then the writer, alone under a lease, publishes it topic by topic and marks each as delivered. A
second copy of a page can appear only when a crash or a lost reply falls between a publish and its
mark, and it bears the same ids.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from pipeline.detection.anomaly import Anomaly, timestamp_text
from pipeline.detection.rules import Rule
from pipeline.errors import InvalidRecordError, RetryableError
from pipeline.flows.alerts.alert import (
    TOPICS,
    Alert,
    Delivery,
    Pending,
    Transition,
    notification_id,
    thread_id,
    transition,
    with_delivery,
)
from pipeline.flows.alerts.composing import Deployment, Occasion, compose
from pipeline.flows.alerts.notification import (
    Notification,
    NotificationReason,
    attributes,
    subject,
)
from pipeline.flows.alerts.page import page_text
from pipeline.ports import AlertStore, Clock, Pager, Topic

LEASE: Final = timedelta(seconds=60)
"""How long a worker has the outbox for itself. At least the function's timeout: a worker whose
lease has run out is dead."""

MAX_WRITES: Final = 5
"""How often a write is tried against other workers before the record goes back to the stream."""

_BACKOFF_START: Final = timedelta(seconds=30)
_BACKOFF_CAP: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class FactRecord:
    """A record of the anomalies' stream; `read` decodes it or raises `InvalidRecordError`."""

    sequence_number: str
    dedup_key: str
    fact_key: str
    written_at: datetime
    read: Callable[[], Anomaly]


@dataclass(frozen=True, slots=True)
class Defect:
    """A fact that could not become an alert; its row stays in AnomaliesTable."""

    record: FactRecord
    error: Exception


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What became of a batch.

    `failed` is the sequence number from which the stream must deliver again, and `failure` why.
    """

    taken: int
    defects: tuple[Defect, ...]
    failed: str | None = None
    failure: RetryableError | None = None


@dataclass(frozen=True, slots=True)
class _Stored:
    alert: Alert
    version: int


class AlertFlow:
    """Takes facts in their order; one instance per invocation.

    Args:
        store: The alert rows.
        pager: The topics.
        clock: The time of day.
        rules: What each rule tells people, by rule id.
        where: The deployment that speaks.
        ttl: How long a row outlives its last change.
        worker: Names this invocation; no other invocation has the same name.
    """

    def __init__(  # noqa: PLR0913  the ports and settings of the flow
        self,
        store: AlertStore,
        pager: Pager,
        clock: Clock,
        *,
        rules: Mapping[str, Rule],
        where: Deployment,
        ttl: timedelta,
        worker: str,
    ) -> None:
        self._store = store
        self._pager = pager
        self._clock = clock
        self._rules = rules
        self._where = where
        self._ttl = ttl
        self._worker = worker

    def take_batch(self, records: Sequence[FactRecord]) -> BatchReport:
        """Take the records of a batch up to the first that must be delivered again.

        A fact that cannot become an alert stops nobody behind it and is not silent: on-call
        engineers get a page that names its row. Safe to repeat.
        """
        defects: list[Defect] = []
        for index, record in enumerate(records):
            try:
                defect = self._take_record(record)
            except RetryableError as error:
                return BatchReport(index, tuple(defects), record.sequence_number, error)
            if defect:
                defects.append(defect)
        return BatchReport(len(records), tuple(defects))

    def take(self, fact: Anomaly) -> None:
        """Take one fact; a fact that was taken before changes nothing.

        On return the alert is stored and no notification waits in its outbox.

        Raises:
            RetryableError: Throttling, outage, or another worker is at it; deliver again.
            InvalidRecordError: The fact cannot be stored as it is.
        """
        _check(fact)
        for _ in range(MAX_WRITES):
            stored = self._latest(fact.dedup_key)
            change = transition(stored.alert if stored else None, fact, self._clock.now())
            if change is None or (stored and change.alert.opened_at != stored.alert.opened_at):
                self._deliver(stored)  # before a newer row hides this one's outbox
            if change is None:
                return
            version = stored.version if stored and _same_row(stored, change.alert) else 0
            alert = self._recorded(change, fact)
            if self._write(alert, version):
                self._deliver(_Stored(alert, version + 1))
                return
        raise RetryableError(f"other workers wrote {fact.rule_id} first, {MAX_WRITES} times")

    def _take_record(self, record: FactRecord) -> Defect | None:
        try:
            self.take(record.read())
        except RetryableError:
            raise
        except Exception as error:  # noqa: BLE001  a defect here must not hold every page behind it
            self.take(_unreadable(record))
            return Defect(record, error)
        return None

    def _recorded(self, change: Transition, fact: Anomaly) -> Alert:
        """Put the notification of a change into the outbox and take the lease if it is free."""
        alert, reason = change
        if reason is None:
            return alert
        now = self._clock.now()
        told = occasion(alert, reason, fact, now)
        rule = self._rules.get(fact.rule_id)
        record = compose(fact, told, rule.about(fact) if rule else None, self._where)
        outbox = (*alert.outbox, Pending(notification=record))
        waiting = msgspec.structs.replace(alert, outbox=outbox)
        return waiting if self._is_anothers(waiting, now) else self._leased(waiting, now)

    def _deliver(self, stored: _Stored | None) -> None:
        """Publish what waits in an outbox, until nothing does."""
        while stored and stored.alert.outbox:
            stored = self._claim(stored)
            pending = stored.alert.outbox[0]
            topic = next(topic for topic in TOPICS if topic not in pending.delivered)
            delivery = self._publish(topic, pending.notification, stored)
            stored = self._mark(stored, delivery)

    def _publish(self, topic: Topic, notification: Notification, stored: _Stored) -> Delivery:
        if topic == "alerts":
            body = msgspec.json.encode(notification).decode()
        else:
            body = page_text(notification, self._clock.now())
        try:
            message_id = self._pager.publish(
                topic, subject(notification), body, attributes(notification)
            )
        except RetryableError:
            self._postpone(stored)
            raise
        return Delivery(
            notification_id=notification.id,
            topic=topic,
            message_id=message_id,
            delivered_at=self._clock.now(),
        )

    def _claim(self, stored: _Stored) -> _Stored:
        now = self._clock.now()
        alert = stored.alert
        if self._is_anothers(alert, now):
            raise RetryableError(f"another worker publishes alert {alert.alert_id}")
        if alert.lease_until and alert.lease_until > now:
            return stored
        leased = self._leased(alert, now)
        if not self._write(leased, stored.version):
            raise RetryableError(f"another worker took alert {alert.alert_id}")
        return _Stored(leased, stored.version + 1)

    def _mark(self, stored: _Stored, delivery: Delivery) -> _Stored | None:
        """Note a delivery and return the alert as it is then, None once a newer one has opened."""
        for _ in range(MAX_WRITES):
            marked = with_delivery(stored.alert, delivery)
            if marked is None:
                return stored  # another worker has done it
            if self._write(marked, stored.version):
                return _Stored(marked, stored.version + 1)
            newest = self._latest(stored.alert.dedup_key)
            if newest is None or newest.alert.opened_at != stored.alert.opened_at:
                return None  # a newer alert opens only once this one's outbox is empty
            stored = newest
        raise RetryableError(f"cannot mark alert {stored.alert.alert_id} among other workers")

    def _postpone(self, stored: _Stored) -> None:
        """Give the lease back, so that the next delivery of the record can publish at once.

        Another worker's write in between is as good; it has seen the outbox.
        """
        backoff = min(_BACKOFF_CAP, _BACKOFF_START * 2 ** min(stored.alert.attempts, 10))
        alert = msgspec.structs.replace(
            stored.alert,
            attempts=stored.alert.attempts + 1,
            next_attempt_at=self._clock.now() + backoff,
            lease_until=None,
            lease_by="",
        )
        self._write(alert, stored.version)

    def _leased(self, alert: Alert, now: datetime) -> Alert:
        until = now + LEASE
        return msgspec.structs.replace(
            alert, lease_until=until, lease_by=self._worker, next_attempt_at=until
        )

    def _is_anothers(self, alert: Alert, now: datetime) -> bool:
        is_live = alert.lease_until is not None and alert.lease_until > now
        return is_live and alert.lease_by != self._worker

    def _latest(self, dedup_key: str) -> _Stored | None:
        row = self._store.latest(dedup_key)
        return row and _Stored(msgspec.json.decode(row.document, type=Alert), row.version)

    def _write(self, alert: Alert, replaces: int) -> bool:
        expires_at = self._clock.now() + self._ttl
        return self._store.write(
            alert.dedup_key,
            alert.opened_at,
            msgspec.json.encode(alert),
            _attributes(alert, expires_at),
            replaces=replaces,
        )


def occasion(
    alert: Alert, reason: NotificationReason, fact: Anomaly, notified_at: datetime
) -> Occasion:
    """Return what an alert adds to the fact that causes a notification of it."""
    return Occasion(
        notification_id=notification_id(alert, reason, fact),
        alert_id=alert.alert_id,
        thread_id=thread_id(alert),
        reason=reason,
        severity=alert.severity,
        count=alert.count,
        starts_at=alert.starts_at,
        last_seen_at=alert.last_seen_at,
        ends_at=alert.ends_at,
        detected_at=alert.detected_at,
        notified_at=notified_at,
        event_ids=alert.event_ids,
    )


def _attributes(alert: Alert, expires_at: datetime) -> dict[str, str | int]:
    """Return what people and later queries read; `next_attempt_at` only while something waits."""
    shown: dict[str, str | int] = {
        "alert_id": alert.alert_id,
        "status": "firing" if alert.firing else "resolved",
        "severity": alert.severity,
        "rule_id": alert.fact.rule_id,
        "subject": alert.fact.subject,
        "source": alert.fact.source,
        "title": alert.fact.title,
        "count": alert.count,
        "starts_at": timestamp_text(alert.starts_at),
        "last_seen_at": timestamp_text(alert.last_seen_at),
        "expires_at": int(expires_at.timestamp()),
    }
    if alert.next_attempt_at:
        shown["next_attempt_at"] = timestamp_text(alert.next_attempt_at)
    return shown


def _same_row(stored: _Stored, alert: Alert) -> bool:
    return stored.alert.opened_at == alert.opened_at


def _check(fact: Anomaly) -> None:
    """Refuse a fact that JSON cannot hold, such as one with an infinite figure."""
    try:
        copy = msgspec.json.decode(msgspec.json.encode(fact), type=Anomaly)
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:
        raise InvalidRecordError(f"no JSON holds this fact: {error}") from error
    if copy != fact:
        raise InvalidRecordError("no JSON holds this fact")


def _unreadable(record: FactRecord) -> Anomaly:
    """Return the fact that another fact cannot become an alert, the same on every delivery."""
    written_at = record.written_at.astimezone(UTC)
    return Anomaly(
        rule_id="pipeline_fact_defect",
        rule_version=1,
        detector="health",
        kind="event",
        severity="high",
        edge="opened",
        subject="AnomaliesTable",
        source="pipeline",
        opened_at=written_at,
        occurred_at=written_at,
        event_id=record.sequence_number,
        observed=1,
        title="A fact in AnomaliesTable cannot become an alert",
        component="alert flow",
        reasons=(
            f"dedup_key {record.dedup_key}",
            f"fact_key {record.fact_key}",
            "the row is kept; the function's log has the error under its sequence number",
        ),
    )
