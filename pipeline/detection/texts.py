"""Figures and titles in words, the same in a fact and in the page that is made of it."""

from typing import Final

MAX_TITLE_CHARS: Final = 80


def title_text(title: str) -> str:
    """Cut a title to at most `MAX_TITLE_CHARS` characters, with a mark at its end."""
    return title if len(title) <= MAX_TITLE_CHARS else f"{title[: MAX_TITLE_CHARS - 3]}..."


def quantity(value: float, unit: str) -> str:
    """Write a figure for a person: four significant digits, no needless zeros, its unit."""
    size = abs(value)
    text = f"{value:,.0f}" if 1e3 <= size < 1e15 else f"{value:.4g}"
    if not unit:
        return text
    return f"{text}%" if unit.lower() in {"%", "percent"} else f"{text} {unit}"
