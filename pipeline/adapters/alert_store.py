"""The alerts in AlertsTable, one row per alert, written under a version condition."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from pipeline.adapters.aws import service_errors
from pipeline.detection.anomaly import timestamp_text
from pipeline.ports import AlertRow

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from pipeline.adapters.dynamodb import Item


_REPLACES: Final = "version = :replaces"
_CREATES: Final = "attribute_not_exists(version) OR version = :replaces"
"""Of version 0 there is none; DynamoDB refuses a value that no condition uses."""


class DynamoAlertStore:
    """`ports.AlertStore` on DynamoDB: hash key `dedup_key`, range key `opened_at`.

    The document is JSON text, so that it can be read in the console beside its attributes.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def latest(self, dedup_key: str) -> AlertRow | None:
        """Read the newest alert of a dedup key consistently, None if there has never been one."""
        with service_errors("read an alert"):
            answer = self._client.query(
                TableName=self._table,
                KeyConditionExpression="dedup_key = :dedup_key",
                ExpressionAttributeValues={":dedup_key": {"S": dedup_key}},
                ScanIndexForward=False,
                Limit=1,
                ConsistentRead=True,
            )
        if not answer["Items"]:
            return None
        item = answer["Items"][0]
        return AlertRow(item["document"]["S"].encode(), int(item["version"]["N"]))

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


def _encode(value: str | int) -> dict[str, str]:
    return {"S": value} if isinstance(value, str) else {"N": str(value)}
