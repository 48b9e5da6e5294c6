"""From the machine record to an event of the PagerDuty Events API v2: pure, sends nothing.

A subscriber of AlertsTopic decodes the body, calls `pagerduty_event` and posts the result to
https://events.pagerduty.com/v2/enqueue; docs/alerts.md has one.
Source: PagerDuty API schema, events-v2; PagerDuty developer documentation, Events API v2 overview
(512 KB an event) and PD-CEF (1,024 characters of summary, 255 of deduplication key).
"""

from typing import Final, Literal

import msgspec

from pipeline.detection.anomaly import Severity
from pipeline.flows.alerts.notification import Notification, Timestamp
from pipeline.flows.alerts.texts import clean, cut

MAX_EVENT_BYTES: Final = 512 * 1024
MAX_SUMMARY_CHARS: Final = 1024
MAX_DEDUP_KEY_CHARS: Final = 255

Action = Literal["trigger", "acknowledge", "resolve"]
PagerDutySeverity = Literal["critical", "error", "warning", "info"]

_SEVERITY: Final[dict[Severity, PagerDutySeverity]] = {
    "critical": "critical",
    "high": "error",
    "medium": "warning",
    "low": "info",
    "info": "info",
}
_MAX_SOURCE_CHARS: Final = 255


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """An address shown with the incident."""

    href: str
    text: str


class Payload(msgspec.Struct, frozen=True, kw_only=True, rename={"class_": "class"}):
    """The event in PagerDuty's common format; `custom_details` is shown as a table."""

    summary: str
    source: str
    severity: PagerDutySeverity
    timestamp: Timestamp
    component: str
    group: str
    class_: str
    custom_details: dict[str, str | int | float | list[str] | None]


class PagerDutyEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of a request to the Events API v2; only a trigger has a payload."""

    routing_key: str
    event_action: Action
    dedup_key: str
    payload: Payload | None = None
    client: str = ""
    links: tuple[Link, ...] = ()


def pagerduty_event(notification: Notification, routing_key: str) -> PagerDutyEvent:
    """Return the event that tells PagerDuty of a notification.

    All notifications of one `dedup_key` have one key at PagerDuty, so an update joins the incident
    and the resolve ends it. It is a digest, so that no subject's name is in it and it is never too
    long.

    Args:
        notification: The decoded body of a message on AlertsTopic.
        routing_key: The integration key of the service that is to be paged.
    """
    action = _action(notification)
    key = notification.metadata.thread_id[:MAX_DEDUP_KEY_CHARS]
    if action != "trigger":
        return PagerDutyEvent(routing_key=routing_key, event_action=action, dedup_key=key)
    address = notification.runbook_url
    return PagerDutyEvent(
        routing_key=routing_key,
        event_action="trigger",
        dedup_key=key,
        payload=_payload(notification),
        client=f"{notification.service} {notification.environment}",
        links=(Link(href=address, text="Runbook"),) if address else (),
    )


def _action(notification: Notification) -> Action:
    if notification.status == "resolved":
        return "resolve"
    if notification.notification_reason == "acknowledged":
        return "acknowledge"
    return "trigger"


def _payload(record: Notification) -> Payload:
    return Payload(
        summary=cut(f"{record.title} ({record.environment})", MAX_SUMMARY_CHARS),
        source=clean(record.entity, _MAX_SOURCE_CHARS) or record.service,
        severity=_SEVERITY[record.severity],
        timestamp=record.starts_at,
        component=record.component,
        group=record.group,
        class_=record.class_,
        custom_details=_details(record),
    )


def _details(record: Notification) -> dict[str, str | int | float | list[str] | None]:
    details: dict[str, str | int | float | list[str] | None] = {
        "summary": record.summary,
        "news": record.annotations.get("change"),
        "impact": record.annotations.get("impact"),
        "observed": record.observed,
        "expected": record.expected,
        "unit": record.unit,
        "threshold": record.threshold,
        "score": record.score,
        "count": record.count,
        "reasons": list(record.reasons),
        "next_steps": list(record.next_steps),
        "evidence": record.evidence.query,
        "archive": record.evidence.archive_uri,
        "silence": record.silence_command,
        "held_back": record.suppressed_count,
        "last_seen_at": record.last_seen_at,
        "region": record.region,
        "rule": clean(f"{record.rule_id} version {record.rule_version}", _MAX_SOURCE_CHARS),
        "alert_id": record.alert_id,
    }
    return {name: value for name, value in details.items() if value not in (None, "", [])}
