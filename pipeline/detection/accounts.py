"""The folds over changes of users: take-over of one account, deletion of many.

A change is judged in whatever order it comes, and a repetition changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self, TypeVar

import msgspec
from msgspec import UNSET

from pipeline.detection.account_rules import (
    MAX_CHANGES,
    AccountTakeover,
    ChangeWindow,
    MassDeletion,
)
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.incidents import IDLE, Incident, severity_at, strike
from pipeline.detection.rules import Rules
from pipeline.detection.user_facts import Breach, Told, breaches_text, span_text, user_fact
from pipeline.detection.windows import EMPTY, Window, add, mark, spans
from pipeline.users import User, UserChange

StateT = TypeVar("StateT", bound=msgspec.Struct)

RECENT_KEPT: Final = MAX_CHANGES + 1
"""How many changes are remembered, whatever the rules tolerate: room for late ones."""

WATCHED: Final = ("email", "phone", "password_hash")
"""What takes an account over; an entry's value has the n-th bit for the n-th of them."""

EVERYBODY: Final = "users"
"""The subject of what is counted over all users."""

_CALLED: Final = {"email": "e-mail", "phone": "phone", "password_hash": "password"}
_CHANGES_KEPT: Final = 16


class ChangeDetector(Protocol[StateT]):
    """Watches subjects by the changes of users; what `detector.Detector` is to events."""

    @property
    def name(self) -> str:
        """Part of the key of every state row."""

    @property
    def version(self) -> int:
        """Part of the key too: another version starts from fresh states, beside the old ones."""

    @property
    def state_type(self) -> type[StateT]:
        """What a stored state decodes to."""

    def subject(self, change: UserChange) -> str | None:
        """Name the subject that a change touches, None when the rule does not read it."""

    def initial(self) -> StateT:
        """Return the state of a subject that has never been seen."""

    def fold(self, state: StateT, change: UserChange) -> tuple[StateT, Sequence[Anomaly]]:
        """Take in one change; one folded a second time changes nothing and yields no fact."""


class BurstState(msgspec.Struct, frozen=True, array_like=True):
    """The newest changes of a subject, and the incident that they make up."""

    recent: Window = EMPTY
    burst: Incident = IDLE


@dataclass(frozen=True, slots=True)
class TakeoverDetector:
    """Folds the changes of one user's e-mail address, phone and password."""

    rule: AccountTakeover
    name: str = "takeover"
    version: int = 1
    state_type: type[BurstState] = BurstState

    @classmethod
    def under(cls, rules: Rules) -> Self:
        """Return the detector that follows these rules."""
        return cls(rules.account_takeover)

    def subject(self, change: UserChange) -> str | None:
        """Return the user when something is replaced that takes an account over."""
        return change.user_id if _replaced(change) else None

    def initial(self) -> BurstState:
        """Return the state of a user without a change."""
        return BurstState()

    def fold(self, state: BurstState, change: UserChange) -> tuple[BurstState, Sequence[Anomaly]]:
        """Take in one change and return the state with the edge that it causes."""
        number = mark(change.change_id)
        if number in state.recent.marks:
            return state, ()
        at = change.timestamp.timestamp()
        recent = add(state.recent, at, number, _replaced(change), _CHANGES_KEPT)
        if recent is None:
            return state, ()
        replaced = self._worst(recent, at)
        if replaced.bit_count() < self.rule.attributes:
            return BurstState(recent, state.burst), ()
        size = float(replaced.bit_count())
        severity = severity_at(size, self.rule.severity, self.rule.steps)
        burst, edge = strike(state.burst, self.rule.quiet_s, change.timestamp, size, severity)
        after = BurstState(recent, burst)
        if edge is None:
            return after, ()
        breach = Breach(change, change.change_id, change.user_id, burst, edge)
        return after, (self._told(breach, replaced),)

    def _worst(self, recent: Window, at: float) -> int:
        worst = 0
        for start, end in spans(recent, at, self.rule.span_s):
            bits = 0
            for value in recent.values[start:end]:
                bits |= value
            worst = max(worst, bits, key=int.bit_count)
        return worst

    def _told(self, breach: Breach, replaced: int) -> Anomaly:
        rule, within = self.rule, f"within {span_text(self.rule.span_s)}"
        names = [_CALLED[name] for bit, name in enumerate(WATCHED) if replaced >> bit & 1]
        listed = f"{', '.join(names[:-1])} and {names[-1]}"
        told = Told(
            source=breach.subject,
            title=f"{listed[0].upper()}{listed[1:]} of {breach.subject} replaced {within}",
            expected=f"at most {rule.attributes - 1} of e-mail, phone and password {within}",
            observed=len(names),
            threshold=rule.attributes - 1,
            unit="attributes",
            reasons=(
                f"{listed} replaced {within}",
                breaches_text(breach.incident.count, "such change", "such changes"),
            ),
            labels={"user_id": breach.subject},
            window_s=round(rule.span_s),
        )
        return user_fact(rule, breach, told)


@dataclass(frozen=True, slots=True)
class DeletionDetector:
    """Folds the removals of all users, but for those that DynamoDB lets expire."""

    rule: MassDeletion
    name: str = "deletion"
    version: int = 1
    state_type: type[BurstState] = BurstState

    @classmethod
    def under(cls, rules: Rules) -> Self:
        """Return the detector that follows these rules."""
        return cls(rules.mass_deletion)

    def subject(self, change: UserChange) -> str | None:
        """Return the one subject there is when somebody removes a user."""
        return EVERYBODY if change.kind == "REMOVE" and not change.by_ttl else None

    def initial(self) -> BurstState:
        """Return the state before the first removal."""
        return BurstState()

    def fold(self, state: BurstState, change: UserChange) -> tuple[BurstState, Sequence[Anomaly]]:
        """Take in one removal and return the state with the edge that it causes."""
        recent, fullest = counted(state.recent, change, 0, self.rule.windows)
        if fullest is None:
            return BurstState(recent, state.burst), ()
        size, window = len(fullest[1]), fullest[0]
        ratio = size / window.count
        burst, edge = strike(
            state.burst, self.rule.quiet_s, change.timestamp, ratio, self.rule.severity
        )
        after = BurstState(recent, burst)
        if edge is None:
            return after, ()
        within = f"within {span_text(window.span_s)}"
        told = Told(
            source="UsersTable",
            title=f"More than {window.count} users removed {within}",
            expected=f"at most {window.count} {within}",
            observed=size,
            threshold=window.count,
            unit="users",
            reasons=(
                f"at least {size} users removed {within}, expired ones not counted",
                breaches_text(burst.count, "removal too many", "removals too many"),
            ),
            labels={},
            window_s=round(window.span_s),
            score=ratio,
        )
        breach = Breach(change, change.change_id, EVERYBODY, burst, edge)
        return after, (user_fact(self.rule, breach, told),)


def counted(
    recent: Window, change: UserChange, value: int, windows: Sequence[ChangeWindow]
) -> tuple[Window, tuple[ChangeWindow, tuple[int, ...]] | None]:
    """Take a change into a window of changes.

    Returns:
        The window from now on, and of the windows that it has made fuller than they allow the one
        that is exceeded the most, with the values in it. None for a repetition as well.
    """
    number, at = mark(change.change_id), change.timestamp.timestamp()
    after = None if number in recent.marks else add(recent, at, number, value, RECENT_KEPT)
    if after is None:
        return recent, None
    worst, fullest = 1.0, None
    for window in windows:
        for start, end in spans(after, at, window.span_s):
            ratio = (end - start) / window.count
            if ratio > worst:
                worst, fullest = ratio, (window, after.values[start:end])
    return after, fullest


def _replaced(change: UserChange) -> int:
    if change.before is None or change.after is None:
        return 0
    bits = 0
    for bit, name in enumerate(WATCHED):
        if _is_replaced(change.before, change.after, name):
            bits |= 1 << bit
    return bits


def _is_replaced(before: User, after: User, name: str) -> bool:
    old: Any = getattr(before, name)
    return old is not UNSET and old != getattr(after, name)
