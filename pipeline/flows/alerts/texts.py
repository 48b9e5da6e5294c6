"""Text for people: bounded, free of control characters, personal data masked."""

import ipaddress
import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

_EMAIL: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})*")
_IPV4: Final = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)")
_IPV6_LIKE: Final = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?!\w)")
_CARD_LIKE: Final = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
_BLOCKS: Final = "▁▂▃▄▅▆▇█"


def clean(text: str, max_chars: int) -> str:
    """Return one line without control characters, masked, cut on a word and marked when too long.

    E-mail addresses, IP addresses and runs of digits with a card number's check digit are masked.
    """
    line = " ".join(
        "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text).split()
    )
    return cut(mask(line), max_chars)


def mask(text: str) -> str:
    """Replace personal data by what kind of data it was."""
    text = _EMAIL.sub("[e-mail]", text)
    text = _IPV4.sub("[ip]", text)
    text = _IPV6_LIKE.sub(_mask_ipv6, text)
    return _CARD_LIKE.sub(_mask_card, text)


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


def quantity(value: float, unit: str) -> str:
    """Write a figure for a person: four significant digits, no needless zeros, its unit."""
    size = abs(value)
    text = f"{value:,.0f}" if 1e3 <= size < 1e15 else f"{value:.4g}"
    if not unit:
        return text
    return f"{text}%" if unit.lower() in {"%", "percent"} else f"{text} {unit}"


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


def _mask_ipv6(match: re.Match[str]) -> str:
    text = match[0]
    try:
        ipaddress.IPv6Address(text.strip(".").rstrip(":") if not text.endswith("::") else text)
    except ValueError:
        return text
    return "[ip]"


def _mask_card(match: re.Match[str]) -> str:
    digits = [int(char) for char in match[0] if char.isdigit()]
    doubled = [
        digit if index % 2 == 0 else sum(divmod(digit * 2, 10))
        for index, digit in enumerate(reversed(digits))
    ]
    return "[card]" if sum(doubled) % 10 == 0 else match[0]
