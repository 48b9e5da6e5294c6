"""What the facts about users' events have in common, and figures in words.

Everything in a fact follows from the subject's state and the event, so a redelivery repeats it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol

from pipeline.detection.anomaly import Anomaly, Edge
from pipeline.detection.incidents import Incident
from pipeline.detection.texts import title_text
from pipeline.detection.user_rules import UserRule

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


class Told(NamedTuple):
    """What only the rule at hand knows of a breach.

    `source` names the entity in trouble for people; `expected` is a phrase.
    """

    source: str
    title: str
    expected: str
    observed: float
    threshold: float
    unit: str
    reasons: tuple[str, ...]
    labels: Mapping[str, str]
    window_s: int | None = None
    score: float | None = None


class Dated(Protocol):
    """Something that happened: an event of the stream, or a change of a user."""

    @property
    def timestamp(self) -> datetime:
        """When it happened."""


class Breach(NamedTuple):
    """The event that broke a rule, whose it was, and what that made of the incident."""

    event: Dated
    event_id: str
    subject: str
    incident: Incident
    edge: Edge


def user_fact(rule: UserRule, breach: Breach, told: Told) -> Anomaly:
    """Tell an edge of an incident that single events make up."""
    incident, moment = breach.incident, breach.event.timestamp.astimezone(UTC)
    return Anomaly(
        rule_id=rule.id,
        rule_version=rule.version,
        detector=rule.detector,
        kind=rule.kind,
        severity=incident.severity,
        edge=breach.edge,
        subject=breach.subject,
        source=told.source,
        opened_at=incident.opened_at or moment,
        occurred_at=moment,
        event_id=breach.event_id,
        observed=told.observed,
        title=title_text(told.title),
        component=rule.component,
        expected=told.expected,
        threshold=told.threshold,
        unit=told.unit,
        window_s=told.window_s,
        score=told.score,
        count=incident.count,
        reasons=told.reasons,
        labels=dict(told.labels),
    )


def span_text(seconds: float) -> str:
    """Write a length of time in the largest unit that divides it, such as `24 h` or `90 s`."""
    for size, unit in _UNITS[1:]:
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def lapse_text(seconds: float) -> str:
    """Write a lapse of time in its largest unit, with at most one decimal."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{round(seconds / size, 1):g} {unit}"
    return f"{round(seconds, 1):g} s"


def breaches_text(count: int, one: str, many: str) -> str:
    """Write how often the rule was broken so far."""
    return f"1 {one} so far" if count == 1 else f"{count:,} {many} so far"


def number_text(count: int, one: str) -> str:
    """Write a number of things whose plural takes an s."""
    return f"1 {one}" if count == 1 else f"{count:,} {one}s"
