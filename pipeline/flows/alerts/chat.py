"""The part of a notification that chats show: a custom notification of Amazon Q Developer.

The required fields are `version` "1.0", `source` "custom" and `content.description`; context values
are strings. AWS takes a title of 250 characters, a description of 8,000, next steps of 350 each and
keywords of 75 each. Title and description stay below what Slack shows of one message, too: a
heading of 150 characters and a text of 3,000.
Source: Amazon Q Developer in chat applications Administrator Guide, custom notifications, parameter
details; Slack developer documentation, block kit.
"""

from collections.abc import Sequence
from typing import Final

from pipeline.detection.anomaly import Severity
from pipeline.flows.alerts.notification import Content, Metadata
from pipeline.flows.alerts.texts import cut

MAX_HEADLINE_CHARS: Final = 150
MAX_DESCRIPTION_CHARS: Final = 2900
MAX_STEP_CHARS: Final = 350

_INERT: Final = str.maketrans(
    {
        "<": "‹",  # noqa: RUF001  meant to look alike
        ">": "›",  # noqa: RUF001  meant to look alike
        "@": "＠",  # noqa: RUF001  meant to look alike
        "*": "∗",  # noqa: RUF001  meant to look alike
        "~": "∼",  # noqa: RUF001  meant to look alike
        "`": "'",
        "[": "(",
        "]": ")",
        "|": "¦",
        "\\": "/",
    }
)
"""Takes the chat's power from a text: `<!channel>` and `@here` call people, `<url|text>` and
`[text](url)` are links, the others are markup. Source: Slack developer documentation, formatting
text; Microsoft Teams documentation, format text with markdown."""


def inert(text: str) -> str:
    """Return a text that no chat takes for a mention, a link or markup."""
    return text.translate(_INERT)


def content(
    headline: tuple[str, Severity, str],
    paragraphs: Sequence[str],
    reasons: Sequence[str],
    steps: Sequence[str],
    runbook_url: str | None,
) -> Content:
    """Return what the chat shows.

    Args:
        headline: Status, severity and title; the first two are keywords too.
        paragraphs: What it is about; empty ones are left out.
        reasons: Why, as a list below.
        steps: What to do.
        runbook_url: Where more is written; left out here if it is too long for a step, since a part
            of an address leads nowhere.
    """
    status, severity, title = headline
    lines = [
        *(inert(paragraph) for paragraph in paragraphs if paragraph),
        *(f"- {inert(reason)}" for reason in reasons),
    ]
    runbook = f"Runbook: {runbook_url}" if runbook_url else ""
    has_runbook = 0 < len(runbook) <= MAX_STEP_CHARS
    return Content(
        text_type="client-markdown",
        title=cut(f"[{status}][{severity}] {inert(title)}", MAX_HEADLINE_CHARS),
        description=_cut_lines("\n".join(lines), MAX_DESCRIPTION_CHARS),
        next_steps=(
            *(cut(inert(step), MAX_STEP_CHARS) for step in steps),
            *([runbook] if has_runbook else []),
        ),
        keywords=(status, severity),
    )


def metadata(
    thread_id: str,
    summary: str,
    event_type: str,
    resource: str,
    context: dict[str, str],
) -> Metadata:
    """Return what the chat groups by; a context value without text is left out."""
    return Metadata(
        thread_id=thread_id,
        summary=inert(summary),
        event_type=event_type,
        related_resources=(inert(resource),) if resource else (),
        additional_context={name: value for name, value in context.items() if value},
    )


def _cut_lines(text: str, max_chars: int) -> str:
    if len(text) <= max_chars:
        return text
    return text[: max_chars - 2].rpartition("\n")[0] + "\n…"
