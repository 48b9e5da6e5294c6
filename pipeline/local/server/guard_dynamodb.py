"""What DynamoDB refuses and moto accepts.

Source: Amazon DynamoDB Developer Guide, "Quotas", "Constraints" and the API reference; messages as
recorded on AWS by the test suites of other emulators, except where docs/local.md says inferred.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pipeline.local.server.guard_dynamodb_values import identity_of, violations
from pipeline.local.server.guard_rules import (
    Check,
    Request,
    Rule,
    TableKeys,
    Violation,
    length_error,
)
from pipeline.local.server.usage import item_size_bytes

Item = Mapping[str, Mapping[str, Any]]

_MAX_BATCH: Final = 25
_MAX_BATCH_BYTES: Final = 16 * 1024 * 1024
_MAX_TRANSACTION_BYTES: Final = 4 * 1024 * 1024
_MAX_EXPRESSION_BYTES: Final = 4096
_KEY_BYTES: Final = (2048, 1024)
_CODE: Final = "ValidationException"


def _rule(name: str, moto: str = "accepts it") -> Rule:
    return Rule(name, "dynamodb", _CODE, moto)


RULES: Final = (
    _rule("dynamodb-batch-duplicates", "accepts it unless the items are equal to the byte"),
    _rule("dynamodb-batch-size"),
    _rule("dynamodb-batch-bytes"),
    _rule("dynamodb-batch-get-duplicates", "accepts keys that are written differently: 1 and 1.0"),
    _rule("dynamodb-number-range", "stores 1e126"),
    _rule("dynamodb-number-digits", "stores more than 38 digits"),
    _rule("dynamodb-number-form", "stores 1_0"),
    _rule("dynamodb-set-duplicates", "stores the set"),
    _rule("dynamodb-set-empty", "stores it from BatchWriteItem and inside of maps and lists"),
    _rule("dynamodb-one-type", "stores one of several types; fails with a crash on none"),
    _rule("dynamodb-nesting", "stores any depth"),
    _rule("dynamodb-key-empty", "accepts it but for puts and GetItem"),
    _rule("dynamodb-key-schema", "accepts what is too much or of another type in some operations"),
    _rule("dynamodb-key-size", "accepts it but for writes of whole items"),
    _rule("dynamodb-index-key-type", "stores the item"),
    _rule("dynamodb-expression-size", "accepts it, or runs out of stack"),
    _rule("dynamodb-values-without-expression"),
    _rule("dynamodb-transaction-empty"),
    _rule("dynamodb-transaction-bytes"),
    _rule("dynamodb-transaction-get-duplicates"),
    _rule("dynamodb-limit", "fails with a crash"),
)


def _batch_write(request: Request) -> Iterator[Violation]:
    tables = request.params.get("RequestItems", {})
    if not tables or any(not 1 <= len(writes) <= _MAX_BATCH for writes in tables.values()):
        yield Violation("dynamodb-batch-size", _batch_size_message(tables))
    if sum(map(len, tables.values())) > _MAX_BATCH:
        yield Violation(
            "dynamodb-batch-size", "Too many items requested for the BatchWriteItem call"
        )
    for table, writes in tables.items():
        keys = request.keys_of(table)
        puts = [write["PutRequest"]["Item"] for write in writes if "PutRequest" in write]
        deletes = [write["DeleteRequest"]["Key"] for write in writes if "DeleteRequest" in write]
        for item in puts:
            yield from _item(item, keys)
        for key in deletes:
            yield from _key(key, keys)
        if keys and len(writes) > 1 and _has_duplicates([*puts, *deletes], keys):
            yield Violation(
                "dynamodb-batch-duplicates", "Provided list of item keys contains duplicates"
            )
    # The wire's JSON is never shorter than what it says.
    if request.size_bytes > _MAX_BATCH_BYTES:
        size_bytes = sum(
            item_size_bytes(write["PutRequest"]["Item"])
            for writes in tables.values()
            for write in writes
            if "PutRequest" in write
        )
        if size_bytes > _MAX_BATCH_BYTES:
            yield Violation(
                "dynamodb-batch-bytes",
                f"Request size of {size_bytes} bytes exceeds the limit of {_MAX_BATCH_BYTES} bytes",
            )


def _batch_size_message(tables: Mapping[str, Any]) -> str:
    if not tables:
        return length_error(
            "requestItems", "{}", "Member must have length greater than or equal to 1"
        )
    return length_error(
        "requestItems",
        "",
        "Map value must satisfy constraint: [Member must have length less than or equal to "
        f"{_MAX_BATCH}, Member must have length greater than or equal to 1]",
    )


def _batch_get(request: Request) -> Iterator[Violation]:
    tables = request.params.get("RequestItems", {})
    if not tables:
        yield Violation("dynamodb-batch-size", _batch_size_message(tables))
    for table, reads in tables.items():
        wanted = reads.get("Keys", [])
        if not wanted:
            yield Violation(
                "dynamodb-batch-size",
                length_error(
                    f"requestItems.{table}.member.keys",
                    "[]",
                    "Member must have length greater than or equal to 1",
                ),
            )
        yield from _expressions(reads)
        keys = request.keys_of(table)
        for key in wanted:
            yield from _key(key, keys)
        if keys and _has_duplicates(wanted, keys):
            yield Violation(
                "dynamodb-batch-get-duplicates", "Provided list of item keys contains duplicates"
            )


def _put(request: Request) -> Iterator[Violation]:
    yield from _expressions(request.params)
    keys = request.keys_of(request.params.get("TableName", ""))
    yield from _item(request.params.get("Item", {}), keys)


def _one_key(request: Request) -> Iterator[Violation]:
    yield from _expressions(request.params)
    keys = request.keys_of(request.params.get("TableName", ""))
    yield from _key(request.params.get("Key", {}), keys)


def _search(request: Request) -> Iterator[Violation]:
    if request.params.get("Limit") == 0:
        yield Violation(
            "dynamodb-limit",
            length_error("limit", "0", "Member must have value greater than or equal to 1"),
        )
    yield from _expressions(request.params)


def _transaction(request: Request) -> Iterator[Violation]:
    entries = [
        operation
        for entry in request.params.get("TransactItems", [])
        for operation in entry.values()
    ]
    if not entries:
        yield Violation(
            "dynamodb-transaction-empty",
            length_error(
                "transactItems", "[]", "Member must have length greater than or equal to 1"
            ),
        )
    seen = set()
    for entry in entries:
        yield from _expressions(entry)
        keys = request.keys_of(entry.get("TableName", ""))
        if "Item" in entry:
            yield from _item(entry["Item"], keys)
        else:
            yield from _key(entry.get("Key", {}), keys)
            identity = (entry.get("TableName"), _identity(entry.get("Key", {}), keys))
            if request.operation == "TransactGetItems" and identity in seen:
                yield Violation(
                    "dynamodb-transaction-get-duplicates",
                    "Transaction request cannot include multiple operations on one item",
                )
            seen.add(identity)
    if request.size_bytes > _MAX_TRANSACTION_BYTES:
        size_bytes = sum(item_size_bytes(entry["Item"]) for entry in entries if "Item" in entry)
        if size_bytes > _MAX_TRANSACTION_BYTES:
            yield Violation(
                "dynamodb-transaction-bytes",
                "Member must have an aggregate size of items less than or equal to "
                f"{_MAX_TRANSACTION_BYTES} bytes",
            )


def _expressions(params: Mapping[str, Any]) -> Iterator[Violation]:
    expressions = 0
    for name, text in params.items():
        if name.endswith("Expression") and isinstance(text, str):
            expressions += 1
            size_bytes = len(text.encode())
            if size_bytes > _MAX_EXPRESSION_BYTES:
                yield Violation(
                    "dynamodb-expression-size",
                    f"Invalid {name}: Expression size has exceeded the maximum allowed size; "
                    f"expression size: {size_bytes}",
                )
    values = params.get("ExpressionAttributeValues") or {}
    if values and not expressions:
        yield Violation(
            "dynamodb-values-without-expression",
            "ExpressionAttributeValues can only be specified when using expressions",
        )
    yield from violations(values.values())


def _item(item: Item, keys: TableKeys | None) -> Iterator[Violation]:
    yield from violations(item.values())
    if keys is None:
        return
    for index, index_keys in keys.indexes.items():
        for name, kind in index_keys.items():
            if name in item and name not in keys.keys and kind not in item[name]:
                yield Violation(
                    "dynamodb-index-key-type",
                    "One or more parameter values were invalid: Type mismatch for Index Key "
                    f"{name} Expected: {kind} Actual: {next(iter(item[name]), 'none')} "
                    f"IndexName: {index}",
                )


def _key(key: Item, keys: TableKeys | None) -> Iterator[Violation]:
    yield from violations(key.values())
    if keys is None:
        return
    if set(key) != set(keys.keys) or any(keys.keys[name] not in key[name] for name in key):
        yield Violation("dynamodb-key-schema", "The provided key element does not match the schema")
        return
    for name, kind in keys.keys.items():
        content = str(key[name][kind])
        if not content:
            typed = "binary" if kind == "B" else "string"
            yield Violation(
                "dynamodb-key-empty",
                "One or more parameter values are not valid. The AttributeValue for a key "
                f"attribute cannot contain an empty {typed} value. Key: {name}",
            )
        limit = _KEY_BYTES[name != keys.hash_key]
        if kind == "S" and len(content) * 4 > limit and len(content.encode()) > limit:
            yield Violation("dynamodb-key-size", _key_size_message(limit))


def _key_size_message(limit: int) -> str:
    if limit == _KEY_BYTES[0]:  # without the blank, as DynamoDB writes it
        return (
            "One or more parameter values were invalid: Size of hashkey has exceeded the maximum "
            f"size limit of{limit} bytes"
        )
    return (
        "One or more parameter values were invalid: Aggregated size of all range keys has "
        f"exceeded the size limit of {limit} bytes"
    )


def _has_duplicates(items: list[Item], keys: TableKeys) -> bool:
    return len({_identity(item, keys) for item in items}) < len(items)


def _identity(item: Item, keys: TableKeys | None) -> tuple[object, ...]:
    """Return what makes two items one; a key attribute that is missing is refused elsewhere."""
    names: Iterable[str] = keys.keys if keys else sorted(item)
    return tuple(
        identity_of(kind, content)
        for name in names
        for kind, content in list(item.get(name, {}).items())[:1]
    )


CHECKS: Final[Mapping[str, Check]] = {
    "BatchGetItem": _batch_get,
    "BatchWriteItem": _batch_write,
    "DeleteItem": _one_key,
    "GetItem": _one_key,
    "PutItem": _put,
    "Query": _search,
    "Scan": _search,
    "TransactGetItems": _transaction,
    "TransactWriteItems": _transaction,
    "UpdateItem": _one_key,
}
