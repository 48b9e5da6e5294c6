"""The planted incidents against the alerts that were stored and the messages that arrived."""

import json
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pipeline.cli.demo.held_back import HeldWindow, is_accounted_for
from pipeline.cli.demo.inbox import Notification
from pipeline.cli.traffic.incidents import PlantedIncident

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = TypeVar("Item")


class StoredAlert(NamedTuple):
    """A row of AlertsTable by its key; `held_back` counts what the page budget has not let out."""

    dedup_key: str
    opened_at: datetime
    alert_id: str = ""
    severity: str = ""
    held_back: int = 0


class Message(NamedTuple):
    """What the findings need of a machine record on AlertsTopic.

    `stands_for` counts the messages that were held back and that it tells of.
    """

    notification_id: str
    alert_id: str
    dedup_key: str
    reason: str
    severity: str
    title: str
    stands_for: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of a planted incident; `problem` is empty when it has exactly one alert.

    `is_held_back` tells that it had no page of its own: the page budget was spent or another of its
    group spoke, and the ledger of what is held back names it and was told, or is to be.
    """

    incident: PlantedIncident
    alert_id: str
    severity: str
    problem: str
    is_held_back: bool = False


@dataclass(frozen=True, slots=True)
class Findings:
    """The planted incidents, and the alerts that nobody planted by their first message.

    `copies` counts messages and pages that arrived once more.
    """

    planted: tuple[Finding, ...]
    others: tuple[Message, ...]
    copies: int = 0


def read_alerts(dynamodb: "DynamoDBClient", table: str) -> Iterator[StoredAlert]:
    """Read back the keys of all alerts."""
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table,
        ConsistentRead=True,
        # The rows of page budgets and groups lie beside the alerts and have no document.
        FilterExpression="attribute_exists(#document)",
        ProjectionExpression="dedup_key, opened_at, #document",
        ExpressionAttributeNames={"#document": "document"},
    )
    for page in pages:
        for item in page["Items"]:
            alert: dict[str, Any] = json.loads(item["document"]["S"])
            yield StoredAlert(
                item["dedup_key"]["S"],
                datetime.fromisoformat(item["opened_at"]["S"]),
                alert["alert_id"],
                alert["severity"],
                alert.get("suppressed_count", 0),
            )


def message(notification: Notification) -> Message:
    """Read the machine record out of a notification of AlertsTopic."""
    record: dict[str, Any] = json.loads(notification.body)
    return Message(
        record["id"],
        record["alert_id"],
        record["dedup_key"],
        record["notification_reason"],
        record["severity"],
        record["title"],
        _stands_for(record),
    )


def first_copies(notifications: Sequence[Notification]) -> list[Notification]:
    """Leave out of AlertsTopic's messages those that have arrived before."""
    return _first_of_each(notifications, lambda item: message(item).notification_id)


def judge(
    incidents: Sequence[PlantedIncident],
    alerts: Sequence[StoredAlert],
    messages: Sequence[Message],
    pages: Sequence[Notification],
    windows: Sequence[HeldWindow] = (),
    *,
    copies_allowed: bool = False,
) -> Findings:
    """Hold the planted incidents against what was found.

    Args:
        incidents: What was planted.
        alerts: All rows of AlertsTable.
        messages: What arrived from AlertsTopic.
        pages: What arrived from OnCallTopic.
        windows: What was held back.
        copies_allowed: Whether a message or page may have arrived once more under the same id, as
            it does when a crash or a lost reply falls between its publication and the mark for it.
    """
    told = _first_of_each(messages, lambda item: item.notification_id)
    paged = _first_of_each(pages, _identity)
    copies = len(messages) - len(told) + len(pages) - len(paged)
    if copies_allowed:
        messages, pages = told, paged
    planted = tuple(_find(incident, alerts, messages, pages, windows) for incident in incidents)
    own = {incident.dedup_key for incident in incidents}
    others = {item.alert_id: item for item in reversed(messages) if item.dedup_key not in own}
    return Findings(planted, tuple(reversed(others.values())), copies)


def _find(
    incident: PlantedIncident,
    alerts: Sequence[StoredAlert],
    messages: Sequence[Message],
    pages: Sequence[Notification],
    windows: Sequence[HeldWindow],
) -> Finding:
    rows = [alert for alert in alerts if alert.dedup_key == incident.dedup_key]
    told = [item for item in messages if item.dedup_key == incident.dedup_key]
    openings = [item for item in told if item.reason == "first"]
    paged = [page for page in pages if page.attributes.get("dedup_key") == incident.dedup_key]
    firing = [page for page in paged if page.attributes.get("status") == "firing"]
    told_by = Counter((item.reason, item.stands_for) for item in messages if item.stands_for)
    if (
        len(rows) == 1
        and rows[0].held_back
        and not openings
        and is_accounted_for(incident, windows, told_by)
    ):
        problem = _misplaced(incident, rows[0])
        return Finding(incident, rows[0].alert_id, rows[0].severity, problem, is_held_back=True)
    problem = (
        _not_one("alert", len(rows))
        or _misplaced(incident, rows[0])
        or _not_one("first message on AlertsTopic", len(openings))
        or _not_one("page", len(firing))
    )
    ids = {item.notification_id for item in told}
    if not problem and len(ids) < len(told):
        problem = "a message arrived twice"
    if not problem and {item.alert_id for item in told} != {_alert_id(firing[0])}:
        problem = "its messages and its page bear different alert ids"
    severity = openings[0].severity if openings else ""
    return Finding(incident, openings[0].alert_id if openings else "", severity, problem)


def _first_of_each(items: Sequence[Item], identity: Callable[[Item], Hashable]) -> list[Item]:
    firsts: dict[Hashable, Item] = {}
    for item in items:
        firsts.setdefault(identity(item), item)
    return list(firsts.values())


def _identity(page: Notification) -> tuple[str, str, str]:
    """Return what all copies of a page share; of updates there may be several, told by subject."""
    return _alert_id(page), page.attributes.get("status", ""), page.subject


def _stands_for(record: Mapping[str, Any]) -> int:
    if record["notification_reason"] == "group":
        return int(record["group_count"]) - 1
    return int(record["suppressed_count"]) if record.get("digest") else 0


def _alert_id(page: Notification) -> str:
    found = re.search(r"^Alert id: +(\S+)$", page.body, re.MULTILINE)
    return found[1] if found else ""


def _not_one(noun: str, count: int) -> str:
    if count == 1:
        return ""
    return f"{noun}: {count} instead of one" if count else f"no {noun}"


def _misplaced(incident: PlantedIncident, alert: StoredAlert) -> str:
    if incident.starts_at <= alert.opened_at <= incident.ends_at:
        return ""
    return f"its alert opened at {alert.opened_at:%H:%M:%S}, outside of the incident"
