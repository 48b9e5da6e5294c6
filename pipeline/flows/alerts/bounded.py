"""Limits of what a notification holds, so that its size is bounded whatever producers send."""

from collections.abc import Sequence
from typing import Final, TypeVar

from pipeline.flows.alerts.texts import cut, defang, tidy

MAX_TEXT_CHARS: Final = 300
MAX_KEY_CHARS: Final = 1024
MAX_LABEL_CHARS: Final = 256
MAX_REASONS: Final = 5
MAX_STEPS: Final = 5
MAX_LABELS: Final = 20
MAX_MEMBERS: Final = 10
MAX_RECENT: Final = 60

T = TypeVar("T")


class Bounded:
    """Cuts texts and lists to their limits and remembers whether it had to."""

    def __init__(self) -> None:
        self.is_exceeded = False

    def text(self, text: str, max_chars: int = MAX_TEXT_CHARS) -> str:
        """Return a text for people: personal data masked, addresses broken."""
        line = defang(tidy(text))
        return self._kept(cut(line, max_chars), line)

    def own_text(self, text: str) -> str:
        """Return a text that the rules hold: its addresses are ours and stay whole."""
        line = tidy(text)
        return self._kept(cut(line, MAX_TEXT_CHARS), line)

    def texts(self, texts: Sequence[str], max_items: int) -> tuple[str, ...]:
        """Return texts for people, empty ones left out."""
        lines = (self.text(text) for text in self.first(texts, max_items))
        return tuple(line for line in lines if line)

    def key(self, key: str, max_chars: int = MAX_KEY_CHARS) -> str:
        """Return an identity: never masked, so that it stays one."""
        plain = "".join(char for char in key if char.isprintable())
        return self._kept(plain[:max_chars], plain)

    def first(self, items: Sequence[T], max_items: int) -> Sequence[T]:
        """Return the first items of a list."""
        self.is_exceeded |= len(items) > max_items
        return items[:max_items]

    def _kept(self, kept: str, whole: str) -> str:
        self.is_exceeded |= kept != whole
        return kept
