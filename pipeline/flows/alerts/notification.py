"""The machine record of a notification: what `schemas/alert.json` promises to subscribers.

The same JSON document is a custom notification of Amazon Q Developer in chat applications, which
reserves the top-level names `version`, `source`, `id`, `content` and `metadata`; the entity in
trouble is therefore called `entity` here and `source` in the message attributes.
Source: Amazon Q Developer in chat applications Administrator Guide, custom notifications.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from pipeline.detection.anomaly import Baseline, DetectorKind, Severity
from pipeline.flows.alerts.texts import cut, to_ascii

MAX_SUBJECT_CHARS: Final = 99
"""Source: Amazon SNS API Reference, Publish: a subject has less than 100 characters."""

_MAX_ENVIRONMENT_CHARS: Final = 20
_MAX_ATTRIBUTE_CHARS: Final = 1024
_MAX_COUNT: Final = 9_999_999

NotificationReason = Literal[
    "first", "severity", "count", "repeat", "group", "acknowledged", "resolved", "storm_digest"
]
EndedBy = Literal["cleared", "quiet", "hand"]
Status = Literal["firing", "update", "resolved"]
Timestamp = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Where to look further. `query` is a shell command; None is unknown to the alert flow."""

    archive_uri: str | None = None
    query: str | None = None
    trace_id: str | None = None


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a storm one rule or one subject made: notifications that were held back."""

    name: str
    count: int


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """What a page budget held back; `rules` and `subjects` are the greatest, the others counted."""

    starts_at: Timestamp
    ends_at: Timestamp
    budget: int
    suppressed_count: int
    rules: tuple[Share, ...]
    rule_count: int
    subjects: tuple[Share, ...]
    subject_count: int


class Content(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the chat shows."""

    text_type: Literal["client-markdown"]
    title: str
    description: str
    next_steps: tuple[str, ...]
    keywords: tuple[str, ...]


class Metadata(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the chat groups by: everything about one `dedup_key` lands in one thread."""

    thread_id: str
    summary: str
    event_type: str
    related_resources: tuple[str, ...]
    additional_context: dict[str, str]


class Notification(msgspec.Struct, frozen=True, kw_only=True, rename={"class_": "class"}):
    """One message about an alert. Fields are only ever added, at the end and with a default.

    `observed`, `threshold`, `baseline` and `recent` are in `unit`; timestamps are RFC 3339 in UTC
    with milliseconds. `truncated` says that a text or a list was cut to its limit.

    Of this alert the page budget has held `suppressed_count` notifications back, and silences and
    inhibitions have hidden `silenced_count`. `group_members` have joined it, or with `group_over`
    are over. `actor` acknowledged or resolved it, with a `note`. Of a `digest` the alert fields say
    what the storm as a whole is.
    """

    schema_version: Literal["1.0"]
    alert_id: str
    dedup_key: str
    status: Status
    severity: Severity
    rule_id: str
    rule_version: int
    detector: DetectorKind
    title: str
    summary: str
    entity: str
    component: str
    group: str
    class_: str
    environment: str
    service: str
    region: str
    starts_at: Timestamp
    last_seen_at: Timestamp
    ends_at: Timestamp | None
    detected_at: Timestamp
    event_lag_ms: int
    observed: float | None
    expected: str
    unit: str
    threshold: float | None
    window_s: int | None
    baseline: Baseline | None
    score: float | None
    reasons: tuple[str, ...]
    count: int
    suppressed_count: int
    event_ids: tuple[str, ...]
    truncated: bool
    evidence: Evidence
    runbook_url: str | None
    next_steps: tuple[str, ...]
    silence_command: str | None
    replay: bool
    notification_reason: NotificationReason
    labels: dict[str, str]
    annotations: dict[str, str]
    recent: tuple[float, ...]
    version: Literal["1.0"]
    source: Literal["custom"]
    id: str
    content: Content
    metadata: Metadata
    silenced_count: int = 0
    group_members: tuple[str, ...] = ()
    group_count: int = 1
    actor: str = ""
    ended_by: EndedBy | None = None
    digest: Digest | None = None
    note: str = ""
    group_over: bool = False


def subject(notification: Notification) -> str:
    """Return the subject line: printable ASCII, at most 99 characters, the title cut on a word.

    Source: Amazon SNS API Reference, Publish: a subject is ASCII text without line breaks or
    control characters and begins with a letter, a number or a punctuation mark.
    """
    environment = cut(_ascii_line(notification.environment), _MAX_ENVIRONMENT_CHARS, "...")
    tail = _group_tail(notification) + (f" ({environment})" if environment else "")
    head = _subject_head(notification)
    room = MAX_SUBJECT_CHARS - len(head) - len(tail)
    return head + cut(_ascii_line(notification.title) or "?", room, "...") + tail


def attributes(notification: Notification) -> dict[str, str]:
    """Return the message attributes for filter policies; one without a value is left out.

    Source: Amazon SNS Developer Guide, message attributes: a name, a type and a value are needed.
    """
    values = {
        "severity": notification.severity,
        "status": notification.status,
        "rule_id": notification.rule_id,
        "class": notification.class_,
        "component": notification.component,
        "environment": notification.environment,
        "source": notification.entity,
        "dedup_key": notification.dedup_key,
        "schema_version": notification.schema_version,
        "replay": str(notification.replay).lower(),
    }
    return {name: value[:_MAX_ATTRIBUTE_CHARS] for name, value in values.items() if value.strip()}


def _subject_head(notification: Notification) -> str:
    if notification.digest:
        return "[DIGEST] "
    severity = notification.severity.upper()
    if notification.status == "resolved":
        return f"[RESOLVED][{severity}] "
    count = notification.count
    return f"[FIRING:{count if count <= _MAX_COUNT else f'{_MAX_COUNT}+'}][{severity}] "


def _group_tail(notification: Notification) -> str:
    """Return how many others a group's update is about, so that it differs from the first page."""
    others = min(notification.group_count - 1, _MAX_COUNT)
    if notification.notification_reason != "group" or not others:
        return ""
    if not notification.group_over:
        return f" and {others} more"
    return f": {others} {'other' if others == 1 else 'others'} over"


def _ascii_line(text: str) -> str:
    return " ".join(to_ascii(text).split())
