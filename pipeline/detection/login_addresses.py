"""The fold for failed sign-ins per address, counted over all shards of the stream.

No event is partitioned by address: the failures of one are spread over the shards, as are the users
that it tries. Each shard keeps its own failures and adds them to a pool; what is judged is both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import msgspec

from pipeline.detection.logins import RECENT_KEPT, LoginDetector, LoginState
from pipeline.detection.pooled import Addition, Outcome, Pool, PoolKey
from pipeline.detection.rules import Rules
from pipeline.detection.windows import EMPTY, Window, add
from pipeline.events import Event, UserActivity

SNAPSHOT_S: Final = 10.0
"""How old the other shards' failures may be, in time of arrival; a burst takes minutes."""

SHARDS: Final = PoolKey("login_shard", "all")
"""Says which shards have failures at all, written once a day each."""

_FAILURES: Final = "login_failures"
_DAY_S: Final = 86_400


class Failure(msgspec.Struct, frozen=True, gc=False):
    """A failed sign-in: epoch seconds, and marks of the event and of the user."""

    at: float
    number: int
    user: int


class Shard(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The newest day of failures, in days since 1970, UTC."""

    day: int = 0


@dataclass(frozen=True, slots=True)
class ShardPool:
    """Days of failures."""

    name: str = SHARDS.pool
    version: int = 1
    snapshot_s: float = SNAPSHOT_S
    state_type: type[Shard] = Shard

    def initial(self) -> Shard:
        """Return a day before all."""
        return Shard()

    def add(self, part: Shard, day: int) -> Shard:
        """Keep the newer day; the very same part when it is not newer."""
        return Shard(day) if day > part.day else part

    def total(self, parts: Sequence[Shard]) -> Shard:
        """Return the newest day."""
        return max(parts, key=lambda part: part.day, default=Shard())


@dataclass(frozen=True, slots=True)
class FailurePool:
    """The newest failed sign-ins from one address."""

    name: str = _FAILURES
    version: int = 1
    snapshot_s: float = SNAPSHOT_S
    state_type: type[Window] = Window

    def initial(self) -> Window:
        """Return a window without failures."""
        return EMPTY

    def add(self, part: Window, what: Failure) -> Window:
        """Keep a failure, unless the window is full of newer ones."""
        return _with(part, what.at, what.number, what.user)

    def total(self, parts: Sequence[Window]) -> Window:
        """Return the newest failures of all parts."""
        return joined(parts)


@dataclass(frozen=True, slots=True)
class AddressDetector:
    """Folds failed sign-ins from an address in any order; a repetition changes nothing.

    Each shard has an incident of its own; their facts have one subject, so people see one alert.
    """

    logins: LoginDetector
    name: str = "login_address"
    version: int = 1
    state_type: type[LoginState] = LoginState
    registry: PoolKey = SHARDS
    pools: tuple[Pool[Any], ...] = field(default_factory=lambda: (ShardPool(), FailurePool()))

    @classmethod
    def under(cls, rules: Rules) -> Self:
        """Return the detector that follows these rules."""
        return cls(LoginDetector.under(rules, "address"))

    def subject(self, event: Event) -> str | None:
        """Return the address's pseudonym, None for all but failed sign-ins."""
        return self.logins.subject(event)

    def pooled(self, event: Event) -> Sequence[PoolKey]:
        """Return the registry, and the failures from the address."""
        return SHARDS, PoolKey(_FAILURES, self.logins.subject(event) or "")

    def initial(self) -> LoginState:
        """Return the state of an address without a failed sign-in."""
        return LoginState()

    def fold(
        self, state: LoginState, event: Event, event_id: str, totals: Mapping[PoolKey, Any]
    ) -> Outcome:
        """Take in one failed sign-in."""
        if not isinstance(event, UserActivity):
            return Outcome(state)
        kept = self.logins.kept(state, event, event_id)
        if kept is None:
            return Outcome(state)
        registry, key = self.pooled(event)
        at, number, user = self.logins.entry(event, event_id)
        additions = (
            Addition(registry, int(at) // _DAY_S),
            Addition(key, Failure(at, number, user)),
        )
        everywhere = joined((totals[key], kept.recent))
        if number not in everywhere.marks:
            return Outcome(kept, (), additions)
        after, facts = self.logins.judge(kept, everywhere, event, event_id)
        return Outcome(after, facts, additions)


def joined(windows: Sequence[Window]) -> Window:
    """Return the newest entries of several windows, each once."""
    whole = EMPTY
    for window in windows:
        for at, number, value in zip(window.times, window.marks, window.values, strict=True):
            whole = _with(whole, at, number, value)
    return whole


def _with(window: Window, at: float, number: int, value: int) -> Window:
    if number in window.marks:
        return window
    return add(window, at, number, value, RECENT_KEPT) or window
