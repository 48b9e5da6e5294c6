"""How far the event flow is, read from DetectorStateTable across all shards."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.adapters.aws import service_errors
from pipeline.adapters.state_store import CURSOR_KEY, decode_cursor
from pipeline.ports import Cursor

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from pipeline.adapters.dynamodb import Item


class DynamoProgress:
    """`flows.alerts.checkup_ports.Progress`: one query for each state key, never a scan."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def cursors(self) -> Mapping[str, Cursor]:
        """Read the cursor of every shard that ever had one, by shard id, consistently."""
        return {item["shard_id"]["S"]: decode_cursor(item) for item in self._rows(CURSOR_KEY)}

    def states(self, detector: str, subjects: Sequence[str]) -> Sequence[bytes]:
        """Read the states of a detector's subjects in all shards, those of closed ones included."""
        return [
            bytes(item["state"]["B"])
            for subject in subjects
            for item in self._rows(f"{detector}#{subject}")
        ]

    def _rows(self, state_key: str) -> "Iterator[Item]":
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="state_key = :state_key",
            ExpressionAttributeValues={":state_key": {"S": state_key}},
            ConsistentRead=True,
        )
        with service_errors(f"read {state_key} of all shards"):
            for page in pages:
                yield from page["Items"]
