"""From a fact and its alert to the machine record: texts masked, bounded and marked when cut."""

import json
import re
import shlex
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, TypeVar

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.rules import RuleText
from pipeline.flows.alerts.notification import (
    Content,
    Evidence,
    Metadata,
    Notification,
    NotificationReason,
    Status,
)
from pipeline.flows.alerts.occasion import Deployment, Occasion
from pipeline.flows.alerts.texts import clean, duration_text, mask, moment_text, quantity

__all__ = ["Deployment", "Occasion", "compose"]

MAX_TITLE_CHARS: Final = 80
MAX_TEXT_CHARS: Final = 300
MAX_KEY_CHARS: Final = 1024
MAX_COMMAND_KEY_CHARS: Final = 256
MAX_REASONS: Final = 5
MAX_STEPS: Final = 5
MAX_LABELS: Final = 20
MAX_RECENT: Final = 60

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

T = TypeVar("T")


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
    bounded = _Bounded()
    title = bounded.text(fact.title, MAX_TITLE_CHARS) or bounded.text(fact.rule_id, MAX_TITLE_CHARS)
    summary = bounded.text(_summary(fact, occasion, title))
    reasons = bounded.texts(fact.reasons, MAX_REASONS)
    steps = bounded.texts(rule.next_steps, MAX_STEPS) if rule else ()
    runbook_url = f"{where.runbook_url}#{_anchor(rule.runbook)}" if rule else None
    dedup_key = bounded.key(fact.dedup_key)
    is_shareable = len(dedup_key) <= MAX_COMMAND_KEY_CHARS and fact.dedup_key == mask(dedup_key)
    status = _STATUS[occasion.reason]
    return Notification(
        schema_version="1.0",
        alert_id=occasion.alert_id,
        dedup_key=dedup_key,
        status=status,
        severity=occasion.severity,
        rule_id=bounded.key(fact.rule_id),
        rule_version=fact.rule_version,
        detector=fact.detector,
        title=title,
        summary=summary,
        entity=bounded.key(fact.source),
        component=bounded.text(fact.component),
        group=where.service,
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
        suppressed_count=0,
        event_ids=tuple(bounded.key(event_id) for event_id in occasion.event_ids),
        evidence=Evidence(query=_history_query(fact, where) if is_shareable else None),
        runbook_url=runbook_url,
        next_steps=steps,
        silence_command=_silence_command(fact) if is_shareable else None,
        replay=False,
        notification_reason=occasion.reason,
        labels={
            bounded.key(name): bounded.key(value)
            for name, value in bounded.first(sorted(fact.labels.items()), MAX_LABELS)
        },
        annotations={"impact": bounded.text(rule.impact if rule else _unknown(fact, where))},
        recent=fact.recent[-MAX_RECENT:],
        version="1.0",
        source="custom",
        id=occasion.notification_id,
        content=_content(
            f"[{status}][{occasion.severity}] {title}", summary, reasons, steps, runbook_url
        ),
        metadata=Metadata(
            thread_id=occasion.thread_id,
            summary=_unmarked(summary),
            event_type=f"alert.{status}",
            related_resources=(_unmarked(clean(fact.source, MAX_TEXT_CHARS)),),
            additional_context={
                "alert_id": occasion.alert_id,
                "severity": occasion.severity,
                "environment": where.environment,
                "region": where.region,
            },
        ),
        truncated=bounded.is_exceeded,  # last: the arguments are evaluated in order
    )


class _Bounded:
    """Cuts texts and lists to their limits and remembers whether it had to."""

    def __init__(self) -> None:
        self.is_exceeded = False

    def text(self, text: str, max_chars: int = MAX_TEXT_CHARS) -> str:
        """Return a text for people."""
        line = clean(text, len(text) * 2 + 1)
        return self._kept(clean(line, max_chars), line)

    def texts(self, texts: Sequence[str], max_items: int) -> tuple[str, ...]:
        """Return texts for people, empty ones left out."""
        lines = (self.text(text) for text in self.first(texts, max_items))
        return tuple(line for line in lines if line)

    def key(self, key: str) -> str:
        """Return an identity: never masked, so that it stays one."""
        plain = "".join(char for char in key if char.isprintable())
        return self._kept(plain[:MAX_KEY_CHARS], plain)

    def first(self, items: Sequence[T], max_items: int) -> Sequence[T]:
        """Return the first items of a list."""
        self.is_exceeded |= len(items) > max_items
        return items[:max_items]

    def _kept(self, kept: str, whole: str) -> str:
        self.is_exceeded |= len(kept) < len(whole)
        return kept


def _summary(fact: Anomaly, occasion: Occasion, title: str) -> str:
    observed = quantity(fact.observed, fact.unit)
    since = f"since {occasion.starts_at:%H:%M:%S} UTC on {occasion.starts_at:%Y-%m-%d}"
    if occasion.ends_at:
        lasted = duration_text(occasion.ends_at - occasion.starts_at)
        return f"{title}: {observed} observed, over after {lasted}, {since}, {_times(occasion)}."
    expected = f" against {fact.expected} expected" if fact.expected else ""
    window = f" within {duration_text(timedelta(seconds=fact.window_s))}" if fact.window_s else ""
    return f"{title}: {observed} observed{expected}{window}, {_times(occasion)}, {since}."


def _times(occasion: Occasion) -> str:
    return "once" if occasion.count == 1 else f"{occasion.count:,} times"


def _unknown(fact: Anomaly, where: Deployment) -> str:
    return (
        f"unknown: this version of {where.service} has no rule {fact.rule_id} "
        f"(version {fact.rule_version}), so impact, next steps and runbook are missing here"
    )


def _content(
    headline: str,
    summary: str,
    reasons: Sequence[str],
    steps: Sequence[str],
    runbook_url: str | None,
) -> Content:
    runbook = (f"Runbook: {runbook_url}",) if runbook_url else ()
    return Content(
        text_type="client-markdown",
        title=_unmarked(headline),
        description=_unmarked("\n".join([summary, *(f"- {reason}" for reason in reasons)])),
        next_steps=(*(_unmarked(step) for step in steps), *runbook),
        keywords=tuple(re.findall(r"\w+", headline)[:2]),
    )


def _unmarked(text: str) -> str:
    """Take the chat's power from a text: `<!channel>` calls people and `<url|text>` is a link.

    Source: Slack developer documentation, formatting text: special mentions and links.
    """
    return text.replace("<", "‹").replace(">", "›")  # noqa: RUF001  meant to look alike


def _anchor(heading: str) -> str:
    """Return a heading's anchor as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _history_query(fact: Anomaly, where: Deployment) -> str:
    values = json.dumps({":key": {"S": fact.dedup_key}}, ensure_ascii=False)
    return (
        f"aws dynamodb query --table-name {shlex.quote(where.alerts_table)}"
        " --key-condition-expression 'dedup_key = :key'"
        f" --expression-attribute-values {shlex.quote(values)}"
    )


def _silence_command(fact: Anomaly) -> str:
    """Return the command by which a subscriber no longer hears of this `dedup_key`.

    Source: Amazon SNS Developer Guide, subscription filter policies: anything-but matching.
    """
    policy = json.dumps({"dedup_key": [{"anything-but": [fact.dedup_key]}]}, ensure_ascii=False)
    return (
        "aws sns set-subscription-attributes --subscription-arn YOUR_SUBSCRIPTION_ARN"
        f" --attribute-name FilterPolicy --attribute-value {shlex.quote(policy)}"
    )
