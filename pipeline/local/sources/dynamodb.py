"""DynamoDB streams: shards, records, and the event that Lambda makes of a record."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from pipeline.local.deployment import EventSourceMapping
from pipeline.local.on_failure import TimeUnit
from pipeline.local.semantics.stream_types import StreamRecord
from pipeline.local.sources.stream import EventFilter, Fetched, Position, Shard, event_text
from pipeline.local.sources.ttl import TimeToLive

Item = Mapping[str, Mapping[str, Any]]

_RETENTION_S: Final = 24 * 3600.0
"""Source: Amazon DynamoDB Developer Guide, "Change data capture for DynamoDB Streams"."""


class DynamodbReader:
    """Reads a table's stream for one mapping.

    Args:
        client: A boto3 DynamoDB Streams client.
        mapping: The mapping whose source and filters to use.
        time_to_live: What deletes the table's expired items; None leaves them to the endpoint.
    """

    arrival_unit: TimeUnit = "seconds"
    batch_info_key = "DDBStreamBatchInfo"

    def __init__(
        self,
        client: Any,  # noqa: ANN401  boto3
        mapping: EventSourceMapping,
        time_to_live: TimeToLive | None = None,
    ) -> None:
        self._client = client
        self._time_to_live = time_to_live
        self._stream_arn = mapping.source_arn
        self._filter = EventFilter(mapping, "dynamodb")

    def identity(self) -> str:
        """Return the ARN, which ends in the stream's creation time."""
        return self._stream_arn

    def retention_s(self) -> float:
        """Return 24 hours, which no table can change."""
        return _RETENTION_S

    def shards(self) -> list[Shard]:
        """List all shards, closed ones included."""
        request = {"StreamArn": self._stream_arn}
        listed: list[dict[str, Any]] = []
        while True:
            description = self._client.describe_stream(**request)["StreamDescription"]
            listed += description["Shards"]
            if not description.get("LastEvaluatedShardId"):
                break
            request["ExclusiveStartShardId"] = description["LastEvaluatedShardId"]
        return [
            Shard(
                shard["ShardId"],
                (shard["ParentShardId"],) if "ParentShardId" in shard else (),
                shard["SequenceNumberRange"].get("EndingSequenceNumber"),
            )
            for shard in listed
        ]

    def iterator(self, shard_id: str, after: str | None, position: Position) -> str:
        """Return an iterator behind a sequence number, or at a starting position without one."""
        kind = "LATEST" if position.kind == "LATEST" else "TRIM_HORIZON"
        start = {"ShardIteratorType": kind}
        if after is not None:
            start = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": after}
        answer = self._client.get_shard_iterator(
            StreamArn=self._stream_arn, ShardId=shard_id, **start
        )
        return str(answer["ShardIterator"])

    def fetch(self, shard_id: str, iterator: str, limit: int) -> Fetched:  # noqa: ARG002  Kinesis needs the shard
        """Read on from an iterator."""
        if self._time_to_live:
            self._time_to_live.sweep_if_due()
        answer = self._client.get_records(ShardIterator=iterator, Limit=min(limit, 1000))
        records = [self._record(record) for record in answer["Records"]]
        unchanged = sum(_is_no_change(record) for record in answer["Records"])
        return Fetched(records, answer.get("NextShardIterator"), unchanged)

    def _record(self, record: dict[str, Any]) -> StreamRecord:
        change = record["dynamodb"]
        arrived_at = change["ApproximateCreationDateTime"].timestamp()
        if _is_no_change(record):
            return StreamRecord(change["SequenceNumber"], arrived_at, None)
        if self._time_to_live:
            record = self._time_to_live.mark(record)
        event = dynamodb_event(record, stream_arn=self._stream_arn)
        text = event_text(event) if self._filter.passes(event) else None
        return StreamRecord(change["SequenceNumber"], arrived_at, text, _item_key(event))


def dynamodb_event(record: dict[str, Any], *, stream_arn: str) -> dict[str, Any]:
    """Make Lambda's event of a stream record as boto3 returns it.

    Source: AWS Lambda Developer Guide, "Using Lambda with DynamoDB", example event.
    """
    change = record["dynamodb"]
    images = {name: change[name] for name in ("Keys", "NewImage", "OldImage") if change.get(name)}
    event = {
        "eventID": record["eventID"],
        "eventName": record["eventName"],
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": stream_arn.split(":")[3],
        "dynamodb": {
            "ApproximateCreationDateTime": int(change["ApproximateCreationDateTime"].timestamp()),
            **{name: _as_json(image) for name, image in images.items()},
            "SequenceNumber": change["SequenceNumber"],
            "SizeBytes": sum(item_size_bytes(image) for image in images.values()),
            "StreamViewType": change["StreamViewType"],
        },
        "eventSourceARN": stream_arn,
    }
    if identity := record.get("userIdentity"):  # only on what time to live has deleted
        event["userIdentity"] = {
            "type": identity["Type"],
            "principalId": identity["PrincipalId"],
        }
    return event


def item_size_bytes(item: Item) -> int:
    """Return the size of attributes by DynamoDB's rules, names included.

    Source: Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats".
    """
    return sum(len(name.encode()) + _value_size_bytes(value) for name, value in item.items())


def _value_size_bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "B":
            return len(content)
        case "N":
            return _number_size_bytes(content)
        case "SS" | "BS" | "NS":
            return sum(_value_size_bytes({kind[0]: element}) for element in content)
        case "L":
            return 3 + sum(1 + _value_size_bytes(element) for element in content)
        case "M":
            return 3 + len(content) + item_size_bytes(content)
        case "BOOL" | "NULL":
            return 1
    raise ValueError(f"DynamoDB has no attribute type {kind}")


def _number_size_bytes(number: str) -> int:
    mantissa = number.lower().partition("e")[0].lstrip("+-")
    significant = mantissa.replace(".", "").strip("0")
    return (len(significant) + 1) // 2 + 1


def _item_key(event: dict[str, Any]) -> str:
    return json.dumps(event["dynamodb"]["Keys"], sort_keys=True)


def _is_no_change(record: dict[str, Any]) -> bool:
    """Whether nothing was changed: DynamoDB writes no such record, moto does."""
    change = record["dynamodb"]
    old, new = change.get("OldImage"), change.get("NewImage")
    return record["eventName"] == "MODIFY" and old is not None and bool(old == new)


def _as_json(value: Any) -> Any:  # noqa: ANN401  attribute values nest freely
    """Replace bytes by base64 text, as Lambda does in its events."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: _as_json(element) for name, element in value.items()}
    if isinstance(value, list | set | tuple):
        return [_as_json(element) for element in value]
    return value
