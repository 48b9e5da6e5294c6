"""The page that an on-call engineer reads: plain text of at most 25 lines, made of the record.

What to know stands above, what to do in the middle, and what can wait below.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from pipeline.detection.texts import quantity
from pipeline.flows.alerts.notification import (
    Digest,
    Notification,
    NotificationReason,
    Share,
    subject,
)
from pipeline.flows.alerts.texts import clean, cut, defang, duration_text, sparkline
from pipeline.flows.alerts.wording import window_text

MAX_LINES: Final = 25
MAX_LINE_CHARS: Final = 1000
MAX_SMS_CHARS: Final = 160
"""Source: 3GPP TS 23.038: a message of 140 octets holds 160 characters of seven bits."""

_MAX_PLACE_CHARS: Final = 400
_MAX_REASONS: Final = 3
_LABEL_WIDTH: Final = 13

_WHY: Final[dict[NotificationReason, str]] = {
    "first": "the first page of this alert; more of the same joins it without a page",
    "severity": "its severity has risen",
    "count": "it has happened ten times as often as last told",
    "repeat": "it goes on and the repeat interval has passed",
    "group": "others have joined it",
    "acknowledged": "somebody has taken it over",
    "resolved": "it is over; no answer is needed",
    "storm_digest": "more was due than the page budget lets through",
}

# Of these each takes two of the seven-bit characters, or has none.
_SMS_FORMS: Final = str.maketrans("[]{}\\^~|`", "()()/'-/'")


def page_text(notification: Notification, now: datetime) -> str:
    """Write the page.

    Args:
        notification: What to tell; its texts are masked and bounded already.
        now: The moment of sending, against which ages are told.
    """
    if notification.digest:
        lines = _digest_lines(notification, notification.digest, now)
    else:
        lines = _alert_lines(notification, now)
    return "\n".join(cut(line, MAX_LINE_CHARS) for line in lines) + "\n"


def sms_text(notification: Notification) -> str:
    """Write the one-line form: subject and the beginning of the id, at most one SMS long."""
    tail = f", id {notification.alert_id[:8]}"
    line = subject(notification).translate(_SMS_FORMS)
    return cut(line, MAX_SMS_CHARS - len(tail), "...") + tail


def _alert_lines(record: Notification, now: datetime) -> list[str]:
    return [
        f"{record.status.upper()} {record.severity.upper()}: {record.title}",
        "",
        *_section("News", _sentence(record.annotations.get("change", ""))),
        *_section("What", _what(record)),
        *_section("Last values", _values(record)),
        *_section("Why", *record.reasons[:_MAX_REASONS]),
        *_section("Where", _where(record)),
        *_section("Since", _since(record, now)),
        *_todo(record),
        *_section("Runbook", record.runbook_url or "none known for this rule"),
        *_section("Evidence", record.evidence.query or ""),
        "",
        *_section("You get this", _why(record)),
        *_section("Held back", _held_back(record)),
        *_section("Take it over", _acknowledge(record)),
        *_section("Silence it", _silence(record)),
        *_section("Alert id", record.alert_id),
    ]


def _digest_lines(record: Notification, digest: Digest, now: datetime) -> list[str]:
    return [
        f"DIGEST {record.severity.upper()}: {record.title}",
        "",
        *_section("What", record.summary),
        *_section("Rules", *_ranked(digest.rules, digest.rule_count)),
        *_section("Subjects", *_ranked(digest.subjects, digest.subject_count)),
        *_section("Where", f"{record.environment} {record.region}"),
        *_section("When", _window(digest, now)),
        *_todo(record),
        *_section("Runbook", record.runbook_url or ""),
        *_section("Evidence", record.evidence.query or ""),
        "",
        *_section("You get this", _WHY[record.notification_reason]),
        *_section("Take it over", _acknowledge(record)),
        *_section("Alert id", record.alert_id),
    ]


def _why(record: Notification) -> str:
    if record.group_over:
        return "others that were told of in this thread are over"
    return _WHY[record.notification_reason]


def _todo(record: Notification) -> list[str]:
    if record.status == "resolved":
        return []
    return [
        *_section("Impact", record.annotations.get("impact", "")),
        *_section("Next steps", *(f"{n}. {step}" for n, step in enumerate(record.next_steps, 1))),
    ]


def _acknowledge(record: Notification) -> str:
    is_taken = record.notification_reason == "acknowledged" or record.status == "resolved"
    return "" if is_taken else record.annotations.get("acknowledge", "")


def _silence(record: Notification) -> str:
    if record.status == "resolved":
        return ""
    return record.silence_command or "its subject cannot stand in a command; the runbook says how"


def _section(label: str, *entries: str) -> list[str]:
    told = [entry for entry in entries if entry]
    labels = [f"{label}:", *[""] * len(told)]
    return [f"{label:<{_LABEL_WIDTH}} {entry}" for label, entry in zip(labels, told, strict=False)]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _what(record: Notification) -> str:
    observed = "unknown" if record.observed is None else quantity(record.observed, record.unit)
    expected = f", expected {record.expected}" if record.expected else ""
    count = f", {record.count:,} times" if record.count > 1 else ""
    return f"observed {observed}{expected}{window_text(record)}{count}"


def _values(record: Notification) -> str:
    drawn = sparkline(record.recent)
    if not drawn:
        return ""
    least, greatest = (quantity(edge(record.recent), record.unit) for edge in (min, max))
    return f"{drawn}  {least} to {greatest}, newest right"


def _where(record: Notification) -> str:
    labels = (f"{name}={value}" for name, value in record.labels.items() if value != record.entity)
    parts = (record.entity, record.component, *labels, f"{record.environment} {record.region}")
    return clean(defang(" · ".join(part for part in parts if part)), _MAX_PLACE_CHARS)


def _since(record: Notification, now: datetime) -> str:
    started = datetime.fromisoformat(record.starts_at)
    text = f"{started:%Y-%m-%d %H:%M:%S} UTC ({_ago(now, started)})"
    if record.ends_at:
        ended = datetime.fromisoformat(record.ends_at)
        return f"{text}, over at {ended:%H:%M:%S} after {duration_text(ended - started)}"
    seen = datetime.fromisoformat(record.last_seen_at)
    return text if seen == started else f"{text}, last seen {_ago(now, seen)}"


def _window(digest: Digest, now: datetime) -> str:
    started, ended = map(datetime.fromisoformat, (digest.starts_at, digest.ends_at))
    return f"{started:%Y-%m-%d %H:%M:%S} to {ended:%H:%M:%S} UTC ({_ago(now, ended)})"


def _ago(now: datetime, moment: datetime) -> str:
    age = now - moment
    if abs(age.total_seconds()) < 1:
        return "just now"
    if age.total_seconds() < 0:
        return f"{duration_text(-age)} ahead of this clock"
    return f"{duration_text(age)} ago"


def _held_back(record: Notification) -> str:
    told = [
        f"{count:,} {by}"
        for count, by in (
            (record.suppressed_count, "by the page budget"),
            (record.silenced_count, "by silences and inhibitions"),
        )
        if count
    ]
    return f"of this alert {', '.join(told)}" if told else "nothing"


def _ranked(shares: Sequence[Share], count: int) -> list[str]:
    width = max((len(f"{share.count:,}") for share in shares), default=0)
    lines = [f"{share.count:>{width},} x {share.name}" for share in shares]
    others = count - len(shares)
    return [*lines[:-1], f"{lines[-1]} and {others:,} more"] if others > 0 and lines else lines
