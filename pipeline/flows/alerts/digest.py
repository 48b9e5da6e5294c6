"""One message in place of many: what a page budget held back while a storm lasted."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from pipeline.detection.rule import Rule
from pipeline.detection.texts import MAX_TITLE_CHARS
from pipeline.flows.alerts.bounded import Bounded
from pipeline.flows.alerts.chat import content, metadata
from pipeline.flows.alerts.evidence import ack_command, firing_command
from pipeline.flows.alerts.notification import Digest, Evidence, Notification, Share
from pipeline.flows.alerts.occasion import Deployment, Storm
from pipeline.flows.alerts.texts import duration_text, moment_text
from pipeline.flows.alerts.wording import runbook_address

MAX_SHARES: Final = 4
_MAX_NAME_CHARS: Final = 100


def compose_digest(storm: Storm, rule: Rule, where: Deployment) -> Notification:
    """Write the machine record of a digest; whatever else tells of an alert, here tells of all.

    Args:
        storm: What was held back.
        rule: The rule of storms, for its texts.
        where: The deployment that speaks.
    """
    bounded = Bounded()
    rules, subjects = _shares(storm.rules, bounded), _shares(storm.subjects, bounded)
    window = duration_text(storm.ends_at - storm.starts_at)
    counted = f"{storm.suppressed_count:,} notifications held back in {window}"
    most = f", {rules[0].count:,} of {rules[0].name}" if rules else ""
    title = bounded.text(f"{counted}{most}", MAX_TITLE_CHARS)
    summary = (
        f"{counted}, after {storm.budget:,} were sent: {storm.subject_count:,} subjects, "
        f"{storm.rule_count:,} rules."
    )
    reasons = (
        f"rules: {_named(rules, storm.rule_count)}",
        f"subjects: {_named(subjects, storm.subject_count)}",
    )
    steps = tuple(bounded.own_text(step) for step in rule.next_steps)
    runbook_url = runbook_address(rule.runbook, where)
    return Notification(
        schema_version="1.0",
        alert_id=storm.digest_id,
        dedup_key=storm.dedup_key,
        status="update",
        severity=storm.severity,
        rule_id=rule.id,
        rule_version=rule.version,
        detector=rule.detector,
        title=title,
        summary=summary,
        entity=where.service,
        component="alert flow",
        group=where.service,
        class_=rule.detector,
        environment=where.environment,
        service=where.service,
        region=where.region,
        starts_at=moment_text(storm.starts_at),
        last_seen_at=moment_text(storm.ends_at),
        ends_at=None,
        detected_at=moment_text(storm.notified_at),
        event_lag_ms=(storm.notified_at - storm.ends_at) // timedelta(milliseconds=1),
        observed=float(storm.suppressed_count + storm.budget),
        expected=f"at most {storm.budget:,} notifications within {window}",
        unit="notifications",
        threshold=float(storm.budget),
        window_s=round((storm.ends_at - storm.starts_at).total_seconds()),
        baseline=None,
        score=None,
        reasons=reasons,
        count=storm.suppressed_count,
        suppressed_count=storm.suppressed_count,
        event_ids=(),
        evidence=Evidence(query=firing_command(where)),
        runbook_url=runbook_url,
        next_steps=steps,
        silence_command=None,
        replay=False,
        notification_reason="storm_digest",
        labels={},
        annotations={
            "impact": bounded.own_text(rule.impact),
            "acknowledge": ack_command(storm.digest_id, where),
        },
        recent=(),
        version="1.0",
        source="custom",
        id=storm.notification_id,
        content=content(("digest", storm.severity, title), (summary,), reasons, steps, runbook_url),
        metadata=metadata(
            storm.thread_id,
            summary,
            "alert.digest",
            where.service,
            {
                "alert_id": storm.digest_id,
                "severity": storm.severity,
                "environment": where.environment,
                "region": where.region,
                "stack": where.stack,
            },
        ),
        group_count=storm.subject_count,
        digest=Digest(
            starts_at=moment_text(storm.starts_at),
            ends_at=moment_text(storm.ends_at),
            budget=storm.budget,
            suppressed_count=storm.suppressed_count,
            rules=rules,
            rule_count=storm.rule_count,
            subjects=subjects,
            subject_count=storm.subject_count,
        ),
        truncated=bounded.is_exceeded,
    )


def _shares(ranked: Sequence[tuple[str, int]], bounded: Bounded) -> tuple[Share, ...]:
    return tuple(
        Share(name=bounded.text(name, _MAX_NAME_CHARS), count=count)
        for name, count in ranked[:MAX_SHARES]
    )


def _named(shares: Sequence[Share], count: int) -> str:
    """Name the greatest and count the others; a list that is shortened here loses nothing."""
    named = ", ".join(f"{share.name} {share.count:,}" for share in shares)
    others = count - len(shares)
    return f"{named} and {others:,} more" if others > 0 else named
