"""DynamoDB, S3 and Kinesis in memory, as far as the event flow calls them, with faults as inputs.

Answers and errors have the shapes of the low-level clients, and what AWS refuses is refused: more
than 25 puts, a key twice in one request, more than 100 keys. A fault strikes the n-th call.
"""

import copy
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from botocore.exceptions import ClientError, ConnectionClosedError

Fault = Literal["throttle", "lost reply", "crash before", "crash after", "unprocessed"]
FAULTS: tuple[Fault, ...] = ("throttle", "lost reply", "crash before", "crash after", "unprocessed")

KEYS = {
    "activities": ("user_id", "event_key"),
    "metrics": ("series_day", "event_key"),
    "transactions": ("transaction_id", "event_key"),
    "states": ("state_key", "shard_id"),
    "anomalies": ("dedup_key", "fact_key"),
}

Item = dict[str, Any]


class CrashError(BaseException):
    """The execution environment dies here; nothing in it may catch this."""


class FakeAws:
    """One account: tables by name, objects by key, shards, all calls and all items ever put.

    Args:
        fault: Tells the fault that strikes a call, given its number from 1; None for no fault.
    """

    def __init__(self, fault: Callable[[int], Fault | None] = lambda _: None) -> None:
        self.tables: dict[str, dict[tuple[str, str], Item]] = {name: {} for name in KEYS}
        self.objects: dict[str, bytes] = {}
        self.shards: list[dict[str, str]] = []
        self.calls: list[str] = []
        self.written: list[tuple[str, Item]] = []
        self._fault = fault

    def get_item(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  the client's own signature
        table, key = request["TableName"], request["Key"]
        return self._call("GetItem", lambda: self._found(self.tables[table].get(_key(table, key))))

    def put_item(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  the client's own signature
        return self._call("PutItem", lambda: self._put(request["TableName"], request["Item"]))

    def batch_get_item(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  the client's own signature
        wanted = [
            (table, key) for table, part in request["RequestItems"].items() for key in part["Keys"]
        ]
        _refuse(len(wanted) > 100, "Too many items requested for the BatchGetItem call")
        _refuse(_repeats(wanted), "Provided list of item keys contains duplicates")
        return self._call(
            "BatchGetItem", lambda: self._get_all(wanted), lambda: _split_get(request)
        )

    def batch_write_item(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  the client's own signature
        puts = [
            (table, put["PutRequest"]["Item"])
            for table, part in request["RequestItems"].items()
            for put in part
        ]
        _refuse(len(puts) > 25, "Too many items requested for the BatchWriteItem call")
        _refuse(_repeats(puts), "Provided list of item keys contains duplicates")
        return self._call(
            "BatchWriteItem", lambda: self._put_all(puts), lambda: self._put_half(puts)
        )

    def query(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  the client's own signature
        assert request["KeyConditionExpression"] == "state_key = :state_key"
        table = self.tables[request["TableName"]]
        state_key = request["ExpressionAttributeValues"][":state_key"]["S"]
        items = [item for (name, _), item in table.items() if name == state_key]
        return self._call("Query", lambda: {"Items": copy.deepcopy(items)})

    def put_object(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  the client's own signature
        return self._call("PutObject", lambda: self._put_body(request["Key"], request["Body"]))

    def get_object(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  the client's own signature
        return self._call("GetObject", lambda: {"Body": io.BytesIO(self.objects[request["Key"]])})

    def get_paginator(self, operation: str) -> "FakeAws":
        assert operation == "list_shards"
        return self

    def paginate(self, **_: str) -> Iterator[dict[str, Any]]:
        yield self._call("ListShards", lambda: {"Shards": copy.deepcopy(self.shards)})

    def _call(
        self,
        operation: str,
        effect: Callable[[], dict[str, Any]],
        partly: Callable[[], dict[str, Any]] | None = None,
    ) -> dict[str, Any]:
        self.calls.append(operation)
        fault = self._fault(len(self.calls))
        if fault == "crash before":
            raise CrashError
        if fault == "throttle":
            raise _error("ThrottlingException", operation)
        if fault == "unprocessed" and partly is not None:
            return partly()
        answer = effect()
        if fault == "crash after":
            raise CrashError
        if fault == "lost reply":
            raise ConnectionClosedError(endpoint_url=operation)
        return answer

    def _found(self, item: Item | None) -> dict[str, Any]:
        return {} if item is None else {"Item": copy.deepcopy(item)}

    def _put(self, table: str, item: Item) -> dict[str, Any]:
        self.tables[table][_key(table, item)] = copy.deepcopy(item)
        self.written.append((table, self.tables[table][_key(table, item)]))
        return {}

    def _put_body(self, key: str, body: bytes) -> dict[str, Any]:
        self.objects[key] = body
        return {}

    def _put_all(self, puts: Sequence[tuple[str, Item]]) -> dict[str, Any]:
        for table, item in puts:
            self._put(table, item)
        return {"UnprocessedItems": {}}

    def _put_half(self, puts: Sequence[tuple[str, Item]]) -> dict[str, Any]:
        half = len(puts) // 2
        self._put_all(puts[:half])
        left: dict[str, list[Any]] = {}
        for table, item in puts[half:]:
            left.setdefault(table, []).append({"PutRequest": {"Item": item}})
        return {"UnprocessedItems": left}

    def _get_all(self, wanted: Sequence[tuple[str, Item]]) -> dict[str, Any]:
        responses: dict[str, list[Item]] = {}
        for table, key in wanted:
            item = self.tables[table].get(_key(table, key))
            if item is not None:
                responses.setdefault(table, []).append(copy.deepcopy(item))
        return {"Responses": responses, "UnprocessedKeys": {}}


def _split_get(request: Mapping[str, Any]) -> dict[str, Any]:
    return {"Responses": {}, "UnprocessedKeys": copy.deepcopy(request["RequestItems"])}


def _key(table: str, item: Mapping[str, Any]) -> tuple[str, str]:
    hash_key, range_key = KEYS[table]
    return item[hash_key]["S"], item[range_key]["S"]


def _repeats(wanted: Sequence[tuple[str, Item]]) -> bool:
    return len({(table, _key(table, item)) for table, item in wanted}) < len(wanted)


def _refuse(condition: bool, message: str) -> None:  # noqa: FBT001  reads as an assertion
    if condition:
        raise _error("ValidationException", message)


def _error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, message)
