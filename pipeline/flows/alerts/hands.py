"""What a person does to an alert by hand: pure transitions, written under the row's version."""

from datetime import datetime

import msgspec

from pipeline.flows.alerts.alert import Alert, Hand

__all__ = ["Hand", "acknowledge", "resolve_by_hand"]


def acknowledge(alert: Alert, hand: Hand) -> Alert | None:
    """Note that somebody is at it; None when the alert is over.

    An acknowledged alert is not repeated. A rise in severity, ten times the count and the end are
    told all the same. Who does it again takes it over. The sweep tells the others within a minute,
    unless they have not even heard of the alert.
    """
    if not alert.firing:
        return None
    taken = msgspec.structs.replace(alert, acknowledged=hand)
    if alert.untold not in {None, "acknowledged"}:
        return taken
    return msgspec.structs.replace(taken, untold="acknowledged", check_at=hand.at)


def resolve_by_hand(alert: Alert, hand: Hand) -> Alert | None:
    """End an alert because somebody says so; None when it is over already.

    The sweep tells it within a minute, so whoever calls this needs no right to publish. What its
    incident does later is not lost: if it clears, that is noted; if it gets worse, a new alert
    opens.
    """
    if not alert.firing:
        return None
    return msgspec.structs.replace(
        alert,
        firing=False,
        ends_at=_end(alert, hand.at),
        closed=hand,
        untold="resolved",
        check_at=hand.at,
    )


def _end(alert: Alert, at: datetime) -> datetime:
    """Return when it ended: never before its last news, by whichever clock that was told."""
    return max(at, alert.last_seen_at)
