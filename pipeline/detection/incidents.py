"""The life of one incident, from its first breaching point to its last: when to speak.

Every detector folds into this machine, so that an incident of any length yields a handful of facts:
one when it opens, one per rise of severity or tenfold count, one when it clears.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from pipeline.detection.anomaly import Edge, Severity

SEVERITIES: Final[tuple[Severity, ...]] = ("info", "low", "medium", "high", "critical")
"""From the least to the most severe."""


class Pace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many points in a row, and over how many seconds, open an incident and clear it."""

    open_points: int
    open_for_s: float
    clear_points: int
    clear_for_s: float

    def __post_init__(self) -> None:
        """Refuse a pace that would open or clear an incident without a point."""
        if self.open_points < 1 or self.clear_points < 1:
            raise ValueError("`open_points` and `clear_points` must be at least 1")
        if self.open_for_s < 0 or self.clear_for_s < 0:
            raise ValueError("`open_for_s` and `clear_for_s` must not be negative")


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The severity that an incident reaches once its size is above a level."""

    above: float
    severity: Severity


class Incident(msgspec.Struct, frozen=True, array_like=True):
    """What must be remembered of an incident between two points.

    `run` counts the latest points in a row that argue for a change: breaching ones while nothing
    is open, calm ones while it is; `since` is the epoch second of the first of them. `count` is
    the number of breaching points and `announced` the count that the last fact told. `peak` is
    the largest size so far.
    """

    run: int = 0
    since: float = 0.0
    opened_at: datetime | None = None
    severity: Severity = "info"
    count: int = 0
    announced: int = 0
    peak: float = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is open and nothing is building up."""
        return self.opened_at is None and not self.run


IDLE: Final = Incident()


def severity_at(size: float, lowest: Severity, steps: Sequence[Step]) -> Severity:
    """Return the severity of an incident of this size; the steps rise."""
    severity = lowest
    for step in steps:
        if size <= step.above:
            break
        severity = step.severity
    return severity


def breach(
    incident: Incident, pace: Pace, moment: datetime, size: float, severity: Severity
) -> tuple[Incident, Edge | None]:
    """Take in a point that breaches the rule.

    Args:
        incident: What is remembered.
        pace: When to open.
        moment: Event time of the point.
        size: How far it breaches, growing with the trouble.
        severity: What the rule says of this size.

    Returns:
        The incident from now on and the edge that the point causes, if any.
    """
    epoch = moment.timestamp()
    if incident.opened_at is not None:
        return _grown(incident, epoch, size, severity)
    count = incident.count + 1
    peak = max(incident.peak, size) if incident.count else size
    run = incident.run + 1
    since = incident.since if incident.run else epoch
    if run < pace.open_points or epoch - since < pace.open_for_s:
        return Incident(run=run, since=since, count=count, peak=peak), None
    return Incident(0, since, moment.astimezone(UTC), severity, count, count, peak), "opened"


def relent(
    incident: Incident, pace: Pace, moment: datetime, *, calm: bool
) -> tuple[Incident, Edge | None]:
    """Take in a point that does not breach the rule.

    Args:
        incident: What is remembered.
        pace: When to clear.
        moment: Event time of the point.
        calm: Whether it is beyond the clear level too; between the two levels nothing is decided.

    Returns:
        The incident from now on, `IDLE` once cleared, and the edge that the point causes, if any.
    """
    if incident.opened_at is None:
        return IDLE, None
    if not calm:
        return (msgspec.structs.replace(incident, run=0) if incident.run else incident), None
    epoch = moment.timestamp()
    run = incident.run + 1
    since = incident.since if incident.run else epoch
    if run >= pace.clear_points and epoch - since >= pace.clear_for_s:
        return IDLE, "cleared"
    return msgspec.structs.replace(incident, run=run, since=since), None


def strike(
    incident: Incident, quiet_s: float, moment: datetime, size: float, severity: Severity
) -> tuple[Incident, Edge | None]:
    """Take in an event that breaches a rule of kind `event`, which nothing but quiet ends.

    The quiet time is event time since the newest breach; a late breach joins what is open.

    Args:
        incident: What is remembered; between two breaches it stays as it is.
        quiet_s: How long after its last breach an incident is over.
        moment: Event time of the breach.
        size: How far it breaches, growing with the trouble.
        severity: What the rule says of this size.

    Returns:
        The incident from now on and the edge that the event causes, if any.
    """
    epoch = moment.timestamp()
    if incident.opened_at is None or epoch - incident.since > quiet_s:
        return Incident(0, epoch, moment.astimezone(UTC), severity, 1, 1, size), "opened"
    return _grown(incident, max(epoch, incident.since), size, severity)


def _grown(
    incident: Incident, since: float, size: float, severity: Severity
) -> tuple[Incident, Edge | None]:
    """Add a breach to what is open."""
    count, peak = incident.count + 1, max(incident.peak, size)
    worst = incident.severity
    if severity != worst:
        worst = max(worst, severity, key=SEVERITIES.index)
    if worst != incident.severity or count >= 10 * incident.announced:
        return Incident(0, since, incident.opened_at, worst, count, count, peak), "escalated"
    return Incident(0, since, incident.opened_at, worst, count, incident.announced, peak), None
