"""What the users flow and the onboarding flow need, in memory, with faults as inputs.

A fault strikes the n-th call of a port: before its effect or after it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from pipeline.detection.anomaly import Anomaly
from pipeline.errors import RetryableError
from pipeline.flows.onboarding.ports import Profile, SetUp, Welcome
from pipeline.flows.users.ports import AuditRow, Removal, StateChange, Versioned
from pipeline.jobs import OnboardingJob
from pipeline.ports import LakeObject, RemainingTime, StateKey
from pipeline.users import User

if TYPE_CHECKING:
    from datetime import datetime

Fault = Literal["outage", "lost reply", "crash before", "crash after"]
FAULTS: tuple[Fault, ...] = ("outage", "lost reply", "crash before", "crash after")


class CrashError(BaseException):
    """The execution environment dies here; nothing in it may catch this."""


class FakeUsersAccount:
    """Tables, queue, bucket and topic of one account; every port at once.

    Args:
        fault: Tells the fault that strikes a call, given its number from 1; None for no fault.
    """

    def __init__(self, fault: Callable[[int], Fault | None] = lambda _: None) -> None:
        self.fault = fault
        self.calls: list[str] = []
        self.audit: dict[tuple[str, datetime, str], AuditRow] = {}
        self.anomalies: dict[tuple[str, str], Anomaly] = {}
        self.objects: dict[str, bytes] = {}
        self.jobs: list[OnboardingJob] = []
        self.rows: dict[StateKey, Versioned] = {}
        self.marks: dict[str, int] = {}
        self.content: dict[str, int] = {}
        self.users: dict[str, User] = {}
        self.profiles: dict[str, Profile] = {}
        self.welcomes: list[Welcome] = []
        self.done: set[str] = set()
        self.others: list[Callable[[], None]] = []

    def write(
        self,
        audit_rows: Sequence[AuditRow],
        anomalies: Sequence[Anomaly],
        objects: Sequence[LakeObject],
        remaining_s: RemainingTime,
    ) -> None:
        assert remaining_s() > 0
        with_key = {(row.user_id, row.changed_at, row.change_id): row for row in audit_rows}
        facts = {(fact.dedup_key, fact.fact_key): fact for fact in anomalies}
        bodies = {item.key: item.body for item in objects}
        self._call(
            "sink",
            lambda: (
                self.audit.update(with_key),
                self.anomalies.update(facts),
                self.objects.update(bodies),
            ),
        )

    def send(self, jobs: Sequence[OnboardingJob]) -> None:
        self._call("queue", lambda: self.jobs.extend(jobs))

    def erase(self, removal: Removal, remaining_s: RemainingTime) -> bool:
        """Erase two pieces of content at a time."""
        assert remaining_s() > 0
        left = max(0, self.content.get(removal.user_id, 0) - 2)
        self._call("content", lambda: self.content.update({removal.user_id: left}))
        return left == 0

    def _call(self, name: str, effect: Callable[[], object]) -> None:
        self.calls.append(name)
        fault = self.fault(len(self.calls))
        if fault == "crash before":
            raise CrashError
        if fault == "outage":
            raise RetryableError(f"{name} is throttled")
        effect()
        if fault == "crash after":
            raise CrashError
        if fault == "lost reply":
            raise RetryableError(f"{name} did not answer")


class FakeStates:
    """`VersionedStates` of an account."""

    def __init__(self, account: FakeUsersAccount) -> None:
        self._account = account

    def read(
        self, keys: Sequence[StateKey], remaining_s: RemainingTime
    ) -> Mapping[StateKey, Versioned]:
        assert remaining_s() > 0
        self._account._call("read states", lambda: None)
        return {key: self._account.rows[key] for key in keys if key in self._account.rows}

    def write(self, changes: Mapping[StateKey, StateChange]) -> Sequence[StateKey]:
        lost: list[StateKey] = []
        if self._account.others:
            self._account.others.pop(0)()
        for key, change in changes.items():
            self._account._call("write state", partial(self._put, key, change, lost))
        return lost

    def _put(self, key: StateKey, change: StateChange, lost: list[StateKey]) -> None:
        row = self._account.rows.get(key)
        if (0 if row is None else row.version) != change.replaces:
            lost.append(key)
            return
        self._account.rows[key] = Versioned(change.state, change.replaces + 1)
        self._account.anomalies.update({(f.dedup_key, f.fact_key): f for f in change.anomalies})


class FakeSuspects:
    """`Suspects` of an account."""

    def __init__(self, account: FakeUsersAccount) -> None:
        self._account = account

    def tries(self, change_id: str, remaining_s: RemainingTime) -> int:
        assert remaining_s() > 0
        self._account._call("tries", lambda: None)
        return self._account.marks.get(change_id, 0)

    def mark(self, change_id: str, tries: int, expires_at: int) -> None:
        assert expires_at > 0
        self._account._call("mark", lambda: self._account.marks.update({change_id: tries}))

    def clear(self, change_id: str) -> None:
        self._account._call("clear", lambda: self._account.marks.pop(change_id, None))


class FakeOnboarding:
    """`Users`, `Profiles`, `Notifier` and `Once` of an account."""

    def __init__(self, account: FakeUsersAccount) -> None:
        self._account = account

    def find(self, user_id: str) -> User | None:
        self._account._call("find", lambda: None)
        return self._account.users.get(user_id)

    def set_up(self, profile: Profile) -> SetUp:
        if profile.user_id not in self._account.users:
            return "gone"
        known = self._account.profiles.get(profile.user_id)
        if known is not None and known.registration >= profile.registration:
            return "known"
        self._account._call(
            "set up", lambda: self._account.profiles.update({profile.user_id: profile})
        )
        return "set up"

    def welcome(self, welcome: Welcome) -> None:
        self._account._call("welcome", lambda: self._account.welcomes.append(welcome))

    def do(self, key: str, effect: Callable[[], None]) -> bool:
        if key in self._account.done:
            return False
        effect()
        self._account.done.add(key)
        return True
