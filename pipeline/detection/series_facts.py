"""The facts about one metric series, with their reasons in plain words.

Everything in a fact follows from the series' state and the point, so a redelivery repeats it.
"""

from datetime import UTC, datetime
from typing import Final, NamedTuple, Self

import msgspec
from msgspec import UNSET

from pipeline.detection.anomaly import Anomaly, Baseline, Edge
from pipeline.detection.baseline import Predictor, Sign, View
from pipeline.detection.incidents import Incident
from pipeline.detection.rules import Limit, MetricBaseline, StaticLimit
from pipeline.detection.texts import quantity, title_text
from pipeline.events import SystemMetric

_EXPECTED_DEVIATIONS = 3.0
_ANOTHER_LEVEL = 6.0  # deviations from what was usual, yet nothing unusual any more

_OF: Final[dict[Predictor, str]] = {
    "level": "the usual level",
    "day": "the usual value of this time of day",
    "week": "the usual value of this time of the week",
}
_UNUSUAL: Final[dict[Sign, str]] = {
    "point": "further out than usual peaks are",
    "shift": "has been on the same side for hours",
    "drift": "the level of the last hour is unusual",
}


class Point(NamedTuple):
    """The point that caused an edge, and the values that led up to it."""

    event: SystemMetric
    event_id: str
    subject: str
    recent: tuple[float, ...]

    @property
    def moment(self) -> datetime:
        """Return the point's time in UTC, whichever zone its producer wrote it in."""
        return self.event.timestamp.astimezone(UTC)

    @property
    def labels(self) -> dict[str, str]:
        """Return what the series is called."""
        return {"metric_name": self.event.metric_name, "source": self.event.source}


class Usual(msgspec.Struct, frozen=True, array_like=True):
    """What was expected of the point that opened an incident."""

    points: int
    expected: float
    scale: float

    @classmethod
    def of(cls, view: View) -> Self:
        """Keep what a fact needs of a view."""
        return cls(view.points, view.expected, view.scale)


class Surprise(NamedTuple):
    """What the baseline saw: the incident, what was usual when it opened, and the point's view."""

    incident: Incident
    usual: Usual
    view: View


def limit_fact(
    rule: StaticLimit, limit: Limit, incident: Incident, edge: Edge, point: Point
) -> Anomaly:
    """Tell an edge of a series against its static limit; figures are in the limit's unit."""
    event = point.event
    factor = limit.factor(event) or 1.0
    value = event.value * factor
    observed, above = quantity(value, limit.unit), quantity(limit.above, limit.unit)
    level = f"< {quantity(limit.clear_below, limit.unit)}" if edge == "cleared" else f"> {above}"
    return Anomaly(
        rule_id=rule.id,
        rule_version=rule.version,
        detector=rule.detector,
        kind=rule.kind,
        severity=incident.severity,
        edge=edge,
        subject=point.subject,
        source=event.source,
        opened_at=incident.opened_at or point.moment,
        occurred_at=point.moment,
        event_id=point.event_id,
        observed=value,
        title=title_text(f"{event.metric_name} {observed} {level} on {event.source}"),
        component=limit.component,
        expected=f"at most {above}",
        threshold=limit.above,
        unit=limit.unit,
        count=incident.count,
        reasons=_limit_reasons(limit, incident, edge, value),
        recent=tuple(past * factor for past in point.recent),
        labels=point.labels,
    )


def baseline_fact(rule: MetricBaseline, seen: Surprise, edge: Edge, point: Point) -> Anomaly:
    """Tell an edge of a series against its own past; figures are in the unit of the points."""
    event = point.event
    unit = "" if event.unit is UNSET else event.unit
    incident, usual = seen.incident, seen.usual
    if edge == "cleared":
        headline = f"{event.metric_name} usual again"
    else:
        side = "high" if event.value > usual.expected else "low"
        headline = f"{event.metric_name} unusually {side}: {quantity(event.value, unit)}"
    return Anomaly(
        rule_id=rule.id,
        rule_version=rule.version,
        detector=rule.detector,
        kind=rule.kind,
        severity=incident.severity,
        edge=edge,
        subject=point.subject,
        source=event.source,
        opened_at=incident.opened_at or point.moment,
        occurred_at=point.moment,
        event_id=point.event_id,
        observed=event.value,
        title=title_text(f"{headline} on {event.source}"),
        component=rule.component,
        expected=_expected(seen, unit),
        unit=unit,
        baseline=Baseline(n=usual.points, mean=usual.expected, stdev=usual.scale),
        score=seen.view.deviations,
        count=incident.count,
        reasons=_baseline_reasons(rule, seen, edge, event.value, unit),
        recent=point.recent,
        labels=point.labels,
    )


def _limit_reasons(limit: Limit, incident: Incident, edge: Edge, value: float) -> tuple[str, ...]:
    now = quantity(value, limit.unit)
    above = quantity(limit.above, limit.unit)
    highest = f"highest {quantity(incident.peak, limit.unit)}"
    counted = f"{_points(incident.count)} above the limit so far, {highest}"
    if edge == "cleared":
        below = quantity(limit.clear_below, limit.unit)
        return (f"{now} is below {below} again", counted.replace(" so far", " in all"))
    return (f"{now} is above the limit {above}", counted)


def _baseline_reasons(
    rule: MetricBaseline, seen: Surprise, edge: Edge, value: float, unit: str
) -> tuple[str, ...]:
    incident, usual, view = seen
    expected = _expected(seen, unit)
    now = quantity(value, unit)
    largest = f"largest deviation {incident.peak:.3g} standard deviations"
    if edge != "cleared":
        side = "above" if value > view.expected else "below"
        far = f"{now} is {view.deviations:.3g} standard deviations {side} {_OF[view.predictor]}"
        hours = rule.knobs.block_s * view.stretch / 3600
        usual_largest = f"the largest of {hours:.3g} hours (learned from {view.blocks})"
        bar = f"{view.height:.2g} spreads above {usual_largest}"
        return (
            f"{far}, expected {expected}",
            f"{_UNUSUAL[view.sign]}: {bar}",
            f"{largest}, {_points(incident.count)} unusual so far",
        )
    counted = f"{largest}, {_points(incident.count)} unusual in all"
    if abs(value - usual.expected) > _ANOTHER_LEVEL * usual.scale:
        return (f"{now} has become the usual level; it was {expected} before", counted)
    return (f"{now} is usual again, expected {expected}", counted)


def _expected(seen: Surprise, unit: str) -> str:
    usual = seen.usual
    margin = _EXPECTED_DEVIATIONS * usual.scale
    low = usual.expected - margin
    if seen.view.low >= 0:
        low = max(low, 0.0)  # what never was negative is not expected to be
    return f"{quantity(low, '')} to {quantity(usual.expected + margin, unit)}"


def _points(count: int) -> str:
    return "1 point" if count == 1 else f"{count:,} points"
