"""Whether people hear of a transition: silences, inhibitions, groups and the page budget decide.

What is hidden is looked at again until nothing hides it. What is held back is counted first, in the
ledger that the sweep tells from, and only then is the transition written: a crash in between may
count twice, never lose.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from pipeline.detection.alerting import Firing
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.rules import Rules
from pipeline.flows.alerts.alert import Alert, Transition, notification_id, thread_id
from pipeline.flows.alerts.composing import compose
from pipeline.flows.alerts.notification import EndedBy, NotificationReason
from pipeline.flows.alerts.occasion import Deployment, Occasion
from pipeline.flows.alerts.outbox import Outbox
from pipeline.flows.alerts.ports import Held, Ledger, Silences, Window
from pipeline.flows.alerts.silence import SilenceRow, silenced_by
from pipeline.ports import AlertKey, Clock

STORM_RULE: Final = "storm_digest"
"""Its alert tells of what the page budget held back, so no budget and no silence holds it back."""

BUDGET: Final = "budget"
"""The account of the page budget."""

CRITICAL_BUDGET: Final = "budget critical"
"""A budget of the same size for critical alerts alone, which no lesser ones use up."""

SILENCES_AGE: Final = timedelta(seconds=50)
"""How old the silences may be that a worker remembers: less than a minute."""

OVER: Final = "over"
"""Account of the ends of what digests alone have told of; of a group it has the group's name."""


class Hidden(NamedTuple):
    """Nobody hears of it for now; look again then."""

    check_at: datetime


class Staged(NamedTuple):
    """Its rule is on trial; look again then, for the trial may be over."""

    check_at: datetime


class Unsaid(NamedTuple):
    """The end of what nobody was told of."""


class HeldBack(NamedTuple):
    """A digest tells of it, or the updates of the alert that leads its group."""

    led_by: AlertKey | None = None


class Free(NamedTuple):
    """It gets a notification of its own."""


Verdict = Hidden | Staged | Unsaid | HeldBack | Free


class RecentSilences:
    """The silences as they were less than a minute ago; one instance per execution environment."""

    def __init__(self, silences: Silences, clock: Clock) -> None:
        self._silences = silences
        self._clock = clock
        self._rows: Sequence[SilenceRow] = ()
        self._read_at: datetime | None = None

    def hide(self, alert: Alert, fact: Anomaly, *, counts: bool) -> datetime | None:
        """Return until when a silence hides an alert, None when none does, and count it there."""
        now = self._clock.now()
        silences = [row.silence for row in self._recent(now)]
        silence = silenced_by(silences, fact, alert.severity, now)
        if silence is None:
            return None
        if counts:
            self._silences.count_hidden(silence.silence_id, now)
        return silence.until(now)

    def _recent(self, now: datetime) -> Sequence[SilenceRow]:
        if self._read_at is None or not timedelta() <= now - self._read_at < SILENCES_AGE:
            self._rows, self._read_at = self._silences.all(), now
        return self._rows


class Teller:
    """Decides and records notifications; one instance per invocation.

    Args:
        outbox: Where a notification waits for its topics.
        ledger: What windows had room for.
        silences: What people have asked not to hear of.
        firing: Returns the alerts about a source that fire.
        clock: The time of day.
        rules: What each rule tells people, and how its alerts live.
        where: The deployment that speaks.
    """

    def __init__(  # noqa: PLR0913  what it weighs
        self,
        outbox: Outbox,
        ledger: Ledger,
        silences: RecentSilences,
        firing: Callable[[str], Sequence[Firing]],
        clock: Clock,
        *,
        rules: Rules,
        where: Deployment,
    ) -> None:
        self._outbox = outbox
        self._ledger = ledger
        self._silences = silences
        self._firing = firing
        self._clock = clock
        self._rules = rules.texts()
        self._alerting = rules.alerting
        self._where = where
        self._verdicts: dict[str, Verdict] = {}

    def tell(self, change: Transition, fact: Anomaly) -> Alert:
        """Return the alert with the notification of a change in its outbox, or why it has none.

        A change that is told again after a lost race is not weighed again.
        """
        alert, reason = change
        if reason is None:
            return alert
        key = notification_id(alert, reason, fact)
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._verdicts[key] = self._weigh(alert, reason, fact)
        match verdict:
            case Hidden(check_at):
                return _hidden(alert, reason, check_at)
            case Staged(check_at):
                return msgspec.structs.replace(
                    alert, untold=alert.untold or reason, check_at=check_at, staged=True
                )
            case Unsaid():
                return msgspec.structs.replace(alert, untold=None, check_at=None, staged=True)
            case HeldBack(led_by):
                held = msgspec.structs.replace(
                    alert, suppressed_count=alert.suppressed_count + 1, led_by=led_by
                )
                return heard(held, self._clock.now())
            case Free():
                return self.record(alert, fact, occasion(alert, reason, fact, self._clock.now()))

    def record(self, alert: Alert, fact: Anomaly, told: Occasion) -> Alert:
        """Put a notification into the outbox, whatever speaks against it."""
        rule = self._rules.get(fact.rule_id)
        record = compose(fact, told, rule.about(fact) if rule else None, self._where)
        return heard(self._outbox.add(alert, record), told.notified_at)

    def afford(self, alert: Alert, others: str = "") -> bool:
        """Take a notification from the page budget; what it cannot afford is counted there.

        Args:
            alert: What it is about.
            others: Whom else it speaks for, to stand in the digest.
        """
        budget = self._alerting.budget
        account = CRITICAL_BUDGET if alert.severity == "critical" else BUDGET
        window = self._window(account, budget.window_s)
        if self._ledger.spend(window, _key(alert)).used <= budget.notifications:
            return True
        self._hold(window, alert, others)
        return False

    def _weigh(self, alert: Alert, reason: NotificationReason, fact: Anomaly) -> Verdict:
        if fact.rule_id == STORM_RULE:
            return Free()
        rule = self._rules.get(fact.rule_id)
        if rule and rule.staged and not (reason == "resolved" and alert.told_at):
            recheck_s = self._alerting.recheck_s
            moment = self._clock.now() + timedelta(seconds=recheck_s)
            return Unsaid() if reason == "resolved" else Staged(moment)
        hidden = self._hide(alert, reason, fact)
        if hidden:
            return hidden
        if reason == "resolved" and alert.is_paged:
            return Free()  # as many as there were pages, and what was paged must be seen to end
        if reason == "resolved" and alert.told_at:
            return self._ended(alert)
        led_by = self._led_by(alert, reason) if alert.group else None
        if led_by:
            return HeldBack(led_by)
        return Free() if self.afford(alert) else HeldBack()

    def _hide(self, alert: Alert, reason: NotificationReason, fact: Anomaly) -> Hidden | None:
        recheck_at = self._clock.now() + timedelta(seconds=self._alerting.recheck_s)
        until = self._silences.hide(alert, fact, counts=alert.untold is None)
        if until:
            return Hidden(min(until, recheck_at))
        is_asked = reason != "resolved" and self._alerting.explained(fact)
        return Hidden(recheck_at) if is_asked and self._is_explained(alert, fact) else None

    def _is_explained(self, alert: Alert, fact: Anomaly) -> bool:
        return any(
            one.explains(cause, fact, alert.severity)
            for cause in self._firing(fact.source)
            for one in self._alerting.inhibitions
        )

    def _led_by(self, alert: Alert, reason: NotificationReason) -> AlertKey | None:
        """Return which alert of its group speaks for this one, None when it does so itself."""
        if reason == "acknowledged":
            return None
        window = self._window(f"group {alert.group}", self._alerting.group_s)
        lead = self._ledger.spend(window, _key(alert)).lead
        if lead.dedup_key == alert.dedup_key or (alert.is_paged and reason != "repeat"):
            return None
        self._hold(window, alert)
        return lead

    def _ended(self, alert: Alert) -> HeldBack:
        """Have the end told where people were told of the alert: it had no page of its own."""
        account = f"{OVER} {alert.group}" if alert.led_by else OVER
        window = self._window(account, self._alerting.group_s)
        self._ledger.spend(window, alert.led_by or _key(alert))
        self._hold(window, alert)
        return HeldBack(alert.led_by)

    def _hold(self, window: Window, alert: Alert, others: str = "") -> None:
        held = Held(alert.fact.rule_id, alert.fact.subject + others, alert.severity)
        self._ledger.hold(window, held, self._clock.now())

    def _window(self, account: str, span_s: float) -> Window:
        start_s = self._clock.now().timestamp() // span_s * span_s
        start = datetime.fromtimestamp(start_s, UTC)
        return Window(account, start, start + timedelta(seconds=span_s))


def heard(alert: Alert, now: datetime) -> Alert:
    """Note that people hear of an alert now, by itself or in a digest."""
    return msgspec.structs.replace(
        alert,
        told_at=now,
        told_severity=alert.severity,
        told_count=alert.count,
        untold=None,
        check_at=None,
        staged=False,
    )


def occasion(
    alert: Alert, reason: NotificationReason, fact: Anomaly, notified_at: datetime
) -> Occasion:
    """Return what an alert adds to the fact that causes a notification of it."""
    hand = alert.acknowledged if reason == "acknowledged" else alert.closed
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
        suppressed_count=alert.suppressed_count,
        silenced_count=alert.silenced_count,
        told_severity=alert.told_severity,
        told_count=alert.told_count,
        actor=hand.by if hand else "",
        note=hand.note if hand else "",
        ended_by=_ended_by(alert),
        group=alert.group,
        replay=fact.replay,
    )


def _ended_by(alert: Alert) -> EndedBy | None:
    if alert.firing:
        return None
    if alert.closed:
        return "hand"
    return "quiet" if alert.quiet else "cleared"


def _hidden(alert: Alert, reason: NotificationReason, check_at: datetime) -> Alert:
    """Keep why people should hear of it; that of a first page stands for all that follows."""
    kept = reason if reason == "resolved" or alert.untold is None else alert.untold
    return msgspec.structs.replace(
        alert,
        untold=kept,
        check_at=check_at,
        silenced_count=alert.silenced_count + (kept != alert.untold),
        staged=False,
    )


def _key(alert: Alert) -> AlertKey:
    return AlertKey(alert.dedup_key, alert.opened_at)
