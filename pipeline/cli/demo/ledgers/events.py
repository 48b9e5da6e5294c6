"""The ledger: what was put against what tables and bucket hold afterwards."""

import base64
import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.cli.producers.producer import Receipt
from pipeline.cli.producers.puts import POISON, UserPut

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Stored:
    """What is found after the run.

    `rows` and `lake` count rows and lake lines by event type and event id, `quarantine` counts
    the raw bytes of refused records, each record id once.
    """

    rows: Counter[tuple[str, str]]
    lake: Counter[tuple[str, str]]
    quarantine: Counter[bytes]


@dataclass(slots=True)
class LedgerLine:
    """The fates of the user records of one event type, or of all poison.

    `in_lake` counts events, not lines. `lost` are records that are nowhere, `wrong` those
    whose fate is not the one they were made for.
    """

    event_type: str
    put: int = 0
    stored: int = 0
    collapsed: int = 0
    quarantined: int = 0
    in_lake: int = 0
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def balances(self) -> bool:
        """Whether every record put has one fate, and every stored event is in the lake."""
        return (
            self.put == self.stored + self.collapsed + self.quarantined
            and self.in_lake == self.stored
            and not self.lost
            and not self.wrong
        )


def read_stored(
    dynamodb: "DynamoDBClient", s3: "S3Client", tables: Sequence[str], bucket: str
) -> Stored:
    """Read back every row of the tables and every line of the bucket."""
    rows: Counter[tuple[str, str]] = Counter()
    for table in tables:
        rows.update(_event_keys(dynamodb, table))
    lake = Counter((line["event_type"], line["event_id"]) for line in _lines(s3, bucket, "events/"))
    refused = {line["record_id"]: line["data"] for line in _lines(s3, bucket, "quarantine/")}
    return Stored(rows, lake, Counter(base64.b64decode(data) for data in refused.values()))


def draw_up(receipts: Sequence[Receipt], stored: Stored) -> list[LedgerLine]:
    """Find the fate of every user record that was put and sum the fates up by event type.

    A record counts as stored when a row bears its identity, as collapsed when another put before
    it already accounts for that row, as quarantined when its very bytes are in quarantine.
    """
    lines: dict[str, LedgerLine] = {}
    quarantine = stored.quarantine.copy()
    seen: set[tuple[str, str]] = set()
    for record, event_id in _identified(receipts):
        line = lines.setdefault(record.event_type, LedgerLine(record.event_type))
        line.put += 1
        key = (record.event_type, event_id)
        if quarantine[record.data]:
            quarantine[record.data] -= 1
            line.quarantined += 1
            if record.event_type != POISON:
                line.wrong.append(f"{event_id} is good and in quarantine")
        elif key in seen:
            line.collapsed += 1
        elif stored.rows[key]:
            seen.add(key)
            line.stored += 1
            line.in_lake += bool(stored.lake[key])
            if stored.rows[key] > 1:
                line.wrong.append(f"{event_id} has {stored.rows[key]} rows")
        else:
            line.lost.append(f"{event_id} {record.data[:80]!r}")
    return sorted(lines.values(), key=lambda line: (line.event_type == POISON, line.event_type))


def _identified(receipts: Sequence[Receipt]) -> Iterator[tuple[UserPut, str]]:
    """Yield each user record with its event id, which without a producer's is its place."""
    for receipt in receipts:
        place = f"{receipt.shard_id}:{receipt.sequence_number}"
        for number, record in enumerate(receipt.put.user_records):
            own = f"{place}:{number}" if receipt.put.is_aggregate else place
            yield record, record.event_id or own


def _event_keys(dynamodb: "DynamoDBClient", table: str) -> Iterator[tuple[str, str]]:
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table,
        ConsistentRead=True,
        ProjectionExpression="#type, #id",
        ExpressionAttributeNames={"#type": "event_type", "#id": "event_id"},
    )
    for page in pages:
        for item in page["Items"]:
            yield item["event_type"]["S"], item["event_id"]["S"]


def _lines(s3: "S3Client", bucket: str, prefix: str) -> Iterator[Mapping[str, Any]]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            for line in gzip.decompress(body).splitlines():
                yield json.loads(line)
