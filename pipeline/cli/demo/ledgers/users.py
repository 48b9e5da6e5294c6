"""The ledger of users: who was written to UsersTable against what tables and topic hold."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pipeline.cli.demo.inbox import Notification
from pipeline.cli.traffic.people import Crowd

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

STAYING: Final = "staying"
LEAVING: Final = "removed"
REFUSED: Final = "refused"


class Welcome(NamedTuple):
    """A message on NotificationsTopic; a second copy bears the same job id."""

    user_id: str
    job_id: str


@dataclass(frozen=True, slots=True)
class UsersFound:
    """What is found of users.

    `joined` has the profiles before anybody was removed, `profiles` those afterwards. `audit_rows`
    counts by user. `quarantine` holds the refused records.
    """

    joined: frozenset[str]
    profiles: frozenset[str]
    welcomes: tuple[Welcome, ...]
    audit_rows: Counter[str]
    quarantine: tuple[bytes, ...] = ()


@dataclass(slots=True)
class UsersLine:
    """What became of the users of one kind.

    `changes` are those after the sign-up, `audited` the rows about them. `welcomed` counts users,
    `copies` the further messages to them.
    """

    kind: str
    users: int = 0
    profiles: int = 0
    welcomed: int = 0
    changes: int = 0
    audited: int = 0
    erased: int = 0
    quarantined: int = 0
    copies: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def balances(self) -> bool:
        """Whether each user of this kind has what he must have."""
        return not self.wrong


def draw_up_users(
    crowd: Crowd,
    refused: Sequence[str],
    found: UsersFound,
    *,
    excused: Collection[str] = (),
    copies_allowed: bool = False,
) -> list[UsersLine]:
    """Find what became of every user who was written.

    Args:
        crowd: Those of the contract.
        refused: Ids of users whose rows break it.
        found: What is there.
        excused: Users one of whose jobs is among the dead letters, which may lack its effect.
        copies_allowed: Whether a welcome may come twice under one job id.
    """
    leavers = {action.user_id for action in crowd.leaving}
    changes = Counter(action.user_id for action in crowd.changing)
    welcomes = _by_user(found.welcomes)
    lines = {kind: UsersLine(kind) for kind in (STAYING, LEAVING, REFUSED)}
    for action in crowd.joining:
        who = action.user_id
        is_leaving = who in leavers
        line = lines[LEAVING if is_leaving else STAYING]
        line.users += 1
        line.profiles += who in found.joined
        line.welcomed += bool(welcomes.get(who))
        line.copies += max(0, len(welcomes.get(who, ())) - 1)
        line.changes += changes[who]
        line.audited += found.audit_rows[who]
        line.erased += is_leaving and who not in found.profiles
        if who not in excused:
            line.wrong += _missing(who, found, welcomes.get(who, ()))
        line.wrong += _copies(who, welcomes.get(who, ()), allowed=copies_allowed)
        if is_leaving and who in found.profiles:
            line.wrong.append(f"{who} was removed and has a profile")
        if not is_leaving and who in found.joined and who not in found.profiles:
            line.wrong.append(f"{who} has lost the profile")
        if found.audit_rows[who] != changes[who]:
            line.wrong.append(f"{who}: {changes[who]} changes, {found.audit_rows[who]} audit rows")
    for who in refused:
        line = lines[REFUSED]
        line.users += 1
        line.quarantined += _is_quarantined(who, found.quarantine)
        if not _is_quarantined(who, found.quarantine):
            line.wrong.append(f"{who} breaks the contract and is not in quarantine")
        if who in found.joined | found.profiles or who in welcomes:
            line.wrong.append(f"{who} breaks the contract and was onboarded")
    strangers = (found.profiles | set(welcomes)) - {action.user_id for action in crowd.joining}
    lines[STAYING].wrong += [f"{who} never signed up" for who in strangers - set(refused)]
    return list(lines.values())


def _missing(who: str, found: UsersFound, welcomes: Sequence[Welcome]) -> list[str]:
    missing = []
    if who not in found.joined:
        missing.append(f"{who} signed up and got no profile")
    if not welcomes:
        missing.append(f"{who} signed up and was not welcomed")
    return missing


def _copies(who: str, welcomes: Sequence[Welcome], *, allowed: bool) -> list[str]:
    jobs = {welcome.job_id for welcome in welcomes}
    if len(jobs) > 1:
        return [f"{who} was welcomed by {len(jobs)} jobs"]
    return [] if allowed or len(welcomes) <= 1 else [f"{who} was welcomed {len(welcomes)} times"]


def _by_user(welcomes: Iterable[Welcome]) -> Mapping[str, Sequence[Welcome]]:
    found: dict[str, list[Welcome]] = {}
    for welcome in welcomes:
        found.setdefault(welcome.user_id, []).append(welcome)
    return found


def _is_quarantined(who: str, quarantine: Sequence[bytes]) -> bool:
    return any(f'"{who}"'.encode() in record for record in quarantine)


def read_welcomes(notifications: Iterable[Notification]) -> tuple[Welcome, ...]:
    """Read the messages of NotificationsTopic."""
    found = []
    for notification in notifications:
        document: dict[str, Any] = json.loads(notification.body)
        found.append(Welcome(document["user_id"], document["job_id"]))
    return tuple(found)


def count_by_user(dynamodb: "DynamoDBClient", table: str) -> Counter[str]:
    """Count the rows of a table by its attribute `user_id`."""
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table, ConsistentRead=True, ProjectionExpression="user_id"
    )
    return Counter(item["user_id"]["S"] for page in pages for item in page["Items"])
