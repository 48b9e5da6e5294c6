"""Alerts read back for people: rows of AlertsTable, their facts, and the page again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import msgspec

from pipeline.adapters.anomaly_items import decode_anomaly
from pipeline.cli.alerts.index import AlertLine
from pipeline.detection.anomaly import Anomaly, timestamp_text
from pipeline.detection.rules import Rule
from pipeline.errors import InvalidRecordError
from pipeline.flows.alerts.alert import Alert, fact_id, notification_id
from pipeline.flows.alerts.composing import Deployment, compose
from pipeline.flows.alerts.notification import Notification, NotificationReason
from pipeline.flows.alerts.telling import occasion

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Cause(NamedTuple):
    """Why a notification was sent: the reason, and the fact that gave it."""

    reason: NotificationReason
    fact: Anomaly


@dataclass(frozen=True, slots=True)
class Told:
    """The newest notification of an alert.

    `is_rewritten` says that it was written again from the alert, which keeps a notification only
    until it is delivered: its figures are then those of the alert's last change.
    """

    notification: Notification
    is_rewritten: bool


def read_alert(client: "DynamoDBClient", table: str, line: AlertLine) -> Alert | None:
    """Read an alert's document, None when the row is gone since it was listed."""
    answer = client.get_item(
        TableName=table,
        Key={
            "dedup_key": {"S": line.dedup_key},
            "opened_at": {"S": timestamp_text(line.opened_at)},
        },
        ConsistentRead=True,
    )
    item = answer.get("Item")
    return msgspec.json.decode(item["document"]["S"], type=Alert) if item else None


def read_facts(client: "DynamoDBClient", table: str, alert: Alert) -> list[Anomaly]:
    """Return the facts that an alert has taken and remembers, in the order of their events."""
    pages = client.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="dedup_key = :key AND fact_key BETWEEN :first AND :last",
        ExpressionAttributeValues={
            ":key": {"S": alert.dedup_key},
            ":first": {"S": timestamp_text(alert.starts_at)},
            ":last": {"S": timestamp_text(alert.last_seen_at) + "~"},  # after `#event_id#edge`
        },
    )
    facts = (fact for page in pages for item in page["Items"] for fact in _fact(item))
    taken = set(alert.facts)
    return sorted(
        (fact for fact in facts if fact_id(fact) in taken), key=lambda fact: fact.occurred_at
    )


def causes(alert: Alert, facts: Sequence[Anomaly]) -> dict[str, Cause]:
    """Return what each notification of these facts would be, by its id.

    The id is a digest of alert, reason and fact, so a delivery finds its cause among them.
    """
    reasons: tuple[NotificationReason, ...] = get_args(NotificationReason)
    return {
        notification_id(alert, reason, fact): Cause(reason, fact)
        for fact in (alert.fact, *facts)
        for reason in reasons
    }


def newest_notification(
    alert: Alert,
    known: Mapping[str, Cause],
    rules: Mapping[str, Rule],
    where: Deployment,
    now: datetime,
) -> Told:
    """Return the notification that waits in the outbox, or the last one delivered, written again.

    Args:
        alert: The alert.
        known: Its `causes`.
        rules: What each rule tells people, by rule id.
        where: The deployment that speaks.
        now: The time of day.
    """
    if alert.outbox:
        return Told(alert.outbox[-1].notification, is_rewritten=False)
    last = alert.deliveries[-1] if alert.deliveries else None
    cause = known.get(last.notification_id) if last else None
    reason, fact = cause or Cause("first" if alert.firing else "resolved", alert.fact)
    rule = rules.get(fact.rule_id)
    told = occasion(alert, reason, fact, last.delivered_at if last else now)
    record = compose(fact, told, rule.about(fact) if rule else None, where)
    return Told(record, is_rewritten=True)


def _fact(item: Mapping[str, Any]) -> Iterator[Anomaly]:
    try:
        yield decode_anomaly(item)
    except InvalidRecordError:
        return  # no alert has ever taken it: the alert flow has paged for the row itself
