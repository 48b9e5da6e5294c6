"""Kinesis streams: shards, records, and the event that Lambda makes of a record."""

import base64
from datetime import UTC, datetime
from typing import Any

from pipeline.local.deployment import EventSourceMapping
from pipeline.local.on_failure import TimeUnit
from pipeline.local.semantics.event_pattern import parse_json
from pipeline.local.semantics.stream_types import StreamRecord
from pipeline.local.sources.stream import EventFilter, Fetched, Position, Shard, event_text


class KinesisReader:
    """Reads a Kinesis stream for one mapping.

    Args:
        client: A boto3 Kinesis client.
        mapping: The mapping whose source and filters to use.
        role_arn: The function's role, which Lambda names in each record.
    """

    arrival_unit: TimeUnit = "milliseconds"
    batch_info_key = "KinesisBatchInfo"

    def __init__(self, client: Any, mapping: EventSourceMapping, role_arn: str) -> None:  # noqa: ANN401  boto3
        self._client = client
        self._stream_arn = mapping.source_arn
        # By name and not by ARN, which older stand-ins for Kinesis do not know.
        self._stream = mapping.source_arn.partition(":stream/")[2]
        self._role_arn = role_arn
        self._filter = EventFilter(mapping, "kinesis")

    def identity(self) -> str:
        """Return ARN and creation time."""
        answer = self._client.describe_stream_summary(StreamName=self._stream)
        created = answer["StreamDescriptionSummary"]["StreamCreationTimestamp"]
        return f"{self._stream_arn}@{created.timestamp():.0f}"

    def retention_s(self) -> float:
        """Return the stream's retention period."""
        answer = self._client.describe_stream_summary(StreamName=self._stream)
        return float(answer["StreamDescriptionSummary"]["RetentionPeriodHours"] * 3600)

    def shards(self) -> list[Shard]:
        """List all shards, closed ones included."""
        answer = self._client.list_shards(StreamName=self._stream)
        listed = list(answer["Shards"])
        while token := answer.get("NextToken"):
            answer = self._client.list_shards(NextToken=token)
            listed += answer["Shards"]
        return [
            Shard(
                shard["ShardId"],
                tuple(
                    shard[name]
                    for name in ("ParentShardId", "AdjacentParentShardId")
                    if name in shard
                ),
                shard["SequenceNumberRange"].get("EndingSequenceNumber"),
            )
            for shard in listed
        ]

    def iterator(self, shard_id: str, after: str | None, position: Position) -> str:
        """Return an iterator behind a sequence number, or at a starting position without one."""
        start: dict[str, Any] = {"ShardIteratorType": position.kind}
        if after is not None:
            start = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": after}
        elif position.kind == "AT_TIMESTAMP":
            start["Timestamp"] = datetime.fromtimestamp(position.timestamp, UTC)
        answer = self._client.get_shard_iterator(StreamName=self._stream, ShardId=shard_id, **start)
        return str(answer["ShardIterator"])

    def fetch(self, shard_id: str, iterator: str, limit: int) -> Fetched:
        """Read on from an iterator."""
        answer = self._client.get_records(ShardIterator=iterator, Limit=min(limit, 10_000))
        records = [self._record(shard_id, record) for record in answer["Records"]]
        return Fetched(records, answer.get("NextShardIterator"))

    def _record(self, shard_id: str, record: dict[str, Any]) -> StreamRecord:
        arrived_at = record["ApproximateArrivalTimestamp"].timestamp()
        event = kinesis_event(
            shard_id, record, stream_arn=self._stream_arn, role_arn=self._role_arn
        )
        passes = self._filter.is_open or self._filter.passes(_filter_view(event, record["Data"]))
        return StreamRecord(
            record["SequenceNumber"],
            arrived_at,
            event_text(event) if passes else None,
            record["PartitionKey"],
        )


def kinesis_event(
    shard_id: str, record: dict[str, Any], *, stream_arn: str, role_arn: str
) -> dict[str, Any]:
    """Make Lambda's event of a record as boto3 returns it.

    Source: AWS Lambda Developer Guide, "Using Lambda with Kinesis", example event.
    """
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": base64.b64encode(record["Data"]).decode(),
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard_id}:{record['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": role_arn,
        "awsRegion": stream_arn.split(":")[3],
        "eventSourceARN": stream_arn,
    }


def _filter_view(event: dict[str, Any], data: bytes) -> dict[str, Any]:
    """Return what patterns see: metadata on top, and `data` decoded if it is JSON.

    Without JSON there is no `data` that a data pattern could match. The function still gets the
    original bytes.
    """
    view = {**event, **event["kinesis"]}
    try:
        view["data"] = parse_json(data)
    except (ValueError, RecursionError):
        del view["data"]
    return view
