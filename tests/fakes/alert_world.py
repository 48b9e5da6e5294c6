"""One account with as many workers of the alert flow and sweeps as a test asks for."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.rules import Rules, default_rules
from pipeline.errors import InvalidRecordError
from pipeline.flows.alerts.alert import Alert
from pipeline.flows.alerts.composing import Deployment
from pipeline.flows.alerts.flow import AlertFlow, FactRecord
from pipeline.flows.alerts.rows import AlertRows, Stored
from pipeline.flows.alerts.sweep import Sweep, SweepReport
from pipeline.flows.alerts.telling import RecentSilences
from pipeline.flows.alerts.workers import AlertPorts, alert_flow, alert_sweep
from pipeline.ports import AlertKey
from tests.fakes.alerts import (
    NOON,
    FakeAlertStore,
    FakeClock,
    FakeDeadLetters,
    FakeLedger,
    FakePager,
    FakeSilences,
    Faults,
    Sent,
    cpu_fact,
)

WHERE = Deployment(
    service="streamwarden",
    environment="prod",
    region="eu-west-1",
    runbook_url="https://runbooks.example.com/operations.md",
    alerts_table="alerts",
)
PLENTY = lambda: 60.0  # noqa: E731  seconds left


class World:
    """The ports in memory, the faults that strike them, and a clock."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.faults = Faults()
        self.store = FakeAlertStore(self.faults)
        self.pager = FakePager(self.faults)
        self.ledger = FakeLedger(self.faults)
        self.silences = FakeSilences(self.faults)
        self.dead_letters = FakeDeadLetters(self.faults)
        self.clock = FakeClock()
        self.rules = rules or default_rules()
        self.workers = 0

    def worker(self) -> AlertFlow:
        return alert_flow(self._ports(), self._name())

    def sweeper(self) -> Sweep:
        return alert_sweep(self._ports(), self.dead_letters, self._name())

    def rows(self) -> AlertRows:
        return AlertRows(self.store, self.clock, self.rules, timedelta(days=30))

    def take(self, *facts: Anomaly) -> None:
        for fact in facts:
            self.worker().take(fact)

    def sweep(self, remaining_s: Callable[[], float] = PLENTY) -> SweepReport:
        return self.sweeper().run(remaining_s)

    def wait(self, seconds: float) -> SweepReport:
        """Let time pass and sweep."""
        self.clock.advance(seconds)
        return self.sweep()

    def alert(self, fact: Anomaly) -> Alert:
        """Return the newest alert of a fact's dedup key."""
        stored = self.rows().latest(fact.dedup_key)
        assert stored is not None
        return stored.alert

    def by_hand(self, fact: Anomaly, change: Callable[[Alert], Alert | None]) -> None:
        """Change the newest alert as a person does."""
        rows = self.rows()
        stored = rows.latest(fact.dedup_key)
        assert stored is not None
        changed = change(stored.alert)
        assert changed is not None
        assert rows.write(changed, stored.version)

    def stored(self, key: AlertKey) -> Stored | None:
        return self.rows().read(key)

    @property
    def told(self) -> list[tuple[str, str]]:
        """Reason and severity of each machine record, in order."""
        return [(page["notification_reason"], page["severity"]) for page in self.pages]

    @property
    def reasons(self) -> list[str]:
        """Reason of each machine record, in order."""
        return [reason for reason, _ in self.told]

    @property
    def pages(self) -> list[dict[str, Any]]:
        return [json.loads(sent.body) for sent in self.on("alerts")]

    def on(self, topic: str) -> list[Sent]:
        return [sent for sent in self.pager.sent if sent.topic == topic]

    def _name(self) -> str:
        self.workers += 1
        return f"request-{self.workers}"

    def _ports(self) -> AlertPorts:
        return AlertPorts(
            store=self.store,
            pager=self.pager,
            ledger=self.ledger,
            silences=RecentSilences(self.silences, self.clock),
            clock=self.clock,
            rules=self.rules,
            where=WHERE,
            ttl=timedelta(days=30),
        )


def record(fact: Anomaly, number: str = "1") -> FactRecord:
    """Return a fact as the stream delivers it."""
    return FactRecord(number, fact.dedup_key, fact.fact_key, NOON, lambda: fact)


def unreadable(number: str) -> FactRecord:
    """Return a record that is no fact."""

    def read() -> Anomaly:
        raise InvalidRecordError("not an anomaly")

    return FactRecord(number, "cpu#web-9", "2026-03-01#e#opened", NOON, read)


def payment_fact(user: int = 1, **changes: object) -> Anomaly:
    """Return an incident of kind event and of a rule without a group."""
    fields: dict[str, object] = {
        "rule_id": "transaction_amount",
        "kind": "event",
        "subject": f"user-{user}",
        "source": f"user-{user}",
        "component": "payments",
        "labels": {},
        "title": f"Payment of 25,000 USD by user-{user}",
        "opened_at": NOON,
        "occurred_at": NOON,
    }
    return cpu_fact(**(fields | changes))
