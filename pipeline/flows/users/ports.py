"""What the users flow needs from outside, as protocols.

Every method raises `RetryableError` for throttling and outage, after its own bounded retries.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from pipeline.detection.anomaly import Anomaly
from pipeline.jobs import OnboardingJob
from pipeline.ports import LakeObject, RemainingTime, StateKey


class AuditRow(NamedTuple):
    """One change of a user for those who look into it later; values are masked.

    `changes` maps each attribute to what it was and what it is, as people may read it.
    """

    user_id: str
    changed_at: datetime
    change_id: str
    changes: Mapping[str, tuple[str, str]]


class UserSink(Protocol):
    """Rows and objects that are idempotent by their keys."""

    def write(
        self,
        audit_rows: Sequence[AuditRow],
        anomalies: Sequence[Anomaly],
        objects: Sequence[LakeObject],
        remaining_s: RemainingTime,
    ) -> None:
        """Write everything, in no order; on return all of it is durable."""


class JobQueue(Protocol):
    """The queue of the onboarding jobs."""

    def send(self, jobs: Sequence[OnboardingJob]) -> None:
        """Queue jobs. After an error some of them may be queued; a repetition queues all again."""


class Versioned(NamedTuple):
    """A state and the version of its row, 0 for none; a write names the version that it read."""

    state: bytes
    version: int


class StateChange(NamedTuple):
    """A state that replaces version `replaces`, and what was found on the way to it.

    `expires_at` is in epoch seconds.
    """

    state: bytes
    replaces: int
    expires_at: int
    anomalies: Sequence[Anomaly]


class VersionedStates(Protocol):
    """States with any number of writers: whoever has read the newest version may replace it."""

    def read(
        self, keys: Sequence[StateKey], remaining_s: RemainingTime
    ) -> Mapping[StateKey, Versioned]:
        """Read rows consistently; keys without a row are absent from the answer."""

    def write(self, changes: Mapping[StateKey, StateChange]) -> Sequence[StateKey]:
        """Replace rows, each together with its anomalies or not at all.

        Returns the keys that somebody else has written meanwhile; nothing of those is written.
        After an error some of the others may be.
        """


class Suspects(Protocol):
    """Marks of records that are tried alone; one that stays behind tells of a function's death."""

    def tries(self, change_id: str, remaining_s: RemainingTime) -> int:
        """Return how often a record was tried and never ended."""

    def mark(self, change_id: str, tries: int, expires_at: int) -> None:
        """Say how often a record is tried, this time included; `expires_at` in epoch seconds."""

    def clear(self, change_id: str) -> None:
        """Forget the tries of a record, which has ended in an orderly way."""


class Removal(NamedTuple):
    """A removed user: who, and by which record."""

    user_id: str
    sequence: str


class UserContent(Protocol):
    """One kind of what belongs to a user and goes with him."""

    def erase(self, removal: Removal, remaining_s: RemainingTime) -> bool:
        """Erase it, as far as the time allows; idempotent.

        Returns True when nothing is left, False when there is more: call again, which goes on
        where this call stopped. What the same user id has made since by a new registration stays,
        where the kind can tell.
        """
