"""What the check-up of the pipeline needs from outside."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from pipeline.ports import Cursor


class Progress(Protocol):
    """How far the event flow is, as it notes itself."""

    def cursors(self) -> Mapping[str, Cursor]:
        """Read the cursor of every shard that ever had one, by shard id, consistently."""

    def states(self, detector: str, subjects: Sequence[str]) -> Sequence[bytes]:
        """Read the states of a detector's subjects in all shards, those of closed ones included."""


class Tail(NamedTuple):
    """What of a shard waits behind a sequence number.

    `waiting_since` is the arrival of the first record that waits, None when none was found.
    `is_end` says that none waits: the stream was read up to its end.
    """

    waiting_since: datetime | None
    is_end: bool


class StreamTail(Protocol):
    """The event stream, to be looked at and not to be consumed."""

    def behind(self, shard_id: str, applied: int) -> Tail:
        """Look for the first record behind a sequence number, 0 for the oldest one kept.

        A shard that the stream has dropped has nothing waiting.
        """


class RulesFault(NamedTuple):
    """Why the override of the rules is not followed; `version` is 0 if it could not be read."""

    parameter: str
    version: int
    reason: str


class RulesOverride(Protocol):
    """The parameter that overrides the packaged rules."""

    def faults(self) -> Sequence[RulesFault]:
        """Return why it is not followed, nothing when it is or when there is none."""


class DeadLetterQueues(Protocol):
    """The dead-letter queues of the stack."""

    def depths(self) -> Mapping[str, int]:
        """Return about how many messages each queue has, by the queue's name."""
