"""Facts about the pipeline itself, in the same form as every other anomaly.

A health fact is keyed by the hour in which its records arrived, not by the record: however many
batches meet the same trouble within an hour, they rewrite one row. How bad each trouble is, is said
by its rule.
"""

from datetime import UTC, datetime

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.health_rules import HealthRule, HealthRules
from pipeline.detection.record_tally import RecordTally


def record_defects(
    rules: HealthRules,
    shard_id: str,
    arrived_at: float,
    count: int,
    reason: str,
    detector: str = "",
) -> Anomaly:
    """Report records that an unknown bug sent to quarantine, `count` of them in one batch.

    A bug in a detector is a subject of its own, so that two broken ones do not hide each other.
    """
    subject = f"{shard_id}:{detector}" if detector else shard_id
    by = f" in the detector {detector}" if detector else ""
    return _health(
        rules.pipeline_record_defect,
        shard_id=subject,
        arrived_at=arrived_at,
        observed=count,
        title=f"A defect{by} sent records of {shard_id} to quarantine",
        reasons=(reason,),
    )


def refused_records(
    rules: HealthRules,
    shard_id: str,
    arrived_at: float,
    batch: RecordTally,
    window: RecordTally,
    reason: str,
) -> Anomaly | None:
    """Report a batch, or the records of a while, of which many were refused.

    Args:
        rules: What is many; None is returned for the poison that any stream carries.
        shard_id: The shard of the batch.
        arrived_at: Arrival of its first record, in epoch seconds.
        batch: The records of the batch.
        window: All records of the shard in the present window of arrival, the batch included.
        reason: Why the first of them was refused.
    """
    rule = rules.pipeline_refused_records
    if batch.is_many(rule.count, rule.batch_share):
        told, within = batch, "a batch"
    elif batch.refused and window.is_many(rule.count, rule.window_share):
        told, within = window, f"{rule.window_s / 60:g} min"
    else:
        return None
    return _health(
        rule,
        shard_id=shard_id,
        arrived_at=arrived_at,
        observed=told.refused,
        title=f"{told.refused} of {told.records} records of {within} of {shard_id} refused",
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
    rules: HealthRules,
    shard_id: str,
    arrived_at: float,
    sequence_number: int,
    attempts: int,
    component: str = "",
) -> Anomaly:
    """Report a record that took the function down each time it was tried, and is now set aside.

    `component` is whose function it was, when it was not the rule's own.
    """
    return _health(
        rules.pipeline_poison_record,
        shard_id=shard_id,
        arrived_at=arrived_at,
        observed=attempts,
        title=f"A record of {shard_id} took the function down {attempts} times",
        reasons=(
            f"sequence number {sequence_number} went to quarantine untried",
            f"read it: streamwarden quarantine show {shard_id}:{sequence_number}",
        ),
        component=component,
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


def query_failed(
    rules: HealthRules, query: str, scheduled_at: float, attempts: int, reason: str
) -> Anomaly:
    """Report a query that did not succeed, however often it is tried for one schedule."""
    return _health(
        rules.pipeline_query_failed,
        shard_id=query,
        arrived_at=scheduled_at,
        observed=attempts,
        title=f"The query {query} did not succeed",
        reasons=(reason,),
    )


def _health(  # noqa: PLR0913  what a fact says
    rule: HealthRule,
    *,
    shard_id: str,
    arrived_at: float,
    observed: int,
    title: str,
    reasons: tuple[str, ...],
    component: str = "",
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
        component=component or rule.component,
        opened_at=hour,
        occurred_at=hour,
        event_id=shard_id,
        observed=observed,
        title=title,
        reasons=reasons,
    )
