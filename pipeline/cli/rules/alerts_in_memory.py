"""The alert flow without effects: its own code on rows, topics and a clock in memory."""

from bisect import bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Final

from pipeline.detection.alerting import Firing
from pipeline.detection.anomaly import Anomaly, Severity
from pipeline.detection.rules import Rules
from pipeline.flows.alerts.occasion import Deployment
from pipeline.flows.alerts.ports import Held, Spent, Statement, Window
from pipeline.flows.alerts.silence import Silence, SilenceRow
from pipeline.flows.alerts.telling import RecentSilences
from pipeline.flows.alerts.workers import AlertPorts, alert_flow, alert_sweep
from pipeline.ports import AlertKey, AlertRow, Topic

SWEEP: Final = timedelta(minutes=1)
"""How often the schedule runs the sweep."""

_NOWHERE: Final = Deployment("streamwarden", "backtest", "", "", "")
_ENDLESS_S: Final = 900.0


class EventClock:
    """`ports.Clock` that follows the events."""

    def __init__(self) -> None:
        self.moment = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """Return the time of what happens at present."""
        return self.moment


class AlertRowsInMemory:
    """`ports.AlertStore`; a heap finds what is due, so that idle time costs nothing."""

    def __init__(self) -> None:
        self._rows: dict[AlertKey, AlertRow] = {}
        self._openings: dict[str, list[datetime]] = defaultdict(list)
        self._due: dict[AlertKey, datetime] = {}
        self._heap: list[tuple[datetime, AlertKey]] = []
        self._firing: dict[str, dict[AlertKey, Firing]] = defaultdict(dict)

    def __len__(self) -> int:
        """Return how many alerts there have been."""
        return len(self._rows)

    def latest(self, dedup_key: str) -> AlertRow | None:
        """Read the newest alert of a dedup key."""
        openings = self._openings.get(dedup_key)
        return self._rows[AlertKey(dedup_key, openings[-1])] if openings else None

    def before(self, dedup_key: str, moment: datetime) -> AlertRow | None:
        """Read the newest alert that was opened at a moment or before it."""
        openings = self._openings.get(dedup_key, [])
        place = bisect_right(openings, moment)
        return self._rows[AlertKey(dedup_key, openings[place - 1])] if place else None

    def read(self, key: AlertKey) -> AlertRow | None:
        """Read one alert."""
        return self._rows.get(key)

    def next_due(self) -> datetime | None:
        """Return when the next alert is due."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)  # written again since
        return self._heap[0][0] if self._heap else None

    def due(self, now: datetime, limit: int) -> Sequence[AlertKey]:
        """Return the alerts whose `due_at` has come."""
        found: list[tuple[datetime, AlertKey]] = []
        while len(found) < limit:
            moment = self.next_due()
            if moment is None or moment > now:
                break
            found.append(heappop(self._heap))
        for entry in found:
            heappush(self._heap, entry)
        return list(dict.fromkeys(key for _, key in found))

    def firing(self, source: str) -> Sequence[Firing]:
        """Return the alerts about a source that fire."""
        return list(self._firing[source].values()) if source in self._firing else []

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
        key = AlertKey(dedup_key, opened_at)
        current = self._rows.get(key)
        if (current.version if current else 0) != replaces:
            return False
        if current is None:
            insort(self._openings[dedup_key], opened_at)
        self._rows[key] = AlertRow(document, replaces + 1)
        self._index(key, attributes)
        return True

    def _index(self, key: AlertKey, attributes: Mapping[str, str | int]) -> None:
        due_at = str(attributes["due_at"])
        self._due.pop(key, None)
        if due_at:
            self._due[key] = datetime.fromisoformat(due_at)
            heappush(self._heap, (self._due[key], key))
        source = str(attributes["source"])
        self._firing[source].pop(key, None)
        if attributes["firing_source"]:
            severity: Severity = attributes["severity"]  # type: ignore[assignment]  # as it was written
            self._firing[source][key] = Firing(
                rule_id=str(attributes["rule_id"]),
                subject=str(attributes["subject"]),
                source=source,
                severity=severity,
            )
        if not self._firing[source]:
            del self._firing[source]


@dataclass(slots=True)
class _Account:
    window: Window
    lead: AlertKey
    used: int = 0
    told: int = 0
    due_at: datetime | None = None
    rules: Counter[str] = field(default_factory=Counter)
    severities: Counter[Severity] = field(default_factory=Counter)

    @property
    def held(self) -> int:
        return self.rules.total()


class LedgerInMemory:
    """`flows.alerts.ports.Ledger`."""

    def __init__(self) -> None:
        self._accounts: dict[tuple[str, datetime], _Account] = {}

    def next_due(self) -> datetime | None:
        """Return when the next window is due."""
        return min((one.due_at for one in self._accounts.values() if one.due_at), default=None)

    def spend(self, window: Window, lead: AlertKey) -> Spent:
        """Count a notification."""
        key = (window.account, window.starts_at)
        account = self._accounts.get(key)
        if account is None:
            self._forget(window.starts_at)
            account = self._accounts[key] = _Account(window, lead)
        account.used += 1
        return Spent(account.used, account.lead)

    def hold(self, window: Window, held: Held, now: datetime) -> None:
        """Count a notification that is held back."""
        account = self._accounts[window.account, window.starts_at]
        account.rules[held.rule_id] += 1
        account.severities[held.severity] += 1
        account.due_at = account.due_at or now

    def due(self, now: datetime, limit: int) -> Sequence[Statement]:
        """Return the windows that are due."""
        found = [one for one in self._accounts.values() if one.due_at and one.due_at <= now]
        return [
            Statement(one.window, one.lead, one.held, one.told, one.rules, one.severities, {})
            for one in found[:limit]
        ]

    def tell(self, statement: Statement, due_at: datetime | None) -> None:
        """Note what has been told."""
        account = self._accounts[statement.window.account, statement.window.starts_at]
        account.told = statement.held
        if due_at or account.held == statement.held:
            account.due_at = due_at

    def _forget(self, now: datetime) -> None:
        over = [
            key
            for key, one in self._accounts.items()
            if one.due_at is None and one.window.ends_at < now
        ]
        for key in over:
            del self._accounts[key]


class _NoSilences:
    def all(self) -> Sequence[SilenceRow]:
        return ()

    def add(self, silence: Silence) -> None:
        raise NotImplementedError(f"{silence.silence_id}: a backtest has no silences")

    def remove(self, silence_id: str) -> bool:  # noqa: ARG002  the port's
        return False

    def count_hidden(self, silence_id: str, now: datetime) -> None:
        """Count nothing: nothing is hidden."""


class _CountingPager:
    """Counts what people would have been sent, by day; the copy for machines is the same page."""

    def __init__(self, clock: EventClock) -> None:
        self._clock = clock
        self.by_day: Counter[str] = Counter()
        self.by_rule: Counter[str] = Counter()

    def publish(
        self,
        topic: Topic,
        subject: str,  # noqa: ARG002  the port's
        body: str,  # noqa: ARG002  the port's
        attributes: Mapping[str, str],
    ) -> str:
        if topic == "oncall":
            self.by_day[f"{self._clock.now():%Y-%m-%d}"] += 1
            self.by_rule[attributes.get("rule_id", "")] += 1
        return "none"


class AlertsInMemory:
    """Takes facts in the order of their time and sweeps in between, on the facts' own clock."""

    def __init__(self, rules: Rules) -> None:
        self._clock = EventClock()
        self.store = AlertRowsInMemory()
        self.pager = _CountingPager(self._clock)
        self._ledger = LedgerInMemory()
        self._ports = AlertPorts(
            store=self.store,
            pager=self.pager,
            ledger=self._ledger,
            silences=RecentSilences(_NoSilences(), self._clock),
            clock=self._clock,
            rules=rules,
            where=_NOWHERE,
            ttl=timedelta(days=1),
        )

    def take(self, fact: Anomaly) -> None:
        """Take the next fact in time."""
        self.run_until(fact.occurred_at)
        self._clock.moment = max(self._clock.moment, fact.occurred_at)
        alert_flow(self._ports, "backtest").take(fact)

    def run_until(self, moment: datetime) -> None:
        """Let time pass: sweep each minute that has something due."""
        while True:
            moments = [at for at in (self.store.next_due(), self._ledger.next_due()) if at]
            due = min(moments, default=None)
            if due is None or max(due, self._clock.moment + SWEEP) > moment:
                return
            self._clock.moment = max(due, self._clock.moment + SWEEP)
            report = alert_sweep(self._ports, self, "backtest").run(lambda: _ENDLESS_S)
            if report.failures:
                raise report.failures[0].error

    def put(self, body: str, reason: str) -> None:
        """Refuse to keep a notification that no topic takes, for here all are taken."""
        raise NotImplementedError(f"{reason}: {body}")
