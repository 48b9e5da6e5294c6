"""Batches that are executed in part: what is held back, and how the answer says so.

Pure functions on requests and answers as JSON. Sources: the API references of BatchWriteItem and
BatchGetItem (UnprocessedItems, UnprocessedKeys), PutRecords (Records in the order of the request,
with an ErrorCode each), SendMessageBatch and DeleteMessageBatch (Successful and Failed, by Id).
"""

import random
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

from pipeline.local.faults import INJECTED

Json = dict[str, Any]
Divide = Callable[[Json, random.Random], tuple[Json, Any] | None]


class Batch(NamedTuple):
    """How one operation takes a batch apart.

    `divide` gives the request to execute and what is held back, None for a batch of one;
    `join` completes the answer with what was held back.
    """

    kind: Literal["unprocessed", "partly failed"]
    divide: Divide
    join: Callable[[Json, Any], Json]


def _chosen(count: int, chance: random.Random) -> set[int]:
    """Choose some of so many places, neither none nor all."""
    return set(chance.sample(range(count), chance.randint(1, count - 1)))


def _divide_writes(request: Json, chance: random.Random) -> tuple[Json, Json] | None:
    tables = request["RequestItems"]
    divided = _divide_tables(tables, chance)
    if divided is None:
        return None
    executed, held_back = divided
    return {**request, "RequestItems": executed}, held_back


def _divide_keys(request: Json, chance: random.Random) -> tuple[Json, Json] | None:
    tables = request["RequestItems"]
    divided = _divide_tables({name: wanted["Keys"] for name, wanted in tables.items()}, chance)
    if divided is None:
        return None
    executed, held_back = (
        {name: {**tables[name], "Keys": keys} for name, keys in part.items()} for part in divided
    )
    return {**request, "RequestItems": executed}, held_back


def _divide_tables(
    tables: Mapping[str, list[Any]], chance: random.Random
) -> tuple[dict[str, list[Any]], dict[str, list[Any]]] | None:
    entries = [(name, entry) for name, listed in tables.items() for entry in listed]
    if len(entries) < 2:
        return None
    chosen = _chosen(len(entries), chance)
    executed: dict[str, list[Any]] = {}
    held_back: dict[str, list[Any]] = {}
    for place, (name, entry) in enumerate(entries):
        part = held_back if place in chosen else executed
        part.setdefault(name, []).append(entry)
    return executed, held_back


def _join_writes(answer: Json, held_back: Json) -> Json:
    unprocessed = answer.get("UnprocessedItems") or {}
    joined = {
        name: unprocessed.get(name, []) + held_back.get(name, [])
        for name in {**unprocessed, **held_back}
    }
    return {**answer, "UnprocessedItems": joined}


def _join_keys(answer: Json, held_back: Json) -> Json:
    joined = dict(answer.get("UnprocessedKeys") or {})
    for name, wanted in held_back.items():
        keys = joined.get(name, {"Keys": []})["Keys"] + wanted["Keys"]
        joined[name] = {**wanted, "Keys": keys}
    return {**answer, "UnprocessedKeys": joined}


def _divide_entries(request: Json, chance: random.Random) -> tuple[Json, list[Json]] | None:
    entries = request["Entries"]
    if len(entries) < 2:
        return None
    chosen = _chosen(len(entries), chance)
    executed = [entry for place, entry in enumerate(entries) if place not in chosen]
    return {**request, "Entries": executed}, [entries[place] for place in sorted(chosen)]


def _join_entries(answer: Json, held_back: list[Json]) -> Json:
    failed = [
        {
            "Id": entry["Id"],
            "SenderFault": False,
            "Code": "InternalError",
            "Message": INJECTED,
        }
        for entry in held_back
    ]
    return {**answer, "Failed": [*answer.get("Failed", []), *failed]}


def _divide_records(request: Json, chance: random.Random) -> tuple[Json, list[int]] | None:
    records = request["Records"]
    if len(records) < 2:
        return None
    chosen = _chosen(len(records), chance)
    executed = [record for place, record in enumerate(records) if place not in chosen]
    return {**request, "Records": executed}, sorted(chosen)


def _join_records(answer: Json, held_back: list[int]) -> Json:
    records = list(answer["Records"])
    for place in held_back:
        records.insert(
            place,
            {
                "ErrorCode": "ProvisionedThroughputExceededException",
                "ErrorMessage": INJECTED,
            },
        )
    failed = answer["FailedRecordCount"] + len(held_back)
    return {**answer, "FailedRecordCount": failed, "Records": records}


BATCHES: Final[Mapping[tuple[str, str], Batch]] = {
    ("dynamodb", "BatchGetItem"): Batch("unprocessed", _divide_keys, _join_keys),
    ("dynamodb", "BatchWriteItem"): Batch("unprocessed", _divide_writes, _join_writes),
    ("kinesis", "PutRecords"): Batch("partly failed", _divide_records, _join_records),
    ("sqs", "DeleteMessageBatch"): Batch("partly failed", _divide_entries, _join_entries),
    ("sqs", "SendMessageBatch"): Batch("partly failed", _divide_entries, _join_entries),
}
"""How each operation that takes batches, by service and name, is executed in part."""
