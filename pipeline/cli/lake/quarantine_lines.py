"""Quarantine read back for people: its objects, one refused record, and what was wrong with all."""

import base64
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from pipeline.cli.stack import StackError
from pipeline.errors import InvalidRecordError
from pipeline.events import FraudReport, SystemMetric, Transaction, UserActivity
from pipeline.flows.events.lake import QuarantineLine
from pipeline.records import AGGREGATE_MAGIC, unpack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX: Final = "quarantine/"

MAX_CANDIDATES: Final = 50
"""Objects that the search for one record reads: batches of its shard that begin before it, the
nearest first. Only batches that came again in other portions begin nearer than its own."""

MAX_SAMPLES: Final = 3

NOT_JSON: Final = "(not JSON)"
UNKNOWN_TYPE: Final = "(unknown)"

_EVENT_TYPES: Final = {
    str(kind.__struct_config__.tag)
    for kind in (UserActivity, SystemMetric, Transaction, FraudReport)
}
_CHANGES: Final = {"user INSERT", "user MODIFY", "user REMOVE"}
_NAME: Final = re.compile(r"/(?P<shard>[^/]+?)-(?P<first>\d+)(?:-late-[0-9a-f]{12})?\.jsonl\.gz$")
_FIGURES: Final = (
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)?"), "(time)"),
    (re.compile(r"^\d+ bytes"), "N bytes"),
    (re.compile(r"\bbyte 0x[0-9a-f]{2} at \d+"), "byte 0xNN at N"),
    (re.compile(r"\(byte \d+\)"), "(byte N)"),
)


class StoredObject(NamedTuple):
    """An object of quarantine, the refused records of one batch, or of the lake's events."""

    key: str
    size_bytes: int
    shard_id: str
    first_sequence_number: int


class Found(NamedTuple):
    """A refused record and the key of its object."""

    line: QuarantineLine
    key: str


@dataclass(slots=True)
class Group:
    """Records refused for the same fault; `reason` has no figures that differ from one to the next.

    `samples` are the first few, `count` is all.
    """

    event_type: str
    path: str
    reason: str
    count: int = 0
    first_at: str = ""
    last_at: str = ""
    samples: list[QuarantineLine] = field(default_factory=list)


def list_objects(
    s3: "S3Client",
    bucket: str,
    since: datetime | None = None,
    until: datetime | None = None,
    prefix: str = PREFIX,
) -> list[StoredObject]:
    """Return the objects of the hours of arrival from `since` to `until`, the oldest first."""
    start = prefix + _hour(since) if since else prefix
    end = prefix + _hour(until) + "~" if until else None
    objects: list[StoredObject] = []
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, StartAfter=start
    )
    for page in pages:
        for entry in page.get("Contents", []):
            if end and entry["Key"] > end:
                return objects
            if name := _NAME.search(entry["Key"]):
                objects.append(
                    StoredObject(entry["Key"], entry["Size"], name["shard"], int(name["first"]))
                )
    return objects


def read_lines(s3: "S3Client", bucket: str, key: str) -> Iterator[QuarantineLine]:
    """Yield the refused records of an object, never more than one decompressed.

    Raises:
        StackError: The object is not what the event flow writes.
    """
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    try:
        with gzip.open(io.BytesIO(body)) as file:
            for line in file:
                yield msgspec.json.decode(line, type=QuarantineLine)
    except (OSError, EOFError, zlib.error, msgspec.MsgspecError) as error:
        raise StackError(f"s3://{bucket}/{key} is damaged: {error}") from error


def find_record(
    s3: "S3Client", bucket: str, objects: Iterable[StoredObject], record_id: str
) -> Found | None:
    """Return one refused record by its id, `shardId:sequenceNumber[:subsequence]`."""
    shard_id, _, rest = record_id.partition(":")
    digits = rest.partition(":")[0]
    if not digits.isdecimal():
        return None
    candidates = sorted(
        (
            one
            for one in objects
            if one.shard_id == shard_id and one.first_sequence_number <= int(digits)
        ),
        key=lambda one: one.first_sequence_number,
        reverse=True,
    )
    for candidate in candidates[:MAX_CANDIDATES]:
        for line in read_lines(s3, bucket, candidate.key):
            if line.record_id == record_id:
                return Found(line, candidate.key)
    return None


def explain(lines: Iterable[QuarantineLine]) -> list[Group]:
    """Group refused records by event type, JSON path and reason, the largest group first.

    A record that stands in two objects, as after a batch that came again, counts once.
    """
    groups: dict[tuple[str, str, str], Group] = {}
    seen: set[str] = set()
    for line in lines:
        if line.record_id in seen:
            continue
        seen.add(line.record_id)
        key = (event_type(raw_bytes(line)), line.path, general_reason(line.reason))
        group = groups.setdefault(key, Group(*key, first_at=line.arrived_at))
        group.count += 1
        group.first_at = min(group.first_at, line.arrived_at)
        group.last_at = max(group.last_at, line.arrived_at)
        if len(group.samples) < MAX_SAMPLES:
            group.samples.append(line)
    return sorted(groups.values(), key=lambda group: (-group.count, group.event_type, group.path))


def raw_bytes(line: QuarantineLine) -> bytes:
    """Return a refused record as its producer sent it."""
    return base64.b64decode(line.data)


def event_type(data: bytes) -> str:
    """Tell the event type of a refused record, as far as it can be recognised.

    Types that the contract does not know are all one: producers may put anything there. A change
    of UsersTable is told by its kind.
    """
    if data.startswith(AGGREGATE_MAGIC):
        return "(KPL aggregate)"
    try:
        event = json.loads(unpack(data))
    except InvalidRecordError:
        return "(gzip)"
    except (ValueError, RecursionError):
        return NOT_JSON
    if not isinstance(event, dict):
        return UNKNOWN_TYPE
    kind = event.get("event_type", f"user {event.get('eventName')}")
    return kind if isinstance(kind, str) and kind in _EVENT_TYPES | _CHANGES else UNKNOWN_TYPE


def general_reason(reason: str) -> str:
    """Return a reason without the figures that tell one record from the next."""
    for pattern, text in _FIGURES:
        reason = pattern.sub(text, reason)
    return reason


def visible(data: bytes, limit: int) -> str:
    """Write bytes so that a terminal shows them and obeys none.

    UTF-8 text keeps its line breaks; other characters that control a terminal are escaped. What is
    not UTF-8 is written in hexadecimal. At most `limit` characters or bytes are shown.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data[:limit].hex(" ")
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text[:limit]
    )


def _hour(moment: datetime) -> str:
    return moment.strftime("dt=%Y-%m-%d/hour=%H")
