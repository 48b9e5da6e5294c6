"""One page of each kind out of all that arrived: what people are told over an alert's life."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from pipeline.cli.demo.inbox import Notification

_DIGEST: Final = "[DIGEST]"


def samples(
    pages: Sequence[Notification], planted: Sequence[str]
) -> Iterator[tuple[str, Notification]]:
    """Yield a first page, an update, a digest and a resolve, as far as there are, and what it is.

    Args:
        pages: What arrived from OnCallTopic.
        planted: Dedup keys of the planted incidents; pages of the first of them are preferred.
    """
    rank = {key: number for number, key in enumerate(planted)}
    ordered = sorted(
        pages, key=lambda page: rank.get(page.attributes.get("dedup_key", ""), len(rank))
    )
    kinds: tuple[tuple[str, Callable[[Notification], bool]], ...] = (
        ("a first page", lambda page: _status(page) == "firing"),
        ("an update", lambda page: _status(page) == "update" and not _is_digest(page)),
        ("a digest", _is_digest),
        ("a resolve", lambda page: _status(page) == "resolved"),
    )
    for what, fits in kinds:
        if found := next(filter(fits, ordered), None):
            yield what, found


def _status(page: Notification) -> str:
    return page.attributes.get("status", "")


def _is_digest(page: Notification) -> bool:
    return page.subject.startswith(_DIGEST)
