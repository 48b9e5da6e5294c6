"""Alert rows, topics and a clock in memory, with faults as inputs."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from pipeline.detection.alerting import Firing
from pipeline.detection.anomaly import Anomaly, Severity, timestamp_text
from pipeline.errors import InvalidRecordError, RetryableError
from pipeline.flows.alerts.ports import Held, Spent, Statement, Window
from pipeline.flows.alerts.silence import Silence, SilenceRow
from pipeline.ports import AlertKey, AlertRow, Topic

Fault = Literal["throttle", "lost reply", "crash before", "crash after"]
FAULTS: tuple[Fault, ...] = ("throttle", "lost reply", "crash before", "crash after")

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class CrashError(BaseException):
    """The execution environment dies here; nothing in it may catch this."""


class Faults:
    """Counts the calls of all ports and strikes those that it is told to.

    Args:
        strike: Tells the fault of a call, given its number from 1 and its name; None for none.
    """

    def __init__(self, strike: Callable[[int, str], Fault | None] = lambda _, __: None) -> None:
        self.calls: list[str] = []
        self.strike = strike

    def before(self, name: str) -> Fault | None:
        """Count a call and strike ahead of its effect."""
        self.calls.append(name)
        fault = self.strike(len(self.calls), name)
        if fault == "crash before":
            raise CrashError(name)
        if fault == "throttle":
            raise RetryableError(f"{name}: throttled")
        return fault

    def after(self, name: str, fault: Fault | None) -> None:
        """Strike once the effect is there."""
        if fault == "crash after":
            raise CrashError(name)
        if fault == "lost reply":
            raise RetryableError(f"{name}: reply lost")


@dataclass
class FakeClock:
    """A clock that stands still until it is moved."""

    moment: datetime = NOON

    def now(self) -> datetime:
        """Return the moment that was set."""
        return self.moment

    def advance(self, seconds: float) -> None:
        """Move on."""
        self.moment += timedelta(seconds=seconds)


class FakeRow(NamedTuple):
    """A stored alert with all that was written beside it."""

    version: int
    document: bytes
    attributes: dict[str, str | int]


@dataclass
class FakeAlertStore:
    """`AlertStore` in memory; `meddle` is called ahead of each write, as another worker would."""

    faults: Faults = field(default_factory=Faults)
    rows: dict[tuple[str, str], FakeRow] = field(default_factory=dict)
    meddle: Callable[[], None] = lambda: None

    def latest(self, dedup_key: str) -> AlertRow | None:
        """Read the newest alert of a dedup key."""
        fault = self.faults.before("latest")
        self.faults.after("latest", fault)
        return self._newest(dedup_key, "~")

    def before(self, dedup_key: str, moment: datetime) -> AlertRow | None:
        """Read the newest alert that was opened at a moment or before it."""
        fault = self.faults.before("before")
        self.faults.after("before", fault)
        return self._newest(dedup_key, timestamp_text(moment))

    def read(self, key: AlertKey) -> AlertRow | None:
        """Read one alert."""
        fault = self.faults.before("read")
        self.faults.after("read", fault)
        row = self.rows.get((key.dedup_key, timestamp_text(key.opened_at)))
        return row and AlertRow(row.document, row.version)

    def due(self, now: datetime, limit: int) -> Sequence[AlertKey]:
        """Return the alerts whose `due_at` has come."""
        fault = self.faults.before("due")
        self.faults.after("due", fault)
        found = sorted(
            (str(row.attributes["due_at"]), AlertKey(key, datetime.fromisoformat(opened_at)))
            for (key, opened_at), row in self.rows.items()
            if str(row.attributes.get("due_at", "~")) <= timestamp_text(now)
        )
        return [key for _, key in found[:limit]]

    def firing(self, source: str) -> Sequence[Firing]:
        """Return the alerts about a source that fire."""
        fault = self.faults.before("firing")
        self.faults.after("firing", fault)
        return [
            Firing(
                rule_id=str(row.attributes["rule_id"]),
                subject=str(row.attributes.get("subject", "")),
                source=source,
                severity=row.attributes["severity"],  # type: ignore[arg-type]  # as it was written
            )
            for row in self.rows.values()
            if row.attributes.get("firing_source") == source
        ]

    def _newest(self, dedup_key: str, opened_by: str) -> AlertRow | None:
        keys = [key for key in self.rows if key[0] == dedup_key and key[1] <= opened_by]
        row = self.rows[max(keys)] if keys else None
        return row and AlertRow(row.document, row.version)

    def write(
        self,
        dedup_key: str,
        opened_at: datetime,
        document: bytes,
        attributes: Mapping[str, str | int],
        *,
        replaces: int,
    ) -> bool:
        """Write under the version condition."""
        self.meddle()
        fault = self.faults.before("write")
        key = (dedup_key, timestamp_text(opened_at))
        shown = {name: value for name, value in attributes.items() if value != ""}
        row = FakeRow(replaces + 1, document, shown)
        current = self.rows.get(key)
        if (current.version if current else 0) == replaces:
            self.rows[key] = row
            self.faults.after("write", fault)
            return True
        self.faults.after("write", fault)
        return current == row


@dataclass
class Account:
    """A window of the ledger."""

    window: Window
    lead: AlertKey
    used: int = 0
    held: int = 0
    told: int = 0
    due_at: datetime | None = None
    rules: Counter[str] = field(default_factory=Counter)
    severities: Counter[Severity] = field(default_factory=Counter)
    subjects: Counter[str] = field(default_factory=Counter)


@dataclass
class FakeLedger:
    """`Ledger` in memory."""

    faults: Faults = field(default_factory=Faults)
    accounts: dict[tuple[str, datetime], Account] = field(default_factory=dict)

    def spend(self, window: Window, lead: AlertKey) -> Spent:
        """Count a notification."""
        fault = self.faults.before("spend")
        key = (window.account, window.starts_at)
        account = self.accounts.setdefault(key, Account(window, lead))
        account.used += 1
        self.faults.after("spend", fault)
        return Spent(account.used, account.lead)

    def hold(self, window: Window, held: Held, now: datetime) -> None:
        """Count a notification that is held back."""
        fault = self.faults.before("hold")
        account = self.accounts[window.account, window.starts_at]
        account.held += 1
        account.rules[held.rule_id] += 1
        account.severities[held.severity] += 1
        if account.held <= 50:
            account.subjects[held.subject] += 1
        account.due_at = account.due_at or now
        self.faults.after("hold", fault)

    def due(self, now: datetime, limit: int) -> Sequence[Statement]:
        """Return the windows that are due."""
        fault = self.faults.before("due windows")
        self.faults.after("due windows", fault)
        return [
            Statement(
                one.window,
                one.lead,
                one.held,
                one.told,
                dict(one.rules),
                dict(one.severities),
                dict(one.subjects),
            )
            for one in self.accounts.values()
            if one.due_at and one.due_at <= now
        ][:limit]

    def tell(self, statement: Statement, due_at: datetime | None) -> None:
        """Note what has been told."""
        fault = self.faults.before("tell")
        account = self.accounts[statement.window.account, statement.window.starts_at]
        account.told = statement.held
        if due_at or account.held == statement.held:
            account.due_at = due_at
        self.faults.after("tell", fault)


@dataclass
class FakeSilences:
    """`Silences` in memory."""

    faults: Faults = field(default_factory=Faults)
    rows: dict[str, SilenceRow] = field(default_factory=dict)

    def all(self) -> Sequence[SilenceRow]:
        """Read every row."""
        fault = self.faults.before("silences")
        self.faults.after("silences", fault)
        return [self.rows[key] for key in sorted(self.rows)]

    def add(self, silence: Silence) -> None:
        """Write a silence."""
        self.rows[silence.silence_id] = SilenceRow(silence=silence)

    def remove(self, silence_id: str) -> bool:
        """Delete a silence."""
        return self.rows.pop(silence_id, None) is not None

    def count_hidden(self, silence_id: str, now: datetime) -> None:
        """Count a notification that a silence hid."""
        fault = self.faults.before("count hidden")
        if silence_id in self.rows:
            row = self.rows[silence_id]
            self.rows[silence_id] = SilenceRow(
                silence=row.silence, hidden=row.hidden + 1, last_hidden_at=now
            )
        self.faults.after("count hidden", fault)


@dataclass
class FakeDeadLetters:
    """`DeadLetters` in memory."""

    faults: Faults = field(default_factory=Faults)
    kept: list[tuple[str, str]] = field(default_factory=list)

    def put(self, body: str, reason: str) -> None:
        """Keep a notification."""
        fault = self.faults.before("bury")
        self.kept.append((body, reason))
        self.faults.after("bury", fault)


class Sent(NamedTuple):
    """A message as a topic took it."""

    topic: Topic
    subject: str
    body: str
    attributes: dict[str, str]


@dataclass
class FakePager:
    """`Pager` in memory, refusing what SNS refuses."""

    faults: Faults = field(default_factory=Faults)
    sent: list[Sent] = field(default_factory=list)

    def publish(self, topic: Topic, subject: str, body: str, attributes: Mapping[str, str]) -> str:
        """Take a message."""
        fault = self.faults.before(f"publish {topic}")
        refuse_what_sns_refuses(subject, body, attributes)
        self.sent.append(Sent(topic, subject, body, dict(attributes)))
        self.faults.after(f"publish {topic}", fault)
        return f"message-{len(self.sent)}"


def refuse_what_sns_refuses(subject: str, body: str, attributes: Mapping[str, str]) -> None:
    """Check a message against the documented limits, which moto does not enforce."""
    size = len(body.encode()) + sum(
        len(part.encode()) for pair in attributes.items() for part in (*pair, "String")
    )
    is_fine = (
        0 < len(subject) <= 99
        and all(" " <= char <= "~" for char in subject)
        and not subject[0].isspace()
        and body
        and size <= 262_144
        and len(attributes) <= 10
        and all(value for value in attributes.values())
    )
    if not is_fine:
        raise InvalidRecordError(f"SNS refuses the message {subject!r} of {size} bytes")


def cpu_fact(**changes: object) -> Anomaly:
    """Return the opening of an incident; keywords change its fields."""
    fields: dict[str, object] = {
        "rule_id": "static_limit",
        "rule_version": 1,
        "detector": "threshold",
        "kind": "state",
        "severity": "high",
        "edge": "opened",
        "subject": "web-7/cpu_usage",
        "source": "web-7",
        "opened_at": NOON - timedelta(minutes=4),
        "occurred_at": NOON - timedelta(minutes=4),
        "event_id": "e-1",
        "observed": 97.3,
        "title": "cpu_usage above 90% on web-7",
        "component": "host",
        "expected": "at most 90%",
        "threshold": 90.0,
        "unit": "%",
        "count": 3,
        "reasons": ("97.3% is above the limit 90%", "3 points above the limit so far"),
        "recent": (41.0, 43.5, 40.2, 44.1, 52.0, 71.9, 91.2, 95.8, 97.3),
        "labels": {"metric_name": "cpu_usage", "source": "web-7"},
        "archived_at": NOON - timedelta(hours=1),
    }
    return Anomaly(**(fields | changes))  # type: ignore[arg-type]  # tests name the fields
