"""What is told of alerts without a page of their own: who has joined a group, and who is over.

One alert speaks for the others, in its own thread.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from pipeline.errors import RetryableError
from pipeline.flows.alerts.alert import Alert, digest_id
from pipeline.flows.alerts.occasion import Occasion
from pipeline.flows.alerts.ports import Statement
from pipeline.flows.alerts.rows import AlertRows, Stored
from pipeline.flows.alerts.telling import OVER, STORM_RULE, Teller, occasion
from pipeline.ports import Clock

STORM_SUBJECT: Final = "notifications"


class GroupUpdates:
    """Records updates in the alert that speaks; one instance per invocation.

    Args:
        rows: The alert rows.
        teller: Puts an update into an outbox.
        clock: The time of day.
    """

    def __init__(self, rows: AlertRows, teller: Teller, clock: Clock) -> None:
        self._rows = rows
        self._teller = teller
        self._clock = clock

    def record(self, statement: Statement) -> Stored | None:
        """Record what a window holds; None when nobody is left to tell it or it is held back.

        Raises:
            RetryableError: Another worker wrote the alert first.
        """
        is_end = statement.window.account.partition(" ")[0] == OVER
        stored = self._speaker(statement, is_end=is_end)
        if stored is None:
            return None
        told = self._occasion(stored.alert, statement, is_end=is_end)
        if _has(stored.alert, told.notification_id):
            return stored  # told by a sweep that went down before it could note it
        is_free = is_end and stored.alert.is_paged
        others = f" and {told.member_count - 1:,} more of its group"
        if not is_free and not self._teller.afford(stored.alert, others):
            return None
        alert = self._teller.record(stored.alert, stored.alert.fact, told)
        if not self._rows.write(alert, stored.version):
            raise RetryableError("another worker wrote the group's alert first")
        return Stored(alert, stored.version + 1)

    def _speaker(self, statement: Statement, *, is_end: bool) -> Stored | None:
        """Choose who speaks: the first that fires, of an end the first that is left.

        An update of an alert that is over would open it again at those who are paged.
        """
        left = None
        for stored in self._candidates(statement):
            if is_end or stored.alert.firing:
                return stored
            left = left or stored
        return left

    def _candidates(self, statement: Statement) -> Iterator[Stored]:
        """Yield what is left of the group: its leading alert, then the members by name."""
        if statement.window.account == OVER:
            found = self._rows.latest(f"{STORM_RULE}#{STORM_SUBJECT}")
        else:
            found = self._rows.read(statement.lead)
        if found:
            yield found
        for rule_id in statement.rules:
            for subject in sorted(statement.subjects):
                found = self._rows.latest(f"{rule_id}#{subject}")
                if found:
                    yield found

    def _occasion(self, alert: Alert, statement: Statement, *, is_end: bool) -> Occasion:
        told = occasion(alert, "group", alert.fact, self._clock.now())
        subject = alert.fact.subject
        return replace(
            told,
            notification_id=digest_id(alert, mark(statement)),
            members=tuple(name for name in sorted(statement.subjects) if name != subject),
            member_count=statement.held + (subject not in statement.subjects),
            are_over=is_end,
        )


def mark(statement: Statement) -> str:
    """Return what tells a statement from others of its account."""
    window = statement.window
    return f"{window.account}#{window.starts_at:%Y-%m-%dT%H:%M:%SZ}#{statement.held}"


def _has(alert: Alert, notification_id: str) -> bool:
    return notification_id in {
        *(pending.notification.id for pending in alert.outbox),
        *(delivery.notification_id for delivery in alert.deliveries),
    }
