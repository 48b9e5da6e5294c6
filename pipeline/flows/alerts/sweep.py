"""The sweep: what is due by the clock alone, once a minute.

It tells again, ends, tells of what was held back, and publishes what an outage or a crash left in
an outbox. Safe when two run at once: every step is a conditional write of a row, and a row's outbox
has one publisher.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import msgspec

from pipeline.detection.anomaly import Anomaly, Severity
from pipeline.detection.incidents import SEVERITIES
from pipeline.detection.rules import Rules
from pipeline.errors import InvalidRecordError, PipelineError, RetryableError
from pipeline.flows.alerts.alert import Alert, digest_id, thread_id, transition
from pipeline.flows.alerts.digest import compose_digest
from pipeline.flows.alerts.groups import STORM_SUBJECT, GroupUpdates, mark
from pipeline.flows.alerts.occasion import Deployment, Storm
from pipeline.flows.alerts.outbox import Outbox
from pipeline.flows.alerts.ports import DeadLetters, Ledger, Statement
from pipeline.flows.alerts.rows import AlertRows, Stored
from pipeline.flows.alerts.telling import (
    BUDGET,
    CRITICAL_BUDGET,
    STORM_RULE,
    Teller,
    heard,
)
from pipeline.flows.alerts.timers import due
from pipeline.ports import AlertKey, AlertStore, Clock, RemainingTime

GIVE_UP: Final = timedelta(hours=24)
"""After so long in an outbox a notification goes to the dead letters."""

MAX_DUE: Final = 1000
MAX_STATEMENTS: Final = 100
MAX_FAILURES: Final = 3
"""Failures in a row that end a sweep: the service is down, and the next sweep is a minute away."""

MARGIN_S: Final = 15.0
"""Nothing is begun with less time left: a publish that hangs takes about so long."""

_LEAST: Final[Severity] = "info"


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that a sweep could not settle; it stays due."""

    name: str
    error: Exception


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What a sweep did.

    `settled` alerts had something due that is done now, `digests` were told, `dead` notifications
    went to the dead letters. `oldest_s` is for how long the longest due alert had been waiting.
    """

    settled: int = 0
    digests: int = 0
    dead: int = 0
    oldest_s: float = 0.0
    failures: tuple[Failure, ...] = ()


class Sweep:
    """Settles what is due; one instance per invocation.

    Args:
        store: Where the alerts are that are due.
        rows: The alert rows.
        teller: Decides whether people hear of it.
        outbox: Publishes what they hear.
        ledger: What was held back.
        dead_letters: Where notifications go that no topic takes.
        clock: The time of day.
        rules: The storm's rule and the page budget.
        where: The deployment that speaks.
    """

    def __init__(  # noqa: PLR0913  the ports of the flow
        self,
        store: AlertStore,
        rows: AlertRows,
        teller: Teller,
        outbox: Outbox,
        *,
        ledger: Ledger,
        dead_letters: DeadLetters,
        clock: Clock,
        rules: Rules,
        where: Deployment,
    ) -> None:
        self._store = store
        self._rows = rows
        self._teller = teller
        self._outbox = outbox
        self._ledger = ledger
        self._dead_letters = dead_letters
        self._clock = clock
        self._rules = rules
        self._where = where
        self._groups = GroupUpdates(rows, teller, clock)
        self._report = SweepReport()

    def run(self, remaining_s: RemainingTime) -> SweepReport:
        """Settle what is due, the digests first, until all is or the time is up.

        Raises:
            RetryableError: What is due cannot be read.
        """
        now = self._clock.now()
        statements = self._ledger.due(now, MAX_STATEMENTS)
        keys = self._store.due(now, MAX_DUE)
        tasks: list[tuple[str, Callable[[], None]]] = [
            *((one.window.account, lambda one=one: self._tell(one)) for one in statements),
            *((key.dedup_key, lambda key=key: self._settle(key)) for key in keys),
        ]
        in_a_row = 0
        for name, task in tasks:
            if remaining_s() < MARGIN_S or in_a_row == MAX_FAILURES:
                break
            try:
                task()
            except Exception as error:  # noqa: BLE001  one row must not hold up those behind it
                in_a_row += isinstance(error, RetryableError)
                failures = (*self._report.failures, Failure(name, error))
                self._report = replace(self._report, failures=failures)
            else:
                in_a_row = 0
        return self._report

    def _settle(self, key: AlertKey) -> None:
        stored = self._rows.read(key)
        if stored is None:
            return  # dropped since the index was read
        stored = self._turned(stored)
        if stored is None:
            return  # another worker has written, and looks after it
        self._deliver(stored)
        self._report = replace(self._report, settled=self._report.settled + 1)

    def _turned(self, stored: Stored) -> Stored | None:
        """Apply the clock and return the alert as it is then; None when another was quicker."""
        timers = self._rows.timers(stored.alert.fact.rule_id)
        change = due(stored.alert, self._clock.now(), timers)
        if change is None:
            return stored
        alert = self._teller.tell(change, stored.alert.fact)
        if not self._rows.write(alert, stored.version):
            return None
        return Stored(alert, stored.version + 1)

    def _deliver(self, stored: Stored | None) -> None:
        """Publish what waits and may be tried again; bury what no topic will ever take."""
        while stored and stored.alert.outbox:
            now = self._clock.now()
            alert = stored.alert
            is_leased = alert.lease_until is not None and alert.lease_until > now
            if not is_leased and alert.next_attempt_at and alert.next_attempt_at > now:
                return
            recorded_at = alert.outbox[0].recorded_at
            waited = now - recorded_at if recorded_at else timedelta()
            self._report = replace(
                self._report, oldest_s=max(self._report.oldest_s, waited.total_seconds())
            )
            try:
                self._outbox.deliver(stored)
            except InvalidRecordError as error:
                stored = self._bury(stored, error)
            except RetryableError as error:
                if waited < GIVE_UP:
                    raise
                stored = self._bury(stored, error)
            else:
                return

    def _bury(self, stored: Stored, error: PipelineError) -> Stored | None:
        """Put the first notification of an outbox where people look for it, then take it out."""
        current = self._rows.read(AlertKey(stored.alert.dedup_key, stored.alert.opened_at))
        if current is None or not current.alert.outbox:
            return None
        leased = self._outbox.claim(current)
        record = leased.alert.outbox[0].notification
        self._dead_letters.put(msgspec.json.encode(record).decode(), str(error))
        self._report = replace(self._report, dead=self._report.dead + 1)
        return self._outbox.bury(leased)

    def _tell(self, statement: Statement) -> None:
        """Tell what a window has held back since it was last told of."""
        window = statement.window
        is_over = window.ends_at <= self._clock.now()
        stored = None
        if statement.held > statement.told:
            is_storm = window.account in {BUDGET, CRITICAL_BUDGET}
            stored = self._storm(statement) if is_storm else self._groups.record(statement)
            digests = self._report.digests + (stored is not None)
            self._report = replace(self._report, digests=digests)
        self._ledger.tell(statement, None if is_over else window.ends_at)
        self._deliver(stored)

    def _storm(self, statement: Statement) -> Stored | None:
        """Record the digest in the storm's own alert."""
        fact = self._storm_fact(statement)
        before = self._rows.latest(fact.dedup_key)
        timers = self._rows.timers(fact.rule_id)
        now = self._clock.now()
        if before and not before.alert.firing:  # what is held back now is news at any time
            timers = msgspec.structs.replace(timers, quiet_s=1.0)
        change = transition(before.alert if before else None, fact, now, timers)
        if change is None:
            return before  # told by a sweep that went down before it could note it
        opens = before is None or change.alert.opened_at != before.alert.opened_at
        storm = self._material(statement, change.alert, now)
        rule = self._rules.health.storm_digest
        alert = heard(self._outbox.add(change.alert, compose_digest(storm, rule, self._where)), now)
        version = 0 if before is None or opens else before.version
        if opens:
            self._deliver(before)
        if not self._rows.write(alert, version):
            raise RetryableError("another worker told the digest first")
        return Stored(alert, version + 1)

    def _storm_fact(self, statement: Statement) -> Anomaly:
        """Return the storm as a fact, the same for the same statement."""
        rule = self._rules.health.storm_digest
        window = statement.window
        return Anomaly(
            rule_id=STORM_RULE,
            rule_version=rule.version,
            detector=rule.detector,
            kind=rule.kind,
            severity=rule.severity,
            edge="opened",
            subject=STORM_SUBJECT,
            source="pipeline",
            opened_at=window.starts_at,
            occurred_at=window.starts_at,
            event_id=mark(statement),
            observed=statement.held + self._rules.alerting.budget.notifications,
            threshold=self._rules.alerting.budget.notifications,
            unit="notifications",
            window_s=round((window.ends_at - window.starts_at).total_seconds()),
            title="More notifications than the page budget allows",
            component=rule.component,
            count=statement.held,
        )

    def _material(self, statement: Statement, alert: Alert, now: datetime) -> Storm:
        subjects = _ranked(statement.subjects)
        named = sum(count for _, count in subjects)
        return Storm(
            notification_id=digest_id(alert, mark(statement)),
            digest_id=alert.alert_id,
            dedup_key=alert.dedup_key,
            thread_id=thread_id(alert),
            severity=max(statement.severities, key=SEVERITIES.index, default=_LEAST),
            suppressed_count=statement.held,
            rules=_ranked(statement.rules),
            rule_count=len(statement.rules),
            subjects=subjects,
            subject_count=len(subjects) + statement.held - named,
            starts_at=statement.window.starts_at,
            ends_at=min(now, statement.window.ends_at),
            notified_at=now,
            budget=self._rules.alerting.budget.notifications,
        )


def _ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
