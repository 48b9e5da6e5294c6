"""Marks in DetectorStateTable of records that are tried alone."""

from typing import TYPE_CHECKING, Final

from pipeline.adapters.aws import service_errors
from pipeline.adapters.dynamodb import BatchTables, Item
from pipeline.adapters.versioned_states import ANY_SHARD
from pipeline.ports import RemainingTime

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SUSPECT_KEY: Final = "suspect#dynamodb_users"
"""What the hash keys of the marks begin with; no detector is called so."""


class DynamoSuspects:
    """`flows.users.ports.Suspects`: a row per record, 1 write unit to mark it and 1 to clear it.

    Nobody else writes the row: a shard has one batch under way, and a record is in one shard.
    """

    def __init__(self, client: "DynamoDBClient", tables: BatchTables, table: str) -> None:
        self._client = client
        self._tables = tables
        self._table = table

    def tries(self, change_id: str, remaining_s: RemainingTime) -> int:
        """Return how often a record was tried and never ended."""
        items = self._tables.read(self._table, [_key(change_id)], remaining_s)
        return sum(int(item["tries"]["N"]) for item in items)

    def mark(self, change_id: str, tries: int, expires_at: int) -> None:
        """Say how often a record is tried, this time included."""
        figures: Item = {"tries": {"N": str(tries)}, "expires_at": {"N": str(expires_at)}}
        with service_errors("mark a record"):
            self._client.put_item(TableName=self._table, Item=_key(change_id) | figures)

    def clear(self, change_id: str) -> None:
        """Forget the tries of a record."""
        with service_errors("clear the mark of a record"):
            self._client.delete_item(TableName=self._table, Key=_key(change_id))


def _key(change_id: str) -> Item:
    return {"state_key": {"S": f"{SUSPECT_KEY}#{change_id}"}, "shard_id": {"S": ANY_SHARD}}
