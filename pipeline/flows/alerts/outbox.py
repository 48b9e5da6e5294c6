"""The outbox in an alert's row: recorded with the transition, published under a lease, marked.

A second copy of a page can appear only when a crash or a lost reply falls between a publish and its
mark, and it bears the same ids.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from pipeline.errors import RetryableError
from pipeline.flows.alerts.alert import TOPICS, Alert, Delivery, Pending, with_delivery
from pipeline.flows.alerts.notification import Notification, attributes, subject
from pipeline.flows.alerts.page import page_text
from pipeline.flows.alerts.rows import AlertRows, Stored
from pipeline.ports import Clock, Pager, Topic

LEASE: Final = timedelta(seconds=60)
"""How long a worker has the outbox for itself. At least the functions' timeout: a worker whose
lease has run out is dead."""

MAX_WRITES: Final = 5
"""How often a write is tried against other workers before it is left for later."""

MAX_UNDELIVERED: Final = 10

_BACKOFF_START: Final = timedelta(seconds=30)
_BACKOFF_CAP: Final = timedelta(minutes=15)


class Outbox:
    """Publishes what waits in alert rows; one instance per invocation.

    Args:
        rows: The alert rows.
        pager: The topics.
        clock: The time of day.
        worker: Names this invocation; no other invocation has the same name.
    """

    def __init__(self, rows: AlertRows, pager: Pager, clock: Clock, worker: str) -> None:
        self._rows = rows
        self._pager = pager
        self._clock = clock
        self._worker = worker

    def add(self, alert: Alert, record: Notification) -> Alert:
        """Put a notification into the outbox and take the lease if it is free."""
        now = self._clock.now()
        outbox = (*alert.outbox, Pending(notification=record, recorded_at=now))
        waiting = msgspec.structs.replace(alert, outbox=outbox)
        return waiting if self._is_anothers(waiting, now) else self._leased(waiting, now)

    def deliver(self, stored: Stored | None) -> None:
        """Publish what waits in an outbox, until nothing does.

        Raises:
            RetryableError: An outage, or another worker is at it.
            InvalidRecordError: A topic refuses the notification that is first in the outbox.
        """
        while stored and stored.alert.outbox:
            stored = self.claim(stored)
            pending = stored.alert.outbox[0]
            topic = next(topic for topic in TOPICS if topic not in pending.delivered)
            delivery = self._publish(topic, pending.notification, stored)
            stored = self._mark(stored, delivery)

    def claim(self, stored: Stored) -> Stored:
        """Take or keep the lease of an outbox.

        Raises:
            RetryableError: Another worker has it.
        """
        now = self._clock.now()
        alert = stored.alert
        if self._is_anothers(alert, now):
            raise RetryableError(f"another worker publishes alert {alert.alert_id}")
        if alert.lease_until and alert.lease_until > now:
            return stored
        leased = self._leased(alert, now)
        if not self._rows.write(leased, stored.version):
            raise RetryableError(f"another worker took alert {alert.alert_id}")
        return Stored(leased, stored.version + 1)

    def bury(self, stored: Stored) -> Stored | None:
        """Take the first notification out of the outbox: it is with the dead letters now."""
        buried = stored.alert.outbox[0].notification.id
        return self._change(stored, lambda alert: _without(alert, buried))

    def _publish(self, topic: Topic, notification: Notification, stored: Stored) -> Delivery:
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
            reason=notification.notification_reason,
        )

    def _mark(self, stored: Stored, delivery: Delivery) -> Stored | None:
        """Note a delivery and return the alert as it is then, None once its row is gone."""
        return self._change(stored, lambda alert: with_delivery(alert, delivery))

    def _change(self, stored: Stored, change: Callable[[Alert], Alert | None]) -> Stored | None:
        for _ in range(MAX_WRITES):
            changed = change(stored.alert)
            if changed is None:
                return stored  # another worker has done it
            if self._rows.write(changed, stored.version):
                return Stored(changed, stored.version + 1)
            opened_at = stored.alert.opened_at
            current = self._rows.before(stored.alert.dedup_key, opened_at)
            if current is None or current.alert.opened_at != opened_at:
                return None
            stored = current
        raise RetryableError(f"cannot mark alert {stored.alert.alert_id} among other workers")

    def _postpone(self, stored: Stored) -> None:
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
        self._rows.write(alert, stored.version)

    def _leased(self, alert: Alert, now: datetime) -> Alert:
        until = now + LEASE
        return msgspec.structs.replace(
            alert, lease_until=until, lease_by=self._worker, next_attempt_at=until
        )

    def _is_anothers(self, alert: Alert, now: datetime) -> bool:
        is_live = alert.lease_until is not None and alert.lease_until > now
        return is_live and alert.lease_by != self._worker


def _without(alert: Alert, buried: str) -> Alert | None:
    if all(pending.notification.id != buried for pending in alert.outbox):
        return None
    outbox = tuple(one for one in alert.outbox if one.notification.id != buried)
    return msgspec.structs.replace(
        alert,
        outbox=outbox,
        undelivered=(*alert.undelivered, buried)[-MAX_UNDELIVERED:],
        attempts=alert.attempts if outbox else 0,
        next_attempt_at=alert.next_attempt_at if outbox else None,
        lease_until=alert.lease_until if outbox else None,
        lease_by=alert.lease_by if outbox else "",
    )
