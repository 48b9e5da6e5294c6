"""Facts about uploaded images, computed from their rows alone.

There are no counters: how often a user has failed is read from the rows, so a redelivery, which
finds its own row, cannot count an image twice, and the order in which images are looked at does
not matter.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.image_rules import HostileImages, UnsafeContent
from pipeline.detection.incidents import IDLE, strike
from pipeline.detection.user_facts import span_text


class UnsafeLabel(Protocol):
    """A moderation label; confidence in percent."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def parent(self) -> str:
        """The name of the label above it, empty at the top."""

    @property
    def confidence(self) -> float:
        """Confidence in percent."""


class Failed(Protocol):
    """An image that could not be read."""

    @property
    def job_id(self) -> str:
        """Identity of the image."""

    @property
    def user_id(self) -> str:
        """Whose it is."""

    @property
    def uploaded_at(self) -> datetime:
        """When it was uploaded."""

    @property
    def failure(self) -> str:
        """What was wrong with it."""


def unsafe_content(
    rule: UnsafeContent,
    labels: Iterable[UnsafeLabel],
    *,
    user_id: str,
    job_id: str,
    uploaded_at: datetime,
) -> Anomaly | None:
    """Judge the moderation labels of one image; None when nothing is above the limit."""
    found = [label for label in labels if label.confidence > rule.above]
    found = [
        label for label in found if not {label.name.lower(), label.parent.lower()} & rule.allowed
    ]
    if not found:
        return None
    worst = max(found, key=lambda label: (label.confidence, label.name))
    moment = uploaded_at.astimezone(UTC)
    return Anomaly(
        rule_id=rule.id,
        rule_version=rule.version,
        detector=rule.detector,
        kind=rule.kind,
        severity=rule.severity,
        edge="opened",
        subject=user_id,
        source=user_id,
        component=rule.component,
        opened_at=moment,
        occurred_at=moment,
        event_id=job_id,
        observed=round(worst.confidence, 1),
        threshold=rule.above,
        unit="%",
        expected=f"at most {rule.above:g} % confidence",
        title="Unsafe image uploaded",
        reasons=tuple(
            f"{label.name}: {label.confidence:.1f} % confidence"
            for label in sorted(found, key=lambda label: (-label.confidence, label.name))
        ),
        labels={"user_id": user_id},
    )


def hostile_since(rule: HostileImages, uploaded_at: datetime) -> datetime:
    """Return from when on a user's failures must be known to judge this one."""
    return uploaded_at - timedelta(seconds=rule.span_s + rule.quiet_s)


def hostile_until(rule: HostileImages, uploaded_at: datetime) -> datetime:
    """Return until when a user's failures must be known to judge this one."""
    return uploaded_at + timedelta(seconds=rule.span_s)


def hostile_images(
    rule: HostileImages, failures: Sequence[Failed], this: Failed
) -> Sequence[Anomaly]:
    """Judge the failures of one user, after `this` has joined them.

    Args:
        rule: How many are too many.
        failures: The user's failures between `hostile_since` and `hostile_until`, `this` among
            them or not, in any order and with repetitions.
        this: The failure that makes it worth looking.

    Returns:
        The facts of the windows that `this` is a part of. Who looks later, at the same failures,
        finds the same facts.
    """
    known = {failed.job_id: failed for failed in [*failures, this]}
    ordered = sorted(known.values(), key=lambda failed: (failed.uploaded_at, failed.job_id))
    return [
        fact
        for fact in _facts(rule, ordered)
        if this.uploaded_at <= fact.occurred_at <= hostile_until(rule, this.uploaded_at)
    ]


def _facts(rule: HostileImages, ordered: Sequence[Failed]) -> Iterator[Anomaly]:
    incident = IDLE
    start = 0
    for end, failed in enumerate(ordered):
        while (failed.uploaded_at - ordered[start].uploaded_at).total_seconds() > rule.span_s:
            start += 1
        window = ordered[start : end + 1]
        if len(window) < rule.count:
            continue
        incident, edge = strike(
            incident, rule.quiet_s, failed.uploaded_at, len(window), rule.severity
        )
        if edge is None:
            continue
        moment = failed.uploaded_at.astimezone(UTC)
        within = f"within {span_text(rule.span_s)}"
        yield Anomaly(
            rule_id=rule.id,
            rule_version=rule.version,
            detector=rule.detector,
            kind=rule.kind,
            severity=incident.severity,
            edge=edge,
            subject=failed.user_id,
            source=failed.user_id,
            component=rule.component,
            opened_at=incident.opened_at or moment,
            occurred_at=moment,
            event_id=failed.job_id,
            observed=len(window),
            threshold=rule.count,
            unit="images",
            window_s=round(rule.span_s),
            expected=f"fewer than {rule.count} {within}",
            title=f"{len(window)} unreadable images uploaded {within}",
            count=incident.count,
            reasons=tuple(_reasons(window)),
            labels={"user_id": failed.user_id},
        )


def _reasons(window: Sequence[Failed]) -> Iterator[str]:
    for failure in sorted({failed.failure for failed in window}):
        times = sum(failed.failure == failure for failed in window)
        yield f"{failure}: {times} of {len(window)}"
