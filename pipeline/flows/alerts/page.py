"""The page that an on-call engineer reads: plain text of at most 25 lines, made of the record."""

from datetime import datetime
from typing import Final

from pipeline.flows.alerts.notification import Notification, NotificationReason
from pipeline.flows.alerts.texts import clean, cut, duration_text, quantity, sparkline

MAX_LINES: Final = 25
MAX_LINE_CHARS: Final = 2000
_MAX_PLACE_CHARS: Final = 400
_NO_COMMAND: Final = "no command: the key is too long or holds personal data; use the alert id"
_LABEL_WIDTH: Final = 13

_WHY: Final[dict[NotificationReason, str]] = {
    "first": "first page of this alert; more of the same joins it without a page",
    "severity": "its severity has risen",
    "count": "it has happened ten times as often as last told",
    "repeat": "it is still firing",
    "group": "others have joined it",
    "acknowledged": "somebody has taken it over",
    "resolved": "it is over",
    "storm_digest": "many alerts at once",
}


def page_text(notification: Notification, now: datetime) -> str:
    """Write the page.

    Args:
        notification: What to tell; its texts are masked and bounded already.
        now: The moment of sending, against which ages are told.
    """
    record = notification
    lines = [
        f"{record.status.upper()} {record.severity.upper()}: {record.title}",
        "",
        *_section("What", _what(record)),
        *_section("Why", *record.reasons[:3]),
        *_section("Last values", _values(record)),
        *_section("Where", _where(record)),
        *_section("Since", _since(record, now)),
        *_todo(record),
        *_section("Runbook", record.runbook_url or "none known for this rule"),
        *_section("Evidence", record.evidence.query or _NO_COMMAND),
        "",
        *_section("You get this", _why(record)),
        *_section(
            "Silence it", "for one subscriber, until the policy is removed:", _silence(record)
        ),
        *_section("Alert id", record.alert_id),
    ]
    return "\n".join(cut(line, MAX_LINE_CHARS) for line in lines) + "\n"


def _todo(record: Notification) -> list[str]:
    if record.status == "resolved":
        return _section(
            "Next steps", "none to end it; the runbook has what keeps it from coming back"
        )
    return [
        *_section("Impact", record.annotations.get("impact", "")),
        *_section("Next steps", *(f"{n}. {step}" for n, step in enumerate(record.next_steps, 1))),
    ]


def _silence(record: Notification) -> str:
    return record.silence_command or _NO_COMMAND


def _section(label: str, *entries: str) -> list[str]:
    told = [entry for entry in entries if entry]
    labels = [f"{label}:", *[""] * len(told)]
    return [f"{label:<{_LABEL_WIDTH}} {entry}" for label, entry in zip(labels, told, strict=False)]


def _what(record: Notification) -> str:
    observed = "unknown" if record.observed is None else quantity(record.observed, record.unit)
    expected = f", expected {record.expected}" if record.expected else ""
    count = f", {record.count:,} times" if record.count > 1 else ""
    window = f" within {record.window_s} s" if record.window_s else ""
    return f"observed {observed}{expected}{count}{window}"


def _values(record: Notification) -> str:
    drawn = sparkline(record.recent)
    if not drawn:
        return ""
    least, greatest = (quantity(edge(record.recent), record.unit) for edge in (min, max))
    return f"{drawn}  {least} to {greatest}, newest right"


def _where(record: Notification) -> str:
    labels = ", ".join(
        f"{name}={value}" for name, value in record.labels.items() if value != record.entity
    )
    parts = (record.entity, record.component, labels, f"{record.environment} {record.region}")
    return clean(" · ".join(part for part in parts if part), _MAX_PLACE_CHARS)


def _since(record: Notification, now: datetime) -> str:
    started = datetime.fromisoformat(record.starts_at)
    text = f"{started:%Y-%m-%d %H:%M:%S} UTC ({_ago(now, started)})"
    if record.ends_at:
        ended = datetime.fromisoformat(record.ends_at)
        return f"{text}, over at {ended:%H:%M:%S} after {duration_text(ended - started)}"
    seen = datetime.fromisoformat(record.last_seen_at)
    return text if seen == started else f"{text}, last seen {_ago(now, seen)}"


def _ago(now: datetime, moment: datetime) -> str:
    age = now - moment
    if age.total_seconds() < 0:
        return f"{duration_text(-age)} ahead of this clock"
    return f"{duration_text(age)} ago"


def _why(record: Notification) -> str:
    return f"{_WHY[record.notification_reason]}; {record.suppressed_count} similar suppressed"
