"""What stands wrong with the pipeline, from one look at it to the next: when to speak.

A look gives findings; this turns them into edges, with one small state for all of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

import msgspec

from pipeline.detection.anomaly import Anomaly, Edge, Severity
from pipeline.detection.health_rules import StandingRule
from pipeline.detection.incidents import SEVERITIES

MAX_FACTS: Final = 40
"""Facts of one look; what is left over is found again by the next. With the state they must fit
into one transaction of DynamoDB, which takes 100 items."""

MAX_OPEN: Final = 2000
"""Incidents that can be open at once, which bounds the state to some 200 KB."""

TENFOLD: Final = 10

Verdict = Literal["breach", "calm"]


class Open(msgspec.Struct, frozen=True, array_like=True):
    """An incident that was told: its opening, worst severity and the size last told."""

    opened_at: datetime
    event_id: str
    severity: Severity
    told: float


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """The open incidents by `dedup_key`."""

    incidents: dict[str, Open] = {}


class Finding(NamedTuple):
    """What a look says about one subject of a rule.

    `since` is when the trouble began, `seen_at` up to when it is known to last; for a calm verdict
    `seen_at` is when it ended. `is_count` says that a tenfold size is news.
    """

    rule: StandingRule
    verdict: Verdict
    subject: str
    source: str
    size: float
    severity: Severity
    since: datetime
    seen_at: datetime
    title: str
    reasons: tuple[str, ...] = ()
    unit: str = ""
    expected: str = ""
    threshold: float | None = None
    labels: Mapping[str, str] = MappingProxyType({})
    is_count: bool = False

    @property
    def dedup_key(self) -> str:
        """Identity of the incident's alert: rule and subject."""
        return f"{self.rule.id}#{self.subject}"


def settle(standing: Standing, findings: Iterable[Finding]) -> tuple[Standing, Sequence[Anomaly]]:
    """Take in a look at the pipeline; what it says nothing about stays as it is.

    The facts of one look are told at most once, so write them with the state or not at all.
    """
    incidents = dict(standing.incidents)
    facts: list[Anomaly] = []
    for finding in findings:
        if len(facts) == MAX_FACTS:
            break
        known = incidents.get(finding.dedup_key)
        if finding.verdict == "calm":
            if known is not None:
                facts.append(_fact(finding, known, "cleared"))
                del incidents[finding.dedup_key]
            continue
        if known is None and len(incidents) >= MAX_OPEN:
            continue
        now, edge = _breach(finding, known)
        if edge is not None:
            incidents[finding.dedup_key] = now
            facts.append(_fact(finding, now, edge))
    return (Standing(incidents) if facts else standing), facts


def _breach(finding: Finding, known: Open | None) -> tuple[Open, Edge | None]:
    if known is None:
        event_id = f"{finding.rule.id}:{int(finding.seen_at.timestamp())}"
        return Open(finding.since, event_id, finding.severity, finding.size), "opened"
    worst = max(known.severity, finding.severity, key=SEVERITIES.index)
    is_tenfold = finding.is_count and finding.size >= TENFOLD * known.told
    if worst == known.severity and not is_tenfold:
        return known, None
    return Open(known.opened_at, known.event_id, worst, finding.size), "escalated"


def _fact(finding: Finding, incident: Open, edge: Edge) -> Anomaly:
    rule = finding.rule
    return Anomaly(
        rule_id=rule.id,
        rule_version=rule.version,
        detector=rule.detector,
        kind=rule.kind,
        severity=incident.severity,
        edge=edge,
        subject=finding.subject,
        source=finding.source,
        component=rule.component,
        opened_at=incident.opened_at,
        occurred_at=max(finding.seen_at, incident.opened_at),
        event_id=_event_id(finding, incident, edge),
        observed=finding.size,
        expected=finding.expected,
        threshold=finding.threshold,
        unit=finding.unit,
        title=finding.title,
        reasons=finding.reasons,
        labels=dict(finding.labels),
    )


def _event_id(finding: Finding, incident: Open, edge: Edge) -> str:
    """Return what tells several escalations of one incident apart."""
    if edge == "opened":
        return incident.event_id
    return f"{finding.rule.id}:{int(finding.seen_at.timestamp())}"
