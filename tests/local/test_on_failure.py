import json
from dataclasses import replace
from typing import Any

from pipeline.local.on_failure import DiscardedBatch, deliver, payload
from pipeline.local.semantics.stream_types import (
    Batch,
    Discard,
    NotReached,
    Raised,
    Returned,
    StreamRecord,
    Unusable,
)
from tests.local.mappings import STREAM_ARN, a_mapping


def a_batch(discard: Discard, *, destination: str = "arn:aws:s3:::discarded") -> DiscardedBatch:
    mapping = a_mapping(maximum_retry_attempts=1, on_failure_arn=destination)
    return DiscardedBatch(
        discard=discard,
        mapping=mapping,
        function_arn="arn:aws:lambda:eu-central-1:123456789012:function:reader",
        shard_id="shardId-000000000000",
        request_id="00000000-0000-4000-8000-00000000000a",
        batch_info_key="KinesisBatchInfo",
        arrival_unit="milliseconds",
        moment=1767323046.5,
    )


RECORDS = Batch(
    (
        StreamRecord("11", 1767323045.25, b'{"eventID":"a"}'),
        StreamRecord("12", 1767323045.5, b'{"eventID":"b"}'),
    )
)
EXHAUSTED = Discard(RECORDS, "RetryAttemptsExhausted", 2, Raised())


class Service:
    """Remembers the calls on a client."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, service: str) -> "Service":
        self.calls.append((service, {}))
        return self

    def put_object(self, **arguments: object) -> None:
        self.calls.append(("put_object", arguments))

    def get_queue_url(self, **arguments: object) -> dict[str, str]:
        return {"QueueUrl": f"https://queues/{arguments['QueueName']}"}

    def send_message(self, **arguments: object) -> None:
        self.calls.append(("send_message", arguments))

    def publish(self, **arguments: object) -> None:
        self.calls.append(("publish", arguments))


def test_exhausted_retries_are_described_as_lambda_does() -> None:
    assert payload(a_batch(EXHAUSTED)) == {
        "requestContext": {
            "requestId": "00000000-0000-4000-8000-00000000000a",
            "functionArn": "arn:aws:lambda:eu-central-1:123456789012:function:reader",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 2,
        },
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "version": "1.0",
        "timestamp": "2026-01-02T03:04:06.500Z",
        "KinesisBatchInfo": {
            "shardId": "shardId-000000000000",
            "startSequenceNumber": "11",
            "endSequenceNumber": "12",
            "approximateArrivalOfFirstRecord": "2026-01-02T03:04:05.250Z",
            "approximateArrivalOfLastRecord": "2026-01-02T03:04:05.500Z",
            "batchSize": 2,
            "streamArn": STREAM_ARN,
        },
    }


def test_reported_failures_are_no_function_error() -> None:
    discard = Discard(RECORDS, "RetryAttemptsExhausted", 2, Returned(b"{}"))

    assert payload(a_batch(discard))["responseContext"]["functionError"] is None


def test_a_tables_stream_has_a_name_of_its_own_and_times_in_seconds() -> None:
    batch = replace(a_batch(EXHAUSTED), batch_info_key="DDBStreamBatchInfo", arrival_unit="seconds")

    described = payload(batch)

    assert "KinesisBatchInfo" not in described
    assert described["timestamp"] == "2026-01-02T03:04:06.500Z"
    assert described["DDBStreamBatchInfo"] == {
        "shardId": "shardId-000000000000",
        "startSequenceNumber": "11",
        "endSequenceNumber": "12",
        "approximateArrivalOfFirstRecord": "2026-01-02T03:04:05Z",
        "approximateArrivalOfLastRecord": "2026-01-02T03:04:05Z",
        "batchSize": 2,
        "streamArn": STREAM_ARN,
    }


def test_an_answer_without_a_windows_state_is_no_function_error() -> None:
    discard = Discard(RECORDS, "RetryAttemptsExhausted", 2, Unusable(b"null"))

    assert payload(a_batch(discard))["responseContext"]["functionError"] is None


def test_what_grew_too_old_has_no_response() -> None:
    discard = Discard(RECORDS, "RecordAgeExceeded", 1, NotReached())

    described = payload(a_batch(discard))

    assert "responseContext" not in described
    assert described["requestContext"]["condition"] == "RecordAgeExceeded"


def test_a_bucket_gets_the_records_under_lambdas_key() -> None:
    service = Service()

    deliver(a_batch(EXHAUSTED), service)

    (name, arguments) = service.calls[-1]
    assert name == "put_object"
    assert arguments["Bucket"] == "discarded"
    assert arguments["Key"].startswith(
        "aws/lambda/6a0e9c7e-0000-4000-8000-000000000001/shardId-000000000000/2026/01/02/"
        "2026-01-02T03.04.06-"
    )
    body = json.loads(arguments["Body"])
    assert body["payload"] == {"Records": [{"eventID": "a"}, {"eventID": "b"}]}
    assert body["KinesisBatchInfo"]["batchSize"] == 2


def test_a_queue_gets_the_description_alone() -> None:
    service = Service()
    queue = "arn:aws:sqs:eu-central-1:123456789012:discarded"

    deliver(a_batch(EXHAUSTED, destination=queue), service)

    (name, arguments) = service.calls[-1]
    assert name == "send_message"
    assert arguments["QueueUrl"] == "https://queues/discarded"
    assert "payload" not in json.loads(arguments["MessageBody"])


def test_a_topic_gets_the_description_alone() -> None:
    service = Service()
    topic = "arn:aws:sns:eu-central-1:123456789012:discarded"

    deliver(a_batch(EXHAUSTED, destination=topic), service)

    (name, arguments) = service.calls[-1]
    assert name == "publish"
    assert arguments["TopicArn"] == topic
    assert "payload" not in json.loads(arguments["Message"])
