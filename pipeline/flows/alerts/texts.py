"""Text for people: bounded, free of control characters, personal data masked."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from pipeline.flows.alerts.masks import mask

_BLOCKS: Final = "▁▂▃▄▅▆▇█"

_MAX_MARKS: Final = 2
"""Combining marks on one letter that are kept; more of them bleed into the lines around."""

_WEB_HOST: Final = re.compile(r"\bwww\.", re.IGNORECASE)


def clean(text: str, max_chars: int) -> str:
    """Return one tidy line, cut on a word and marked when it was too long."""
    return cut(tidy(text), max_chars)


def tidy(text: str) -> str:
    """Return one line with personal data masked, which does nothing but stand there.

    Control and format characters (such as those that turn the direction of writing around) become
    spaces; letters keep few of the marks above and below them.
    """
    kept: list[str] = []
    marks = 0
    for char in text:
        category = unicodedata.category(char)[0]
        marks = marks + 1 if category == "M" else 0
        if marks <= _MAX_MARKS:
            kept.append(" " if category in "CZ" else char)
    return mask(" ".join("".join(kept).split()))


def defang(text: str) -> str:
    """Break the addresses in a text, so that no program makes a link of what a producer wrote."""
    return _WEB_HOST.sub("www[.]", text.replace("://", "[:]//"))


def cut(text: str, max_chars: int, mark: str = "…") -> str:
    """Shorten a text to at most `max_chars` on a whole word, with a mark at its end."""
    if len(text) <= max_chars:
        return text
    room = max_chars - len(mark)
    head, space, _ = text[: room + 1].rpartition(" ")
    return (head if space and head else text[:room]).rstrip() + mark


def to_ascii(text: str) -> str:
    """Return printable ASCII: accents dropped, what has no ASCII form as a question mark."""
    plain = unicodedata.normalize("NFKD", text)
    kept = "".join(char for char in plain if not unicodedata.combining(char))
    return "".join(char if " " <= char <= "~" else "?" for char in kept)


def moment_text(moment: datetime) -> str:
    """Write a moment as RFC 3339 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:23] + "Z"


def duration_text(duration: timedelta) -> str:
    """Write a length of time in its largest two units, such as `1 h 5 min`."""
    minutes, seconds = divmod(max(0, int(duration.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next((index for index, (count, _) in enumerate(units) if count), len(units) - 1)
    shown = units[first : first + (2 if first < 2 else 1)]
    return " ".join(f"{count} {unit}" for count, unit in shown if count or len(shown) == 1)


def sparkline(values: Sequence[float]) -> str:
    """Draw values as blocks between the least and the greatest; nothing for fewer than two."""
    finite = [value for value in values if abs(value) < float("inf")]
    if len(finite) < 2:
        return ""
    least, greatest = min(finite), max(finite)
    scale = greatest / 2 - least / 2  # halves: the difference itself may be beyond a float
    if scale == 0:
        return _BLOCKS[0] * len(finite)
    top = len(_BLOCKS) - 1
    return "".join(_BLOCKS[round((value / 2 - least / 2) / scale * top)] for value in finite)
