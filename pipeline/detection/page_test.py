"""The test page: an event that is nothing but a test becomes a fact, and so an alert and a page.

Its metric belongs to no other rule, so a test teaches no baseline anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Final, Literal

import msgspec

from pipeline.detection.anomaly import Anomaly, Edge, Severity
from pipeline.detection.incidents import IDLE, Incident, Pace, Step, breach, relent, severity_at
from pipeline.detection.rule import Rule, Text, check_steps
from pipeline.events import Event, SystemMetric

METRIC: Final = "streamwarden_page_test"
"""Metric of a test. A value above 0 opens, 0 clears; each source is a test of its own."""

TITLE: Final = "Test page: nothing is wrong"

_PACE: Final = Pace(open_points=1, open_for_s=0.0, clear_points=1, clear_for_s=0.0)


class PageTest(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody tests the path from an event to a page; `steps` let him choose its severity."""

    kind: Literal["state"]
    detector: Literal["threshold"]
    component: Text
    severity: Severity
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        """Refuse steps that do not rise."""
        check_steps(0.0, self.severity, self.steps)

    def value(self, severity: Severity) -> float | None:
        """Return a value that opens a test of this severity, None when no value does."""
        levels = {self.severity: 0.0, **{step.severity: step.above for step in self.steps}}
        return levels[severity] + 1.0 if severity in levels else None


class PageTestState(msgspec.Struct, frozen=True, array_like=True):
    """A test under way; `at` is the epoch second of its newest event."""

    at: float = float("-inf")
    incident: Incident = IDLE


@dataclass(frozen=True, slots=True)
class PageTestDetector:
    """Folds the events of tests; one that is not newer than the newest changes nothing."""

    rule: PageTest
    name: str = "page_test"
    version: int = 1
    state_type: type[PageTestState] = PageTestState

    def subject(self, event: Event) -> str | None:
        """Return the test's source, None for an event that is no test."""
        if isinstance(event, SystemMetric) and event.metric_name == METRIC:
            return event.source
        return None

    def initial(self) -> PageTestState:
        """Return the state of a test that has not begun."""
        return PageTestState()

    def fold(
        self, state: PageTestState, event: Event, event_id: str
    ) -> tuple[PageTestState, Sequence[Anomaly]]:
        """Open a test, or clear it."""
        if not isinstance(event, SystemMetric):
            return state, ()
        at = event.timestamp.timestamp()
        if at <= state.at:
            return state, ()
        before = state.incident
        if event.value > 0:
            severity = severity_at(event.value, self.rule.severity, self.rule.steps)
            after, edge = breach(before, _PACE, event.timestamp, event.value, severity)
        else:
            after, edge = relent(before, _PACE, event.timestamp, calm=True)
        incident = before if edge == "cleared" else after
        facts = (self._fact(incident, edge, event, event_id),) if edge else ()
        return PageTestState(at, after), facts

    def _fact(self, incident: Incident, edge: Edge, event: SystemMetric, event_id: str) -> Anomaly:
        moment = event.timestamp.astimezone(UTC)
        return Anomaly(
            rule_id=self.rule.id,
            rule_version=self.rule.version,
            detector=self.rule.detector,
            kind=self.rule.kind,
            severity=incident.severity,
            edge=edge,
            subject=event.source,
            source=event.source,
            opened_at=incident.opened_at or moment,
            occurred_at=moment,
            event_id=event_id,
            observed=event.value,
            threshold=0.0,
            title=TITLE,
            component=self.rule.component,
            count=incident.count,
            reasons=("asked for by `streamwarden page-test` or `streamwarden smoke`",),
            labels={"metric_name": METRIC, "source": event.source},
        )
