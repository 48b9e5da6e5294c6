"""What Kinesis, EventBridge, S3 and Systems Manager refuse and moto accepts.

Source: Kinesis Data Streams API reference and "Quotas and limits"; EventBridge API reference,
PutEvents and PutRule; Amazon S3 User Guide, "Creating object key names"; Systems Manager User
Guide, "Managing parameter tiers".
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pipeline.local.semantics.event_pattern import PatternError, compile_pattern
from pipeline.local.server.guard_rules import (
    Check,
    Request,
    Rule,
    Violation,
    decoded_size_bytes,
    length_error,
)

_MAX_RECORD_BYTES: Final = 1_048_576  # until UpdateMaxRecordSize, which moto does not know
_MAX_PARTITION_KEY: Final = 256
_MAX_READ: Final = 10_000
_MAX_EVENTS_BYTES: Final = 1_048_576
_MAX_OBJECT_KEY_BYTES: Final = 1024
_MAX_METADATA_BYTES: Final = 2048
_MAX_DELETES: Final = 1000
_PARAMETER_LIMITS: Final = {"Standard": 4096, "Advanced": 8192}
_HASH_KEY_PATTERN: Final = r"0|([1-9]\d{0,38})"
_HASH_KEY = re.compile(_HASH_KEY_PATTERN, re.ASCII)

_VALIDATION: Final = "ValidationException"
_NOT_EMPTY: Final = "Member must have length greater than or equal to 1"

RULES: Final = (
    Rule("kinesis-record-bytes", "kinesis", _VALIDATION, "accepts any size in PutRecord"),
    Rule(
        "kinesis-partition-key", "kinesis", _VALIDATION, "accepts an empty one; has another error"
    ),
    Rule("kinesis-hash-key", "kinesis", _VALIDATION, "fails with a crash, or has another message"),
    Rule("kinesis-records-empty", "kinesis", _VALIDATION, "accepts it"),
    Rule("kinesis-read-limit", "kinesis", _VALIDATION, "accepts it"),
    Rule("events-entries-empty", "events", _VALIDATION, "accepts it"),
    Rule("events-entries-bytes", "events", _VALIDATION, "accepts any size"),
    Rule("events-pattern", "events", "InvalidEventPatternException", "accepts or crashes on most"),
    Rule("s3-key-bytes", "s3", "KeyTooLongError", "accepts any length"),
    Rule("s3-metadata-bytes", "s3", "MetadataTooLarge", "accepts any size"),
    Rule("s3-delete-count", "s3", "MalformedXML", "deletes any number"),
    Rule("ssm-value-length", "ssm", _VALIDATION, "stores any length"),
)


def _put_record(request: Request) -> Iterator[Violation]:
    yield from _record(request.params, "")


def _put_records(request: Request) -> Iterator[Violation]:
    records = request.params.get("Records") or []
    if not records:
        yield Violation("kinesis-records-empty", length_error("records", "[]", _NOT_EMPTY))
    for number, record in enumerate(records, start=1):
        yield from _record(record, f"records.{number}.member.")


def _record(record: Mapping[str, Any], place: str) -> Iterator[Violation]:
    key = str(record.get("PartitionKey", ""))
    if not key:
        yield Violation(
            "kinesis-partition-key",
            f"1 validation error detected: Value '' at '{place}partitionKey' failed to satisfy "
            f"constraint: {_NOT_EMPTY}",
        )
    if len(key) > _MAX_PARTITION_KEY:
        yield Violation(
            "kinesis-partition-key",
            length_error(
                f"{place}partitionKey",
                key,
                f"Member must have length less than or equal to {_MAX_PARTITION_KEY}",
            ),
        )
    size_bytes = decoded_size_bytes(record.get("Data") or "") + len(key.encode())
    if size_bytes > _MAX_RECORD_BYTES:
        yield Violation(
            "kinesis-record-bytes",
            length_error(
                f"{place}data",
                "",
                f"Member must have length less than or equal to {_MAX_RECORD_BYTES}",
            ),
        )
    hash_key = record.get("ExplicitHashKey")
    if hash_key is None:
        return
    if not _HASH_KEY.fullmatch(hash_key):
        yield Violation(
            "kinesis-hash-key",
            length_error(
                f"{place}explicitHashKey",
                hash_key,
                f"Member must satisfy regular expression pattern: {_HASH_KEY_PATTERN}",
            ),
        )
    elif int(hash_key) >= 2**128:
        yield Violation(
            "kinesis-hash-key",
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. "
            f"Specified value was {hash_key}",
            "InvalidArgumentException",
        )


def _get_records(request: Request) -> Iterator[Violation]:
    limit = request.params.get("Limit") or 0
    if limit > _MAX_READ:
        yield Violation(
            "kinesis-read-limit",
            length_error(
                "limit", str(limit), f"Member must have value less than or equal to {_MAX_READ}"
            ),
        )


def _put_events(request: Request) -> Iterator[Violation]:
    entries = request.params.get("Entries") or []
    if not entries:
        yield Violation("events-entries-empty", length_error("entries", "[]", _NOT_EMPTY))
    if request.size_bytes > _MAX_EVENTS_BYTES and sum(map(_entry_bytes, entries)) > (
        _MAX_EVENTS_BYTES
    ):
        yield Violation(
            "events-entries-bytes", "Total size of the entries in the request is over the limit."
        )


def _entry_bytes(entry: Mapping[str, Any]) -> int:
    """Return the size of an event as EventBridge counts it: 14 bytes are its time."""
    texts = [entry.get(name) or "" for name in ("Source", "DetailType", "Detail")]
    texts += entry.get("Resources") or []
    return sum(len(text.encode()) for text in texts) + (14 if "Time" in entry else 0)


def _put_rule(request: Request) -> Iterator[Violation]:
    pattern = request.params.get("EventPattern")
    if not pattern:
        return
    try:
        compile_pattern(pattern)
    except PatternError as error:
        yield Violation("events-pattern", str(error))


def _object(request: Request) -> Iterator[Violation]:
    if len(str(request.params.get("Key", "")).encode(errors="surrogatepass")) > (
        _MAX_OBJECT_KEY_BYTES
    ):
        yield Violation("s3-key-bytes", "Your key is too long")
    metadata = request.params.get("Metadata") or {}
    size_bytes = sum(len(name.encode()) + len(text.encode()) for name, text in metadata.items())
    if size_bytes > _MAX_METADATA_BYTES:
        yield Violation(
            "s3-metadata-bytes",
            "Your metadata headers exceed the maximum allowed metadata size",
        )


def _delete_objects(request: Request) -> Iterator[Violation]:
    if request.params.get("Objects", 0) > _MAX_DELETES:
        yield Violation(
            "s3-delete-count",
            "The XML you provided was not well-formed or did not validate against our published "
            "schema",
        )


def _put_parameter(request: Request) -> Iterator[Violation]:
    tier = request.params.get("Tier") or "Standard"
    limit = _PARAMETER_LIMITS.get(tier, _PARAMETER_LIMITS["Advanced"])
    if len(str(request.params.get("Value", ""))) > limit:
        advice = (
            " To create a larger parameter value, upgrade the parameter to use the "
            "advanced-parameter tier. For more information, see "
            "https://docs.aws.amazon.com/systems-manager/latest/userguide/"
            "parameter-store-advanced-parameters.html"
        )
        yield Violation(
            "ssm-value-length",
            f"{tier} tier parameters support a maximum parameter value of {limit} characters."
            + (advice if tier == "Standard" else ""),
        )


KINESIS_CHECKS: Final[Mapping[str, Check]] = {
    "GetRecords": _get_records,
    "PutRecord": _put_record,
    "PutRecords": _put_records,
}
EVENTS_CHECKS: Final[Mapping[str, Check]] = {
    "PutEvents": _put_events,
    "PutRule": _put_rule,
    "TestEventPattern": _put_rule,
}
S3_CHECKS: Final[Mapping[str, Check]] = {"DeleteObjects": _delete_objects, "Object": _object}
SSM_CHECKS: Final[Mapping[str, Check]] = {"PutParameter": _put_parameter}
