"""Time to live: deletes the expired items of a table, and knows its own deletions in the stream."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

_INTERVAL_S: Final = 60.0
_OLDEST_S: Final = 5 * 365 * 24 * 3600
"""DynamoDB leaves alone what expired more than five years ago, since it may be a mistake."""

_IDENTITY: Final = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}


class TimeToLive:
    """Deletes what has expired in one table, as DynamoDB does within a few days.

    Its deletions are marked in the stream by `mark`, for every reader of the table's stream. They
    are remembered in memory only: after a kill between a deletion and its reading, the mark is
    lost. Source: Amazon DynamoDB Developer Guide, "Using time to live (TTL) in DynamoDB".

    Args:
        client: A boto3 DynamoDB client.
        table: The table's name.
        clock: Seconds since the epoch.
        interval_s: Time between two looks at the table.
    """

    def __init__(
        self,
        client: Any,  # noqa: ANN401  boto3
        table: str,
        clock: Callable[[], float],
        interval_s: float = _INTERVAL_S,
    ) -> None:
        self._client = client
        self._table = table
        self._clock = clock
        self._interval_s = interval_s
        self._next_sweep = clock() + interval_s
        self._lock = threading.Lock()
        # By the key of each deleted item its expiry, as in its image.
        self._deleted: dict[str, dict[str, Any]] = {}

    def sweep_if_due(self) -> None:
        """Delete what has expired, unless the last time is recent; safe from several threads."""
        now = self._clock()
        with self._lock:
            if now < self._next_sweep:
                return
            self._next_sweep = now + self._interval_s
        attribute = self._attribute()
        if attribute is None:
            return
        schema = self._client.describe_table(TableName=self._table)["Table"]["KeySchema"]
        for item in self._expired(attribute, now):
            key = {part["AttributeName"]: item[part["AttributeName"]] for part in schema}
            self._delete(key, attribute, item[attribute])

    def mark(self, record: dict[str, Any]) -> dict[str, Any]:
        """Give a stream record, as boto3 returns it, its user identity if it is of our deletions.

        A user's own deletion of an item with the same key and expiry cannot be told from ours.
        """
        change = record["dynamodb"]
        if record["eventName"] != "REMOVE":
            return record
        with self._lock:
            expiry = self._deleted.get(_text(change["Keys"]))
        if expiry is None or not _is_part(expiry, change.get("OldImage", expiry)):
            return record
        return {**record, "userIdentity": _IDENTITY}

    def _attribute(self) -> str | None:
        answer = self._client.describe_time_to_live(TableName=self._table)
        description = answer["TimeToLiveDescription"]
        is_on = description.get("TimeToLiveStatus") == "ENABLED"
        return str(description["AttributeName"]) if is_on else None

    def _expired(self, attribute: str, now: float) -> Iterator[dict[str, Any]]:
        # Compared here, since moto cannot compare a number with what is none.
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table, ConsistentRead=True
        )
        for page in pages:
            for item in page["Items"]:
                expiry = item.get(attribute, {}).get("N")
                if expiry is not None and now - _OLDEST_S <= float(expiry) < now:
                    yield item

    def _delete(self, key: dict[str, Any], attribute: str, expiry: dict[str, str]) -> None:
        # Remembered first: a reader may see the record before the call returns.
        with self._lock:
            before = self._deleted.get(_text(key))
            self._deleted[_text(key)] = {attribute: expiry}
        try:
            self._client.delete_item(
                TableName=self._table,
                Key=key,
                ConditionExpression="#expiry = :expiry",
                ExpressionAttributeNames={"#expiry": attribute},
                ExpressionAttributeValues={":expiry": expiry},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            with self._lock:  # written or deleted meanwhile: not ours
                self._deleted.pop(_text(key))
                if before is not None:
                    self._deleted[_text(key)] = before


def _is_part(attributes: dict[str, Any], item: dict[str, Any]) -> bool:
    return all(item.get(name) == value for name, value in attributes.items())


def _text(key: dict[str, Any]) -> str:
    return json.dumps(key, sort_keys=True, default=repr)
