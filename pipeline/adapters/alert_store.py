"""The alerts in AlertsTable, one row per alert, written under a version condition."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from pipeline.adapters.aws import service_errors
from pipeline.detection.alerting import Firing
from pipeline.detection.anomaly import timestamp_text
from pipeline.ports import AlertKey, AlertRow

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from pipeline.adapters.dynamodb import Item


BY_STATUS: Final = "by_status"
"""Index `status`, `due_at`: what fires, and what is over and still has something to tell."""

BY_DAY: Final = "by_day"
"""Index `day` of the opening, `opened_at`."""

BY_RULE: Final = "by_rule"
"""Index `rule_id`, `opened_at`."""

BY_SUBJECT: Final = "by_subject"
"""Index `subject`, `opened_at`."""

BY_FIRING_SOURCE: Final = "by_firing_source"
"""Index `firing_source`, `opened_at`, of what fires alone."""

BY_ID: Final = "by_id"
"""Index `id_start`, `alert_id`: any beginning of an id that is no shorter than `id_start`."""

_REPLACES: Final = "version = :replaces"
_CREATES: Final = "attribute_not_exists(version) OR version = :replaces"
"""Of version 0 there is none; DynamoDB refuses a value that no condition uses."""

_MAX_FIRING: Final = 200
"""Alerts of one source that inhibition looks at."""


class DynamoAlertStore:
    """`ports.AlertStore` on DynamoDB: hash key `dedup_key`, range key `opened_at`.

    The document is JSON text, so that it can be read in the console beside its attributes.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def latest(self, dedup_key: str) -> AlertRow | None:
        """Read the newest alert of a dedup key consistently, None if there has never been one."""
        return self._newest("dedup_key = :dedup_key", {":dedup_key": {"S": dedup_key}})

    def before(self, dedup_key: str, moment: datetime) -> AlertRow | None:
        """Read the newest alert that was opened at a moment or before it, consistently."""
        values = {":dedup_key": {"S": dedup_key}, ":moment": {"S": timestamp_text(moment)}}
        return self._newest("dedup_key = :dedup_key AND opened_at <= :moment", values)

    def read(self, key: AlertKey) -> AlertRow | None:
        """Read one alert consistently, None when there is none."""
        with service_errors("read an alert"):
            answer = self._client.get_item(
                TableName=self._table,
                Key={
                    "dedup_key": {"S": key.dedup_key},
                    "opened_at": {"S": timestamp_text(key.opened_at)},
                },
                ConsistentRead=True,
            )
        return _row(answer["Item"]) if "Item" in answer else None

    def due(self, now: datetime, limit: int) -> Sequence[AlertKey]:
        """Return the alerts whose `due_at` has come, the longest due first."""
        found: list[tuple[str, AlertKey]] = []
        for status in ("firing", "resolved"):
            items = self._pages(
                limit,
                IndexName=BY_STATUS,
                KeyConditionExpression="#status = :status AND due_at <= :now",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={
                    ":status": {"S": status},
                    ":now": {"S": timestamp_text(now)},
                },
            )
            found += [(item["due_at"]["S"], _key(item)) for item in items]
        return [key for _, key in sorted(found)[:limit]]

    def firing(self, source: str) -> Sequence[Firing]:
        """Return the alerts about a source that fire, at most 200."""
        items = self._pages(
            _MAX_FIRING,
            IndexName=BY_FIRING_SOURCE,
            KeyConditionExpression="firing_source = :source",
            ExpressionAttributeValues={":source": {"S": source}},
        )
        return [
            Firing(
                rule_id=item["rule_id"]["S"],
                subject=item.get("subject", {"S": ""})["S"],
                source=source,
                severity=item["severity"]["S"],
            )
            for item in items
        ]

    def write(
        self,
        dedup_key: str,
        opened_at: datetime,
        document: bytes,
        attributes: Mapping[str, str | int],
        *,
        replaces: int,
    ) -> bool:
        """Write the alert as version `replaces + 1`, False when somebody else wrote first.

        A write whose reply was lost meets itself when the client tries again; the row tells.
        """
        item: Item = {name: _encode(value) for name, value in attributes.items() if value != ""}
        item |= {
            "dedup_key": {"S": dedup_key},
            "opened_at": {"S": timestamp_text(opened_at)},
            "version": {"N": str(replaces + 1)},
            "document": {"S": document.decode()},
        }
        with service_errors("write an alert"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression=_CREATES if replaces == 0 else _REPLACES,
                    ExpressionAttributeValues={":replaces": {"N": str(replaces)}},
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise
                return bool(error.response.get("Item") == item)
        return True

    def _newest(self, condition: str, values: Mapping[str, Any]) -> AlertRow | None:
        with service_errors("read an alert"):
            answer = self._client.query(
                TableName=self._table,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=values,
                ScanIndexForward=False,
                Limit=1,
                ConsistentRead=True,
            )
        return _row(answer["Items"][0]) if answer["Items"] else None

    def _pages(self, limit: int, **query: Any) -> "Sequence[Item]":  # noqa: ANN401  the client's
        found: list[Item] = []
        with service_errors("read an index of the alerts"):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table, PaginationConfig={"MaxItems": limit}, **query
            )
            for page in pages:
                found += page["Items"]
        return found


def _row(item: Mapping[str, Any]) -> AlertRow:
    return AlertRow(item["document"]["S"].encode(), int(item["version"]["N"]))


def _key(item: Mapping[str, Any]) -> AlertKey:
    return AlertKey(item["dedup_key"]["S"], datetime.fromisoformat(item["opened_at"]["S"]))


def _encode(value: str | int) -> dict[str, str]:
    return {"S": value} if isinstance(value, str) else {"N": str(value)}
