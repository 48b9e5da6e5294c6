"""What Lambda sends to a stream mapping's on-failure destination when it gives records up.

Source: AWS Lambda Developer Guide, "Retain discarded batch records for a Kinesis Data Streams event
source", and payloads recorded against AWS.
"""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pipeline.local.deployment import EventSourceMapping
from pipeline.local.semantics.stream_types import Discard, Raised

TimeUnit = Literal["milliseconds", "seconds"]


@dataclass(frozen=True, slots=True)
class DiscardedBatch:
    """Records that were given up, and where they come from.

    `request_id` is the last invocation's, and a new one when there was none. `batch_info_key` and
    `arrival_unit` are what differs between Kinesis and DynamoDB. `moment` is in epoch seconds.
    """

    discard: Discard
    mapping: EventSourceMapping
    function_arn: str
    shard_id: str
    request_id: str
    batch_info_key: str
    arrival_unit: TimeUnit
    moment: float


def payload(batch: DiscardedBatch) -> dict[str, Any]:
    """Describe discarded records without their contents."""
    discard, records = batch.discard, batch.discard.batch.records
    response: dict[str, Any] = {}
    if discard.condition == "RetryAttemptsExhausted":
        response["responseContext"] = {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled" if isinstance(discard.last, Raised) else None,
        }
    return {
        "requestContext": {
            "requestId": batch.request_id,
            "functionArn": batch.function_arn,
            "condition": discard.condition,
            "approximateInvokeCount": discard.invoke_count,
        },
        **response,
        "version": "1.0",
        "timestamp": _text(batch.moment, "milliseconds"),
        batch.batch_info_key: {
            "shardId": batch.shard_id,
            "startSequenceNumber": records[0].sequence_number,
            "endSequenceNumber": records[-1].sequence_number,
            "approximateArrivalOfFirstRecord": _text(records[0].arrived_at, batch.arrival_unit),
            "approximateArrivalOfLastRecord": _text(records[-1].arrived_at, batch.arrival_unit),
            "batchSize": len(records),
            "streamArn": batch.mapping.source_arn,
        },
    }


def deliver(batch: DiscardedBatch, client: Callable[[str], Any]) -> None:
    """Send a discarded batch to its mapping's destination: a bucket gets the records as well.

    Args:
        batch: What was given up; its mapping has a destination.
        client: Gives the boto3 client of a service.
    """
    destination = batch.mapping.on_failure_arn
    assert destination is not None
    body = payload(batch)
    match service := destination.split(":")[2]:
        case "s3":
            events = (record.event for record in batch.discard.batch.records)
            records = [json.loads(event) for event in events if event is not None]
            body["payload"] = {"Records": records}
            bucket, document = destination.rpartition(":")[2], json.dumps(body).encode()
            client("s3").put_object(Bucket=bucket, Key=_key(batch), Body=document)
        case "sqs":
            sqs, name = client("sqs"), destination.rpartition(":")[2]
            url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
            sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))
        case "sns":
            client("sns").publish(TopicArn=destination, Message=json.dumps(body))
        case _:
            raise ValueError(f"{service} is no on-failure destination of a stream: {destination}")


def _key(batch: DiscardedBatch) -> str:
    moment = datetime.fromtimestamp(batch.moment, UTC)
    return (
        f"aws/lambda/{batch.mapping.uuid}/{batch.shard_id}/{moment:%Y/%m/%d}/"
        f"{moment:%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
    )


def _text(moment: float, unit: TimeUnit) -> str:
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec=unit)
    return text.removesuffix("+00:00") + "Z"
