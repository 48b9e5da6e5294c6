"""Facts about the pipeline itself, in the same form as every other anomaly.

A health fact is keyed by the hour in which its records arrived, not by the record: however many
batches meet the same trouble within an hour, they rewrite one row. How bad each trouble is, is said
by its rule.
"""

from datetime import UTC, datetime
from typing import Final

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.rules import HealthRule, HealthRules

MIN_REFUSED: Final = 20
MIN_REFUSED_SHARE: Final = 0.5
"""A batch with so many refused records, which are half of it or more, is reported."""


def record_defects(
    rules: HealthRules, shard_id: str, arrived_at: float, count: int, reason: str
) -> Anomaly:
    """Report records that an unknown bug sent to quarantine, `count` of them in one batch."""
    return _health(
        rules.pipeline_record_defect,
        shard_id=shard_id,
        arrived_at=arrived_at,
        observed=count,
        title=f"A defect sent records of {shard_id} to quarantine",
        reasons=(reason,),
    )


def refused_records(
    rules: HealthRules, shard_id: str, arrived_at: float, refused: int, records: int, reason: str
) -> Anomaly | None:
    """Report a batch that was mostly refused, None for the poison that any stream carries."""
    if refused < MIN_REFUSED or refused < MIN_REFUSED_SHARE * records:
        return None
    return _health(
        rules.pipeline_refused_records,
        shard_id=shard_id,
        arrived_at=arrived_at,
        observed=refused,
        title=f"{refused} of {records} records of a batch of {shard_id} refused",
        reasons=(reason,),
    )


def stray_keys(
    rules: HealthRules, shard_id: str, arrived_at: float, count: int, reason: str
) -> Anomaly:
    """Report events under other partition keys than the contract's, `count` of them in a batch."""
    return _health(
        rules.pipeline_stray_key,
        shard_id=shard_id,
        arrived_at=arrived_at,
        observed=count,
        title=f"Events reach {shard_id} under keys that break the contract",
        reasons=(reason,),
    )


def poison_record(
    rules: HealthRules, shard_id: str, arrived_at: float, sequence_number: int, attempts: int
) -> Anomaly:
    """Report a record that took the function down each time it was tried, and is now set aside."""
    return _health(
        rules.pipeline_poison_record,
        shard_id=shard_id,
        arrived_at=arrived_at,
        observed=attempts,
        title=f"A record of {shard_id} took the function down {attempts} times",
        reasons=(f"sequence number {sequence_number} went to quarantine untried",),
    )


def user_refused(rules: HealthRules, written_at: float, count: int, reason: str) -> Anomaly:
    """Report changes of users that were set aside, `count` of them in one batch."""
    return _health(
        rules.pipeline_user_refused,
        shard_id="UsersTable",
        arrived_at=written_at,
        observed=count,
        title="Changes of users went to quarantine",
        reasons=(reason,),
    )


def _health(
    rule: HealthRule,
    *,
    shard_id: str,
    arrived_at: float,
    observed: int,
    title: str,
    reasons: tuple[str, ...],
) -> Anomaly:
    arrived = datetime.fromtimestamp(arrived_at, UTC)
    hour = arrived.replace(minute=0, second=0, microsecond=0)
    return Anomaly(
        rule_id=rule.id,
        rule_version=rule.version,
        detector=rule.detector,
        kind=rule.kind,
        severity=rule.severity,
        edge="opened",
        subject=shard_id,
        source="pipeline",
        component=rule.component,
        opened_at=hour,
        occurred_at=hour,
        event_id=shard_id,
        observed=observed,
        title=title,
        reasons=reasons,
    )
