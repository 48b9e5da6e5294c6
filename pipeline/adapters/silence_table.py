"""The silences in SilencesTable: all in one partition, so that one query reads them."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
from botocore.exceptions import ClientError

from pipeline.adapters.aws import service_errors
from pipeline.detection.anomaly import timestamp_text
from pipeline.flows.alerts.silence import Silence, SilenceRow

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SCOPE: Final = "all"
"""Hash key of every row."""

KEPT: Final = timedelta(days=30)
"""How long an ended silence can still be read, with what it has hidden."""

_logger = logging.getLogger(__name__)


class DynamoSilences:
    """`flows.alerts.ports.Silences` on DynamoDB: hash key `scope`, range key `silence_id`.

    The document is JSON text; what it has hidden is counted beside it, so that counting never
    overwrites a change.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def all(self) -> Sequence[SilenceRow]:
        """Read every row consistently, leaving out what is no silence, which a log line names."""
        rows: list[SilenceRow] = []
        with service_errors("read the silences"):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="#scope = :scope",
                ExpressionAttributeNames={"#scope": "scope"},
                ExpressionAttributeValues={":scope": {"S": SCOPE}},
                ConsistentRead=True,
            )
            for page in pages:
                rows += [row for item in page["Items"] if (row := _row(item))]
        return rows

    def add(self, silence: Silence) -> None:
        """Write a silence; one of the same id is replaced."""
        item: dict[str, Any] = {
            **_key(silence.silence_id),
            "owner": {"S": silence.owner},
            "reason": {"S": silence.reason},
            "starts_at": {"S": timestamp_text(silence.starts_at)},
            "ends_at": {"S": timestamp_text(silence.ends_at)},
            "document": {"S": msgspec.json.encode(silence).decode()},
            "expires_at": {"N": str(int((silence.ends_at + KEPT).timestamp()))},
        }
        with service_errors("write a silence"):
            self._client.put_item(TableName=self._table, Item=item)

    def remove(self, silence_id: str) -> bool:
        """Delete a silence, False when there is none of this id."""
        with service_errors("delete a silence"):
            answer = self._client.delete_item(
                TableName=self._table, Key=_key(silence_id), ReturnValues="ALL_OLD"
            )
        return "Attributes" in answer

    def count_hidden(self, silence_id: str, now: datetime) -> None:
        """Count a notification that a silence hid; of one that is gone nothing is counted."""
        with service_errors("count what a silence hid"):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(silence_id),
                    UpdateExpression="ADD #hidden :one SET last_hidden_at = :now",
                    ConditionExpression="attribute_exists(silence_id)",
                    ExpressionAttributeNames={"#hidden": "hidden"},
                    ExpressionAttributeValues={
                        ":one": {"N": "1"},
                        ":now": {"S": timestamp_text(now)},
                    },
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise


def _key(silence_id: str) -> dict[str, Any]:
    return {"scope": {"S": SCOPE}, "silence_id": {"S": silence_id}}


def _row(item: dict[str, Any]) -> SilenceRow | None:
    try:
        silence = msgspec.json.decode(item["document"]["S"], type=Silence)
    except (KeyError, msgspec.MsgspecError) as error:
        _logger.warning("%s is no silence and hides nothing: %r", item["silence_id"]["S"], error)
        return None
    at = item.get("last_hidden_at")
    return SilenceRow(
        silence=silence,
        hidden=int(item["hidden"]["N"]) if "hidden" in item else 0,
        last_hidden_at=datetime.fromisoformat(at["S"]) if at else None,
    )
