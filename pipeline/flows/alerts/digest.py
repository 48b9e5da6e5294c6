"""One message in place of many: what a page budget held back while a storm lasted."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from pipeline.flows.alerts.bounded import MAX_TITLE_CHARS, Bounded
from pipeline.flows.alerts.chat import content, metadata
from pipeline.flows.alerts.evidence import firing_command
from pipeline.flows.alerts.notification import Digest, Evidence, Notification, Share
from pipeline.flows.alerts.occasion import Deployment, Storm
from pipeline.flows.alerts.texts import duration_text, moment_text
from pipeline.flows.alerts.wording import runbook_address

RULE_ID: Final = "storm_digest"
RUNBOOK: Final = "Storm digest"
"""The digest's heading in docs/operations.md."""

MAX_SHARES: Final = 5
_MAX_NAME_CHARS: Final = 100

_IMPACT: Final = (
    "These alerts were not paged one by one; each keeps its own row, and its resolve tells of it."
)
_STEPS: Final = (
    "Look for the one cause that these rules and subjects share: a release, a host, a provider.",
    "List what is firing with the command below.",
    "If one rule is wrong, silence that rule, then correct it.",
)


def compose_digest(storm: Storm, where: Deployment) -> Notification:
    """Write the machine record of a digest; whatever of it is not about one alert is of the storm.

    Its thread is the storm's: every digest of one storm lands in it.
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
    runbook_url = runbook_address(RUNBOOK, where)
    return Notification(
        schema_version="1.0",
        alert_id=storm.digest_id,
        dedup_key=RULE_ID,
        status="update",
        severity=storm.severity,
        rule_id=RULE_ID,
        rule_version=1,
        detector="health",
        title=title,
        summary=summary,
        entity=where.service,
        component="alert flow",
        group=where.service,
        class_=RULE_ID,
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
        next_steps=_STEPS,
        silence_command=None,
        replay=False,
        notification_reason="storm_digest",
        labels={},
        annotations={"impact": _IMPACT},
        recent=(),
        version="1.0",
        source="custom",
        id=storm.notification_id,
        content=content(
            ("digest", storm.severity, title), (summary,), reasons, _STEPS, runbook_url
        ),
        metadata=metadata(
            storm.digest_id,
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
