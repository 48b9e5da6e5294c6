"""What was set aside and may come back: found, filtered, counted, brought back and then removed.

Wherever something lies, the order is the same: hand it over, and only when it was taken remove it.
So an end in between leaves it in both places, and the next run brings it back once more, which
changes nothing: it comes under its original id.
"""

import fnmatch
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol

from pipeline.cli.way_back.function_calls import NotTakenError

Place = Literal["failures", "queues", "quarantine"]

PLACES: Final[tuple[Place, ...]] = ("failures", "queues", "quarantine")


@dataclass(frozen=True, slots=True)
class Lost:
    """Records that lie together in one object or message.

    `source` is the function that gave them up, the queue they are in or the stream they came
    from; `at` is when they were set aside. `obstacle` says why they cannot come back, if so.
    """

    place: Place
    source: str
    reason: str
    key: str
    records: int
    at: datetime
    obstacle: str = ""


class Keeper(Protocol):
    """One kind of place where things are set aside."""

    def find(self) -> Iterable[Lost]:
        """Find what lies there, in the order in which it should come back."""

    def put_back(self, lost: Lost) -> None:
        """Hand it over and then remove it.

        Raises:
            NotTakenError: It was not taken, and so it was not removed.
        """

    def leave(self, lost: Lost) -> None:
        """Take note that it stays where it is."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of the lost are meant; an empty text and None stand for all."""

    source: str = ""
    reason: str = ""
    key: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def includes(self, lost: Lost) -> bool:
        """Whether one of the lost is meant."""
        return (
            self.source.lower() in lost.source.lower()
            and self.reason.lower() in f"{lost.reason} {lost.obstacle}".lower()
            and (not self.key or fnmatch.fnmatchcase(lost.key, self.key))
            and (self.since is None or lost.at >= self.since)
            and (self.until is None or lost.at <= self.until)
        )


@dataclass(slots=True)
class Group:
    """Those of the lost that share place, source, reason and obstacle."""

    place: Place
    source: str
    reason: str
    obstacle: str
    items: int = 0
    records: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None


@dataclass(slots=True)
class Outcome:
    """What came of bringing back: `left` are those not taken, with the reason."""

    items: int = 0
    records: int = 0
    left: list[tuple[Lost, str]] = field(default_factory=list)
    failure: str = ""


def count(lost: Iterable[Lost]) -> list[Group]:
    """Count the lost by place, source and reason, what can come back first."""
    groups: dict[tuple[str, ...], Group] = {}
    for one in lost:
        key = (one.place, one.source, one.reason, one.obstacle)
        group = groups.setdefault(key, Group(one.place, one.source, one.reason, one.obstacle))
        group.items += 1
        group.records += one.records
        group.first_at = min(group.first_at or one.at, one.at)
        group.last_at = max(group.last_at or one.at, one.at)
    return sorted(
        groups.values(),
        key=lambda group: (bool(group.obstacle), group.place, group.source, -group.records),
    )


def bring_back(
    chosen: Sequence[Lost],
    keepers: Mapping[Place, Keeper],
    rate: float,
    pause: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Bring back what can come back, one after the other.

    Args:
        chosen: What is meant, in order.
        keepers: Where it lies.
        rate: Records a second, on average, so that what is alive keeps its share of the stack.
        pause: Waits a number of seconds.
    """
    outcome = Outcome()
    try:
        for one in chosen:
            if _came_back(one, keepers[one.place], outcome):
                pause(one.records / rate)
    except KeyboardInterrupt:
        outcome.failure = "interrupted"
    return outcome


def _came_back(one: Lost, keeper: Keeper, outcome: Outcome) -> bool:
    if one.obstacle:
        outcome.left.append((one, one.obstacle))
        return False
    try:
        keeper.put_back(one)
    except NotTakenError as error:
        outcome.left.append((one, str(error)))
        return False
    outcome.items += 1
    outcome.records += one.records
    return True
