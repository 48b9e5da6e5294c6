"""An alert as it is stored, and what a fact makes of it: pure, no I/O and no clock of its own."""

import hashlib
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from pipeline.detection.alerting import Timers
from pipeline.detection.anomaly import Anomaly, Severity, timestamp_text
from pipeline.detection.incidents import SEVERITIES
from pipeline.flows.alerts.notification import Notification, NotificationReason
from pipeline.ports import AlertKey, Topic

TOPICS: Final[tuple[Topic, ...]] = ("alerts", "oncall")
"""Where every notification goes, in this order."""

MAX_FACTS: Final = 128
"""Fact ids that an alert remembers. More than a batch of the stream, so a batch that comes again
as a whole changes nothing."""

MAX_ENDED: Final = 32
MAX_EVENT_IDS: Final = 10
MAX_DELIVERIES: Final = 32
TENFOLD: Final = 10

_AGAIN: Final[frozenset[NotificationReason]] = frozenset({"repeat", "acknowledged"})
"""Reasons for which the same fact can be told again and again."""


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A notification in the outbox, and the topics that already have it."""

    notification: Notification
    delivered: tuple[Topic, ...] = ()
    recorded_at: datetime | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One message that SNS has accepted."""

    notification_id: str
    topic: Topic
    message_id: str
    delivered_at: datetime
    reason: NotificationReason | None = None


class Hand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody did to an alert: who, when, and what he had to say about it."""

    by: str
    at: datetime
    note: str = ""


class Alert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The incidents of one rule and subject while at least one of them is open.

    `opened_at` is the row's range key and rises with every alert of a `dedup_key`; `starts_at` is
    the event time of the opening edge. `incident_at` names the newest incident by its opening.
    `facts` and `ended` (incidents that have cleared, by their opening) are inherited from the alert
    before, so a fact that comes late or again finds what became of it. `lease_by` is the worker
    that alone may publish until `lease_until`.

    `taken_at` is when the alert flow last heard of it and `told_at` when people last did, both by
    the clock. `untold` is why they should hear of it once nothing hides it; that is looked at again
    at `check_at`. `suppressed_count` and `silenced_count` say how many notifications were held back
    for a digest, and hidden by silences and inhibitions. `told_severity` and `told_count` are what
    people last heard. `closed` says that a person ended it, `quiet` that quiet did. `undelivered`
    names notifications that went to the dead letters. `staged` says that nobody is told because its
    rule is on trial. `led_by` is the alert of its group in whose updates it is told of.
    """

    alert_id: str
    dedup_key: str
    opened_at: datetime
    starts_at: datetime
    incident_at: datetime
    last_seen_at: datetime
    detected_at: datetime
    firing: bool
    severity: Severity
    count: int
    incident_count: int
    paged_count: int
    fact: Anomaly
    ends_at: datetime | None = None
    event_ids: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    ended: tuple[datetime, ...] = ()
    outbox: tuple[Pending, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    attempts: int = 0
    next_attempt_at: datetime | None = None
    lease_until: datetime | None = None
    lease_by: str = ""
    taken_at: datetime | None = None
    told_at: datetime | None = None
    untold: NotificationReason | None = None
    check_at: datetime | None = None
    suppressed_count: int = 0
    silenced_count: int = 0
    told_severity: Severity | None = None
    told_count: int | None = None
    acknowledged: Hand | None = None
    closed: Hand | None = None
    quiet: bool = False
    group: str = ""
    undelivered: tuple[str, ...] = ()
    staged: bool = False
    led_by: AlertKey | None = None

    @property
    def is_paged(self) -> bool:
        """Whether it has had a notification of its own, delivered or on its way."""
        return bool(self.outbox or self.deliveries)


class Transition(NamedTuple):
    """What became of an alert, and why people should hear of it, None when they should not."""

    alert: Alert
    reason: NotificationReason | None


def transition(
    before: Alert | None, fact: Anomaly, now: datetime, timers: Timers
) -> Transition | None:
    """Apply a fact to an alert of its `dedup_key`; None when it changes nothing.

    Facts of one incident may come from two shards, so an incident may be seen to clear before it
    is seen to open: it then makes an alert that is over from the start and is told once. A fact
    that comes late joins the alert of its time, and nobody is told because of it.

    Args:
        before: The newest alert, or the one that `covers` the fact's time; None for none.
        fact: The fact.
        now: The time of day.
        timers: Those of the fact's rule.
    """
    if before is None:
        return _opened(None, fact, now, timers)
    if fact_id(fact) in before.facts:
        return None
    if fact.opened_at in before.ended:
        return Transition(_remember(before, fact), None)
    if before.firing and not _is_after_quiet(before, fact, timers):
        change = _cleared(before, fact) if fact.edge == "cleared" else _joined(before, fact, timers)
        return Transition(msgspec.structs.replace(change.alert, taken_at=now), change.reason)
    if covers(before, fact, timers):
        return Transition(_late(before, fact), None)
    return _opened(before, fact, now, timers)


def covers(alert: Alert, fact: Anomaly, timers: Timers) -> bool:
    """Tell whether a fact belongs to the time of an alert that is over, as no news.

    What is worse than people were told is news whenever it comes. Of an alert that a person has
    ended, only the end of its incident is none.
    """
    if alert.firing or alert.ends_at is None:
        return False
    if alert.closed:
        return fact.edge == "cleared" and fact.opened_at <= alert.incident_at
    if _has_risen(alert, fact):
        return False
    if fact.kind == "state":
        return alert.starts_at <= fact.opened_at < alert.ends_at
    slack_s = timers.quiet_s if fact.edge == "opened" else 0
    return alert.starts_at <= fact.occurred_at <= alert.ends_at + timedelta(seconds=slack_s)


def is_late(newest: Alert, fact: Anomaly) -> bool:
    """Tell whether a fact is from before the newest alert, so that an older one may cover it."""
    return fact.opened_at < newest.starts_at and fact.opened_at not in newest.ended


def notification_key(alert: Alert, fact: Anomaly, reason: NotificationReason) -> str:
    """Return what tells a notification from others of its alert and reason."""
    if reason in _AGAIN and alert.told_at:
        return f"{fact.fact_key}#{timestamp_text(alert.told_at)}"
    return fact.fact_key


def alert_id(fact: Anomaly) -> str:
    """Return the id of the alert that this fact's incident opens, the same on every edge of it."""
    return _digest(fact.dedup_key, timestamp_text(fact.opened_at), length=32)


def fact_id(fact: Anomaly) -> str:
    """Return what an alert remembers of a fact."""
    return _digest(fact.fact_key, length=12)


def notification_id(alert: Alert, reason: NotificationReason, fact: Anomaly) -> str:
    """Return the id of the notification that a fact causes."""
    return _digest(alert.alert_id, reason, notification_key(alert, fact, reason), length=32)


def digest_id(alert: Alert, mark: str) -> str:
    """Return the id of a notification that tells of others; `mark` says of which."""
    return _digest(alert.alert_id, "digest", mark, length=32)


def thread_id(alert: Alert) -> str:
    """Return the id that all notifications of a `dedup_key` share."""
    return _digest(alert.dedup_key, length=32)


def with_delivery(alert: Alert, delivery: Delivery) -> Alert | None:
    """Mark one message as delivered; None when the outbox no longer waits for it.

    A notification that every topic has leaves the outbox; an empty outbox ends the lease.
    """
    outbox: list[Pending] = []
    waited = False
    for pending in alert.outbox:
        delivered = pending.delivered
        if (
            pending.notification.id == delivery.notification_id
            and delivery.topic not in pending.delivered
        ):
            waited = True
            delivered = (*pending.delivered, delivery.topic)
        if set(delivered) != set(TOPICS):
            outbox.append(msgspec.structs.replace(pending, delivered=delivered))
    if not waited:
        return None
    return msgspec.structs.replace(
        alert,
        outbox=tuple(outbox),
        deliveries=(*alert.deliveries, delivery)[-MAX_DELIVERIES:],
        attempts=alert.attempts if outbox else 0,
        next_attempt_at=alert.next_attempt_at if outbox else None,
        lease_until=alert.lease_until if outbox else None,
        lease_by=alert.lease_by if outbox else "",
    )


def _opened(previous: Alert | None, fact: Anomaly, now: datetime, timers: Timers) -> Transition:
    opened_at = fact.opened_at
    if previous is not None:
        opened_at = max(opened_at, previous.opened_at + timedelta(microseconds=1))
    over = fact.edge == "cleared"
    alert = Alert(
        alert_id=_digest(fact.dedup_key, timestamp_text(opened_at), length=32),
        dedup_key=fact.dedup_key,
        opened_at=opened_at,
        starts_at=fact.opened_at,
        incident_at=fact.opened_at,
        last_seen_at=fact.occurred_at,
        detected_at=now,
        firing=not over,
        severity=fact.severity,
        count=fact.count,
        incident_count=fact.count,
        paged_count=fact.count,
        fact=fact,
        ends_at=fact.occurred_at if over else None,
        event_ids=(fact.event_id,),
        facts=previous.facts if previous else (),
        ended=_ended(previous.ended if previous else (), fact),
        taken_at=now,
        group=timers.group(fact, fact.severity),
    )
    return Transition(_remember(alert, fact), "resolved" if over else "first")


def _is_after_quiet(before: Alert, fact: Anomaly, timers: Timers) -> bool:
    """Whether an incident of kind event, which nothing clears, opens long after the last one."""
    is_opening = fact.kind == "event" and fact.edge == "opened"
    return is_opening and fact.occurred_at - before.last_seen_at > timedelta(seconds=timers.quiet_s)


def _late(before: Alert, fact: Anomaly) -> Alert:
    """Take in a fact of a time that is over: counted and remembered, nothing else changes."""
    return msgspec.structs.replace(
        _remember(before, fact),
        count=before.count + _gained(before, fact),
        ended=_ended(before.ended, fact),
        event_ids=_event_ids(before, fact),
    )


def _cleared(before: Alert, fact: Anomaly) -> Transition:
    alert = msgspec.structs.replace(
        _remember(before, fact),
        ended=_ended(before.ended, fact),
        last_seen_at=max(before.last_seen_at, fact.occurred_at),
    )
    if fact.opened_at < before.incident_at:
        return Transition(alert, None)  # the subject has gone wrong again since
    gained = _gained(before, fact)
    alert = msgspec.structs.replace(
        alert,
        firing=False,
        ends_at=fact.occurred_at,
        count=before.count + gained,
        incident_count=before.incident_count + gained,
        fact=fact,
        event_ids=_event_ids(before, fact),
        untold=None,
        check_at=None,
    )
    return Transition(alert, "resolved" if before.told_at or before.is_paged else None)


def _joined(before: Alert, fact: Anomaly, timers: Timers) -> Transition:
    risen = _has_risen(before, fact)
    gained = _gained(before, fact)
    count = before.count + gained
    reason: NotificationReason | None = None
    if risen:
        reason = "severity"
    elif count >= TENFOLD * before.paged_count:
        reason = "count"
    incident_count = before.incident_count
    if fact.opened_at == before.incident_at:
        incident_count += gained
    elif fact.opened_at > before.incident_at:
        incident_count = fact.count
    # An edge that comes late tells of a moment that has passed, unless people hear of it now.
    is_news = reason is not None or fact.occurred_at >= before.fact.occurred_at
    alert = msgspec.structs.replace(
        _remember(before, fact),
        incident_at=max(before.incident_at, fact.opened_at),
        starts_at=min(before.starts_at, fact.opened_at),
        last_seen_at=max(before.last_seen_at, fact.occurred_at),
        severity=fact.severity if risen else before.severity,
        group=timers.group(fact, fact.severity) if risen else before.group,
        count=count,
        incident_count=incident_count,
        paged_count=count if reason else before.paged_count,
        fact=fact if is_news else before.fact,
        event_ids=_event_ids(before, fact),
    )
    return Transition(alert, reason)


def _has_risen(before: Alert, fact: Anomaly) -> bool:
    return SEVERITIES.index(fact.severity) > SEVERITIES.index(before.severity)


def _gained(before: Alert, fact: Anomaly) -> int:
    if fact.opened_at == before.incident_at:  # a fact counts from the opening of its incident
        return max(0, fact.count - before.incident_count)
    return fact.count


def _remember(alert: Alert, fact: Anomaly) -> Alert:
    return msgspec.structs.replace(alert, facts=(*alert.facts, fact_id(fact))[-MAX_FACTS:])


def _ended(ended: tuple[datetime, ...], fact: Anomaly) -> tuple[datetime, ...]:
    return (*ended, fact.opened_at)[-MAX_ENDED:] if fact.edge == "cleared" else ended


def _event_ids(before: Alert, fact: Anomaly) -> tuple[str, ...]:
    if fact.event_id in before.event_ids:
        return before.event_ids
    return (*before.event_ids, fact.event_id)[-MAX_EVENT_IDS:]


def _digest(*parts: str, length: int) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:length]
