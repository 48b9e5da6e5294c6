"""What time alone does to an alert: told again, told at last, over; pure."""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from pipeline.detection.alerting import Timers
from pipeline.flows.alerts.alert import Alert, Transition

NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""When nothing is due, in an index whose rows must have a time."""


def due(alert: Alert, now: datetime, timers: Timers) -> Transition | None:
    """Apply the time of day; None when nothing is due.

    Only quiet ends an alert here, and only one of kind event: that no more is heard of a source
    does not make it healthy.
    """
    if quiet_at(alert, timers) <= now:
        over = msgspec.structs.replace(
            alert,
            firing=False,
            quiet=True,
            ends_at=alert.last_seen_at,
            untold=None,
            check_at=None,
        )
        return Transition(over, "resolved" if alert.told_at or alert.is_paged else None)
    if alert.untold and alert.check_at and alert.check_at <= now:
        return Transition(alert, alert.untold)
    if repeat_at(alert, timers) <= now:
        return Transition(alert, "repeat")
    return None


def due_at(alert: Alert, timers: Timers) -> datetime | None:
    """Return when the alert must be looked at next; None once nothing is left to do.

    An alert that fires always has a time, so that the index of what fires is whole.
    """
    moments = [quiet_at(alert, timers), repeat_at(alert, timers)] if alert.firing else []
    if alert.outbox and alert.next_attempt_at:
        moments.append(alert.next_attempt_at)
    if alert.untold and alert.check_at:
        moments.append(alert.check_at)
    return min(moments, default=None)


def quiet_at(alert: Alert, timers: Timers) -> datetime:
    """Return when quiet will have ended it, counted from its newest news by event and by clock."""
    if not alert.firing or alert.fact.kind != "event":
        return NEVER
    heard_at = max(alert.last_seen_at, alert.taken_at or alert.detected_at)
    return heard_at + timedelta(seconds=timers.quiet_s)


def repeat_at(alert: Alert, timers: Timers) -> datetime:
    """Return when it will be told again; never while somebody is at it or while it is hidden."""
    if not alert.firing or alert.acknowledged or alert.untold:
        return NEVER
    told_at = alert.told_at or alert.taken_at or alert.detected_at
    return told_at + timedelta(seconds=timers.repeat_s)
