"""Detector state and shard cursors in DetectorStateTable."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pipeline.adapters.aws import service_errors
from pipeline.adapters.dynamodb import BatchTables, Item, Put
from pipeline.adapters.parallel import Parallel
from pipeline.detection.record_tally import RecordTally
from pipeline.errors import RetryableError
from pipeline.ports import Cursor, RemainingTime, StateKey, StateRow

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CURSOR_KEY: Final = "cursor"
"""Hash key of the shard cursors; no detector's key equals it, as those hold a `#`."""


class DynamoStateStore:
    """`ports.StateStore` on DynamoDB: hash key detector and subject, range key shard.

    Sequence numbers are text: they have up to 56 digits and a DynamoDB number holds 38.
    """

    def __init__(
        self, client: "DynamoDBClient", tables: BatchTables, parallel: Parallel, table: str
    ) -> None:
        self._client = client
        self._tables = tables
        self._parallel = parallel
        self._table = table

    def read_cursor(self, shard_id: str) -> Cursor | None:
        """Read a shard's cursor consistently, None when the shard is new."""
        key = {"state_key": {"S": CURSOR_KEY}, "shard_id": {"S": shard_id}}
        with service_errors(f"read the cursor of {shard_id}"):
            answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        item = answer.get("Item")
        if item is None:
            return None
        return decode_cursor(item)

    def write_cursor(self, shard_id: str, cursor: Cursor) -> None:
        """Replace a shard's cursor."""
        item: Item = {
            "state_key": {"S": CURSOR_KEY},
            "shard_id": {"S": shard_id},
            "applied": {"S": str(cursor.applied)},
            "ancestors": {"L": [{"S": ancestor} for ancestor in cursor.ancestors]},
            "suspect": {"S": str(cursor.suspect)},
            "attempts": {"N": str(cursor.attempts)},
            "arrived_at": {"N": repr(cursor.arrived_at)},
            "tally": {"L": [{"N": str(figure)} for figure in msgspec.to_builtins(cursor.tally)]},
        }
        with service_errors(f"write the cursor of {shard_id}"):
            self._client.put_item(TableName=self._table, Item=item)

    def read_states(
        self, shard_id: str, keys: Sequence[StateKey], remaining_s: RemainingTime
    ) -> Mapping[StateKey, StateRow]:
        """Read the shard's rows consistently; keys without a row are absent from the answer."""
        items = self._tables.read(self._table, _item_keys(shard_id, keys), remaining_s)
        return _rows(keys, items)

    def read_shard(
        self, shard_id: str, keys: Sequence[StateKey], remaining_s: RemainingTime
    ) -> tuple[Cursor | None, Mapping[StateKey, StateRow]]:
        """Read cursor and rows side by side; a row may be older than the cursor."""
        cursors: list[Cursor | None] = []
        items: list[Item] = []
        wanted = _item_keys(shard_id, keys)
        calls = self._tables.read_calls(self._table, wanted, items, remaining_s)
        self._parallel.run([lambda: cursors.append(self.read_cursor(shard_id)), *calls], "read")
        return cursors[0], _rows(keys, items)

    def shards_of(self, key: StateKey, remaining_s: RemainingTime) -> Collection[str]:
        """Return the shards that have a row of this key, consistently, closed shards included."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "state_key = :state_key",
            "ExpressionAttributeValues": {":state_key": {"S": _state_key(key)}},
            "ProjectionExpression": "shard_id",
            "ConsistentRead": True,
        }
        shards: set[str] = set()
        while remaining_s() > 0:
            with service_errors(f"find the shards of {key.detector}"):
                answer = self._client.query(**request)
            shards.update(item["shard_id"]["S"] for item in answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return shards
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        raise RetryableError(f"cannot find the shards of {key.detector}: the time was up")

    def write_states(
        self, shard_id: str, rows: Mapping[StateKey, StateRow], remaining_s: RemainingTime
    ) -> None:
        """Replace rows, in no order and without a condition."""
        self._tables.write([self._put(shard_id, *row) for row in rows.items()], remaining_s)

    def _put(self, shard_id: str, key: StateKey, row: StateRow) -> Put:
        text = _state_key(key)
        item: Item = {
            "state_key": {"S": text},
            "shard_id": {"S": shard_id},
            "state": {"B": row.state},
            "applied": {"S": str(row.applied)},
            "expires_at": {"N": str(row.expires_at)},
        }
        return Put(self._table, (text, shard_id), item)


def decode_cursor(item: Item) -> Cursor:
    """Read a cursor's row; one from before there was a watermark has none."""
    tally = item.get("tally", {"L": []})["L"]
    return Cursor(
        applied=int(item["applied"]["S"]),
        ancestors=tuple(ancestor["S"] for ancestor in item["ancestors"]["L"]),
        suspect=int(item["suspect"]["S"]),
        attempts=int(item["attempts"]["N"]),
        arrived_at=float(item.get("arrived_at", {"N": "0"})["N"]),
        tally=RecordTally(*(int(figure["N"]) for figure in tally)),
    )


def _item_keys(shard_id: str, keys: Sequence[StateKey]) -> list[Item]:
    return [{"state_key": {"S": _state_key(key)}, "shard_id": {"S": shard_id}} for key in keys]


def _rows(keys: Sequence[StateKey], items: Sequence[Item]) -> dict[StateKey, StateRow]:
    by_text = {_state_key(key): key for key in keys}
    return {
        by_text[item["state_key"]["S"]]: StateRow(
            state=bytes(item["state"]["B"]),
            applied=int(item["applied"]["S"]),
            expires_at=int(item["expires_at"]["N"]),
        )
        for item in items
    }


def _state_key(key: StateKey) -> str:
    return f"{key.detector}#{key.subject}"
