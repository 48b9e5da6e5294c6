"""From a fact and its alert to the machine record: texts masked, bounded and marked when cut."""

from datetime import timedelta
from typing import Final

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.rules import RuleText
from pipeline.detection.texts import MAX_TITLE_CHARS
from pipeline.flows.alerts.bounded import (
    MAX_LABEL_CHARS,
    MAX_LABELS,
    MAX_MEMBERS,
    MAX_REASONS,
    MAX_RECENT,
    MAX_STEPS,
    Bounded,
)
from pipeline.flows.alerts.chat import content, metadata
from pipeline.flows.alerts.evidence import ack_command, archive_uri, evidence_query, silence_command
from pipeline.flows.alerts.notification import (
    Evidence,
    Notification,
    NotificationReason,
    Status,
)
from pipeline.flows.alerts.occasion import Deployment, Occasion
from pipeline.flows.alerts.texts import moment_text
from pipeline.flows.alerts.wording import (
    change_text,
    runbook_address,
    summary_text,
    unknown_rule_text,
)

__all__ = ["Deployment", "Occasion", "compose"]

_STATUS: Final[dict[NotificationReason, Status]] = {
    "first": "firing",
    "severity": "update",
    "count": "update",
    "repeat": "update",
    "group": "update",
    "acknowledged": "update",
    "storm_digest": "update",
    "resolved": "resolved",
}


def compose(
    fact: Anomaly, occasion: Occasion, rule: RuleText | None, where: Deployment
) -> Notification:
    """Write the machine record of a notification.

    Args:
        fact: The fact that causes it.
        occasion: What the alert adds.
        rule: The rule's texts; None when this version of the code does not know the rule.
        where: The deployment that speaks.
    """
    bounded = Bounded()
    title = (
        bounded.text(fact.title, MAX_TITLE_CHARS)
        or bounded.text(fact.rule_id, MAX_TITLE_CHARS)
        or "an anomaly without a title"
    )
    summary = bounded.text(summary_text(fact, occasion, title))
    change = bounded.text(change_text(occasion))
    reasons = bounded.texts(fact.reasons, MAX_REASONS)
    steps = tuple(bounded.own_text(step) for step in rule.next_steps[:MAX_STEPS]) if rule else ()
    impact = bounded.own_text(rule.impact) if rule else bounded.text(unknown_rule_text(fact, where))
    runbook_url = runbook_address(rule.runbook, where) if rule else None
    # An update of what is over would open it again at those who are paged.
    status = "resolved" if occasion.ends_at else _STATUS[occasion.reason]
    return Notification(
        schema_version="1.0",
        alert_id=occasion.alert_id,
        dedup_key=bounded.key(fact.dedup_key),
        status=status,
        severity=occasion.severity,
        rule_id=bounded.key(fact.rule_id),
        rule_version=fact.rule_version,
        detector=fact.detector,
        title=title,
        summary=summary,
        entity=bounded.key(fact.source),
        component=bounded.text(fact.component),
        group=bounded.text(occasion.group) or where.service,
        class_=bounded.text(fact.labels.get("metric_name", fact.detector)),
        environment=where.environment,
        service=where.service,
        region=where.region,
        starts_at=moment_text(occasion.starts_at),
        last_seen_at=moment_text(occasion.last_seen_at),
        ends_at=moment_text(occasion.ends_at) if occasion.ends_at else None,
        detected_at=moment_text(occasion.detected_at),
        event_lag_ms=(occasion.notified_at - fact.occurred_at) // timedelta(milliseconds=1),
        observed=fact.observed,
        expected=bounded.text(fact.expected),
        unit=bounded.text(fact.unit, 32),
        threshold=fact.threshold,
        window_s=fact.window_s,
        baseline=fact.baseline,
        score=fact.score,
        reasons=reasons,
        count=occasion.count,
        suppressed_count=occasion.suppressed_count,
        event_ids=tuple(bounded.key(event_id) for event_id in occasion.event_ids),
        evidence=Evidence(
            archive_uri=archive_uri(fact, where), query=evidence_query(fact, occasion, where)
        ),
        runbook_url=runbook_url,
        next_steps=steps,
        silence_command=silence_command(fact, where),
        replay=occasion.replay,
        notification_reason=occasion.reason,
        labels={
            bounded.key(name, MAX_LABEL_CHARS): bounded.key(value, MAX_LABEL_CHARS)
            for name, value in bounded.first(sorted(fact.labels.items()), MAX_LABELS)
        },
        annotations={
            "impact": impact,
            "acknowledge": ack_command(occasion.alert_id, where),
            **({"change": change} if change else {}),
        },
        recent=fact.recent[-MAX_RECENT:],
        version="1.0",
        source="custom",
        id=occasion.notification_id,
        content=content(
            (status, occasion.severity, title), (summary, change), reasons, steps, runbook_url
        ),
        metadata=metadata(
            occasion.thread_id,
            summary,
            f"alert.{status}",
            bounded.text(fact.source),
            {
                "alert_id": occasion.alert_id,
                "severity": occasion.severity,
                "environment": where.environment,
                "region": where.region,
                "stack": where.stack,
            },
        ),
        silenced_count=occasion.silenced_count,
        group_members=bounded.texts(occasion.members, MAX_MEMBERS),
        group_count=occasion.member_count,
        actor=bounded.text(occasion.actor),
        note=bounded.text(occasion.note),
        group_over=occasion.are_over,
        ended_by=occasion.ended_by,
        truncated=bounded.is_exceeded,  # last: the arguments are evaluated in order
    )
