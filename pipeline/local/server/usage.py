"""Count what callers ask of the endpoint: requests, and the DynamoDB units that AWS would bill.

A WSGI middleware in the moto server's process, so nothing that is counted is an estimate of the
caller. The access key names the caller: the local run gives each function its own.
"""

import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from pipeline.local.server.wsgi import Application, Environ, StartResponse, call, read_body, signer
from pipeline.local.server.wsgi import operation as operation_of

USAGE_PATH: Final = "/_usage"
"""Answers with all counts as JSON: a list of `Usage` fields."""

_WRITE_UNIT_BYTES = 1024
_READ_UNIT_BYTES = 4096

IndexesOf = Callable[[str], list[list[str]]]
"""Names the key attributes of each secondary index of a table."""


class Usage(NamedTuple):
    """What one caller asked of one operation.

    `write_units` and `read_units` are DynamoDB request units of on-demand tables: 1 KB written or
    4 KB read consistently, each item rounded up, secondary indexes included for writes.
    """

    caller: str
    service: str
    operation: str
    requests: int = 0
    write_units: int = 0
    read_units: int = 0


class UsageMeter:
    """Counts the requests of an application and answers `USAGE_PATH` itself.

    Args:
        application: The server to count for.
        indexes_of: The secondary indexes of a table, each of which is written with the item.
    """

    def __init__(self, application: Application, indexes_of: IndexesOf) -> None:
        self._application = application
        self._indexes_of = indexes_of
        self._lock = threading.Lock()
        self._usage: dict[tuple[str, str, str], Usage] = {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if environ.get("PATH_INFO") == USAGE_PATH:
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(list(self._usage.values())).encode()]
        signed = signer(environ)
        if signed is None:
            return self._application(environ, start_response)
        caller, service, operation = signed.caller, signed.service, operation_of(environ)
        if service != "dynamodb":
            self._add(Usage(caller, service, operation, 1))
            return self._application(environ, start_response)
        request = _json_body(environ)
        status, headers, body = call(self._application, environ)
        if status.startswith("200"):
            writes = write_units(operation, request, self._indexes_of)
            reads = read_units(operation, json.loads(body or b"{}"))
        else:
            writes = reads = 0  # what is refused costs nothing
        self._add(Usage(caller, service, operation, 1, writes, reads))
        start_response(status, headers)
        return [body]

    def _add(self, more: Usage) -> None:
        key = more[:3]
        with self._lock:
            known = self._usage.get(key, Usage(*key))
            counts = (one + other for one, other in zip(known[3:], more[3:], strict=True))
            self._usage[key] = Usage(*key, *counts)


def write_units(operation: str, request: Mapping[str, Any], indexes_of: IndexesOf) -> int:
    """Return the write units of a request, as if no item stood under its keys before.

    Source: Amazon DynamoDB Developer Guide, on-demand capacity: 1 KB a unit, rounded up per item; a
    put to a table with an index that holds the item costs the same again per index.
    """
    if operation == "PutItem":
        puts = [(request["TableName"], request["Item"])]
    elif operation == "BatchWriteItem":
        puts = [
            (table, write["PutRequest"]["Item"])
            for table, writes in request["RequestItems"].items()
            for write in writes
            if "PutRequest" in write
        ]
    else:
        return 0
    units = 0
    for table, item in puts:
        indexes = sum(all(key in item for key in keys) for keys in indexes_of(table))
        units += -(-item_size_bytes(item) // _WRITE_UNIT_BYTES) * (1 + indexes)
    return units


def read_units(operation: str, answer: Mapping[str, Any]) -> int:
    """Return the units of the consistent reads behind an answer, at least one per request."""
    if operation == "GetItem":
        items = [answer.get("Item", {})]
    elif operation == "BatchGetItem":
        items = [item for found in answer.get("Responses", {}).values() for item in found]
    elif operation in {"Query", "Scan"}:
        size_bytes = sum(map(item_size_bytes, answer.get("Items", [])))
        return max(1, -(-size_bytes // _READ_UNIT_BYTES))
    else:
        return 0
    return max(1, sum(max(1, -(-item_size_bytes(item) // _READ_UNIT_BYTES)) for item in items))


def item_size_bytes(item: Mapping[str, Any]) -> int:
    """Return the size of an item in DynamoDB JSON: names and values.

    Source: Amazon DynamoDB Developer Guide, item sizes and formats.
    """
    return sum(len(name.encode()) + _value_size_bytes(value) for name, value in item.items())


def _value_size_bytes(attribute: Mapping[str, Any]) -> int:
    ((kind, value),) = attribute.items()
    match kind:
        case "S":
            return len(str(value).encode())
        case "N":
            return _number_size_bytes(value)
        case "B":
            return _decoded_size_bytes(str(value))
        case "M":
            return 3 + len(value) + item_size_bytes(value)
        case "L":
            return 3 + len(value) + sum(map(_value_size_bytes, value))
        case "SS" | "NS" | "BS":
            return sum(_value_size_bytes({kind[0]: one}) for one in value)
        case _:
            return 1


def _decoded_size_bytes(base64_text: str) -> int:
    return len(base64_text) * 3 // 4 - base64_text[-2:].count("=")


def _number_size_bytes(text: str) -> int:
    digits = re.sub(r"[eE].*|[^0-9]", "", text).strip("0")
    return -(-max(1, len(digits)) // 2) + 1


def _json_body(environ: Environ) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(read_body(environ) or b"{}")
    return body
