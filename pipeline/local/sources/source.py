"""What the local Lambda needs from anything that invokes functions, be it a stream or a queue."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one part of a source is, such as a shard.

    `is_settled` says that nothing which was read is still to be done; `has_ended` that nothing will
    ever be read again. `fetched` counts what was read and `empty_polls` the looks that found
    nothing; both only ever grow.
    """

    is_settled: bool
    has_ended: bool
    fetched: int
    empty_polls: int


class Source(Protocol):
    """Reads records, messages or events on threads of its own, and invokes a function with them."""

    @property
    def name(self) -> str:
        """The logical id of the resource that makes it a source."""

    @property
    def function(self) -> str:
        """The logical id of the function that it feeds."""

    @property
    def failure(self) -> Exception | None:
        """What has stopped it for good, None as long as nothing has."""

    def start(self) -> None:
        """Take the starting position, then begin; returns when the position is taken."""

    def stop(self) -> None:
        """Ask every thread to end, without waiting."""

    def join(self, timeout_s: float) -> bool:
        """Wait for every thread's end, each so long at most; return whether all have ended."""

    def refresh(self) -> None:
        """Look for new parts, such as shards, at once."""

    def progress(self) -> dict[str, Progress]:
        """Return how far each part is."""
