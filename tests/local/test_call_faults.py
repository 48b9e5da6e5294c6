# ruff: noqa: ANN401 - a boto3 client's type depends on the service
import itertools
import time
from collections.abc import Iterator
from typing import Any

import boto3.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from pipeline.local.endpoint import Endpoint, EndpointError
from pipeline.local.faults import FaultPlan
from pipeline.local.server.faults import CallFaults, choose_fault

ALWAYS = FaultPlan(seed=5, rate=1.0)


@pytest.fixture(scope="module")
def faulty() -> Iterator[Endpoint]:
    with Endpoint(faults=ALWAYS) as endpoint:
        endpoint.client("dynamodb").create_table(
            TableName="t",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        )
        endpoint.client("kinesis").create_stream(StreamName="s", ShardCount=1)
        endpoint.client("s3").create_bucket(Bucket="bucket")
        endpoint.client("sns").create_topic(Name="t")
        endpoint.client("sqs").create_queue(QueueName="q")
        yield endpoint


callers = (f"caller{number}" for number in itertools.count())


def caller_that_meets(*kinds: str, service: str, operation: str) -> str:
    """Find a caller whose first calls of an operation meet these faults."""
    return next(
        caller
        for caller in callers
        if all(
            choose_fault(ALWAYS, caller, service, operation, number)[0] == kind
            for number, kind in enumerate(kinds, 1)
        )
    )


def client(endpoint: Endpoint, service: str, caller: str, attempts: int = 1) -> Any:
    session: Any = boto3.session.Session(
        aws_access_key_id=caller, aws_secret_access_key="test", region_name="us-east-1"
    )
    return session.client(
        service,
        endpoint_url=endpoint.url,
        config=Config(
            retries={"mode": "standard", "total_max_attempts": attempts},
            s3={"addressing_style": "path"},
        ),
    )


def struck(endpoint: Endpoint, caller: str) -> dict[str, int]:
    return {one.kind: one.times for one in endpoint.faults() if one.caller == caller}


def put_item(endpoint: Endpoint, caller: str, key: str, attempts: int = 1) -> None:
    client(endpoint, "dynamodb", caller, attempts).put_item(TableName="t", Item={"k": {"S": key}})


def stored(endpoint: Endpoint, *keys: str) -> set[str]:
    items = endpoint.client("dynamodb").scan(TableName="t", ConsistentRead=True)["Items"]
    return {item["k"]["S"] for item in items} & set(keys)


CALLS: dict[tuple[str, str], dict[str, Any]] = {
    ("dynamodb", "PutItem"): {"TableName": "t", "Item": {"k": {"S": "refused"}}},
    ("kinesis", "PutRecord"): {"StreamName": "s", "Data": b"", "PartitionKey": "refused"},
    ("s3", "PutObject"): {"Bucket": "bucket", "Key": "refused", "Body": b"x" * 100_000},
    ("sns", "Publish"): {"TopicArn": "arn:aws:sns:us-east-1:123456789012:t", "Message": "m"},
    ("sqs", "SendMessage"): {"QueueUrl": "http://localhost/123456789012/q", "MessageBody": "m"},
    ("ssm", "GetParameter"): {"Name": "refused"},
}
METHODS = {
    "GetParameter": "get_parameter",
    "Publish": "publish",
    "PutItem": "put_item",
    "PutObject": "put_object",
    "PutRecord": "put_record",
    "SendMessage": "send_message",
}


@pytest.mark.parametrize(
    ("service", "operation", "codes", "status"),
    [
        (
            "dynamodb",
            "PutItem",
            {"ProvisionedThroughputExceededException", "ThrottlingException"},
            400,
        ),
        ("kinesis", "PutRecord", {"ProvisionedThroughputExceededException"}, 400),
        ("s3", "PutObject", {"SlowDown"}, 503),
        ("sns", "Publish", {"Throttling"}, 400),
        ("sqs", "SendMessage", {"RequestThrottled"}, 400),
        ("ssm", "GetParameter", {"ThrottlingException"}, 400),
    ],
)
def test_each_service_throttles_in_its_own_words(
    faulty: Endpoint, service: str, operation: str, codes: set[str], status: int
) -> None:
    caller = caller_that_meets("throttled", service=service, operation=operation)

    with pytest.raises(ClientError) as raised:
        getattr(client(faulty, service, caller), METHODS[operation])(**CALLS[service, operation])

    assert raised.value.response["Error"]["Code"] in codes
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert faulty.faults().count(CallFaults(caller, service, operation, "throttled", 1)) == 1


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("dynamodb", "PutItem", "InternalServerError"),
        ("kinesis", "PutRecord", "InternalFailure"),
        ("s3", "PutObject", "InternalError"),
        ("sns", "Publish", "InternalError"),
        ("sqs", "SendMessage", "InternalFailure"),
        ("ssm", "GetParameter", "InternalServerError"),
    ],
)
def test_each_service_fails_in_its_own_words(
    faulty: Endpoint, service: str, operation: str, code: str
) -> None:
    caller = caller_that_meets("failed", service=service, operation=operation)

    with pytest.raises(ClientError) as raised:
        getattr(client(faulty, service, caller), METHODS[operation])(**CALLS[service, operation])

    assert raised.value.response["Error"]["Code"] == code
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


@pytest.mark.parametrize("kind", ["throttled", "failed"])
def test_a_refused_call_changes_nothing_and_is_tried_again_by_the_client(
    faulty: Endpoint, kind: str
) -> None:
    caller = caller_that_meets(kind, "slow", service="dynamodb", operation="PutItem")

    put_item(faulty, caller, f"after {kind}", attempts=2)

    assert stored(faulty, f"after {kind}", "refused") == {f"after {kind}"}
    assert struck(faulty, caller) == {kind: 1, "slow": 1}


def test_a_slow_call_is_executed_late(faulty: Endpoint) -> None:
    caller = caller_that_meets("slow", service="dynamodb", operation="PutItem")
    started = time.monotonic()

    put_item(faulty, caller, "slow")

    assert 0.05 <= time.monotonic() - started < 10
    assert stored(faulty, "slow") == {"slow"}


def test_a_call_whose_reply_is_lost_is_executed(faulty: Endpoint) -> None:
    caller = caller_that_meets("reply lost", service="dynamodb", operation="PutItem")

    with pytest.raises(ConnectionClosedError):
        put_item(faulty, caller, "unknown")

    assert stored(faulty, "unknown") == {"unknown"}


def test_a_lost_reply_makes_the_client_send_twice(faulty: Endpoint) -> None:
    caller = caller_that_meets("reply lost", "slow", service="sqs", operation="SendMessage")
    url = faulty.client("sqs").create_queue(QueueName="twice")["QueueUrl"]

    client(faulty, "sqs", caller, attempts=2).send_message(QueueUrl=url, MessageBody="m")

    attributes = faulty.client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]
    assert attributes == {"ApproximateNumberOfMessages": "2"}


def test_a_batch_write_hands_back_what_it_has_not_written(faulty: Endpoint) -> None:
    caller = caller_that_meets("unprocessed", service="dynamodb", operation="BatchWriteItem")
    keys = {f"batch {number}" for number in range(25)}
    writes = [{"PutRequest": {"Item": {"k": {"S": key}}}} for key in keys]

    answer = client(faulty, "dynamodb", caller).batch_write_item(RequestItems={"t": writes})

    unprocessed = {
        write["PutRequest"]["Item"]["k"]["S"] for write in answer["UnprocessedItems"]["t"]
    }
    assert 0 < len(unprocessed) < 25
    assert stored(faulty, *keys) == keys - unprocessed


def test_a_batch_read_hands_back_what_it_has_not_read(faulty: Endpoint) -> None:
    caller = caller_that_meets("unprocessed", service="dynamodb", operation="BatchGetItem")
    table = faulty.client("dynamodb")
    for number in range(10):
        table.put_item(TableName="t", Item={"k": {"S": f"read {number}"}})
    keys = [{"k": {"S": f"read {number}"}} for number in range(10)]

    answer = client(faulty, "dynamodb", caller).batch_get_item(
        RequestItems={"t": {"Keys": keys, "ConsistentRead": True}}
    )

    left = answer["UnprocessedKeys"]["t"]
    assert left["ConsistentRead"] is True
    assert 0 < len(left["Keys"]) < 10
    assert len(answer["Responses"]["t"]) + len(left["Keys"]) == 10
    assert all(item not in left["Keys"] for item in answer["Responses"]["t"])


def test_a_batch_of_one_is_throttled_as_a_whole(faulty: Endpoint) -> None:
    caller = caller_that_meets("unprocessed", service="dynamodb", operation="BatchWriteItem")
    write = {"PutRequest": {"Item": {"k": {"S": "alone"}}}}

    with pytest.raises(ClientError, match=r"Throttling|Throughput"):
        client(faulty, "dynamodb", caller).batch_write_item(RequestItems={"t": [write]})

    assert stored(faulty, "alone") == set()
    assert struck(faulty, caller) == {"throttled": 1}


def test_put_records_fails_for_some_records_in_their_places(faulty: Endpoint) -> None:
    caller = caller_that_meets("partly failed", service="kinesis", operation="PutRecords")
    faulty.client("kinesis").create_stream(StreamName="partly", ShardCount=1)
    words = [f"record {number}".encode() for number in range(20)]

    answer = client(faulty, "kinesis", caller).put_records(
        StreamName="partly", Records=[{"Data": word, "PartitionKey": "k"} for word in words]
    )

    iterator = faulty.client("kinesis").get_shard_iterator(
        StreamName="partly", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = faulty.client("kinesis").get_records(ShardIterator=iterator)["Records"]
    failed = [
        word for word, one in zip(words, answer["Records"], strict=True) if "ErrorCode" in one
    ]
    assert 0 < answer["FailedRecordCount"] == len(failed) < 20
    assert [record["Data"] for record in records] == [w for w in words if w not in failed]
    assert [record["SequenceNumber"] for record in records] == [
        one["SequenceNumber"] for one in answer["Records"] if "ErrorCode" not in one
    ]


def test_a_message_batch_fails_for_some_entries(faulty: Endpoint) -> None:
    caller = caller_that_meets("partly failed", service="sqs", operation="SendMessageBatch")
    url = faulty.client("sqs").create_queue(QueueName="partly")["QueueUrl"]

    answer = client(faulty, "sqs", caller).send_message_batch(
        QueueUrl=url, Entries=[{"Id": str(number), "MessageBody": "m"} for number in range(10)]
    )

    successful = {entry["Id"] for entry in answer["Successful"]}
    failed = {entry["Id"] for entry in answer["Failed"]}
    assert answer["Failed"][0]["Code"] == "InternalError"
    assert answer["Failed"][0]["SenderFault"] is False
    assert successful | failed == set(map(str, range(10)))
    assert 0 < len(failed) < 10
    assert not successful & failed


def test_the_local_run_itself_meets_no_faults(faulty: Endpoint) -> None:
    own = faulty.client("sqs")

    for number in range(20):
        own.create_queue(QueueName=f"own-{number}")

    assert struck(faulty, "test") == {}


def test_the_same_seed_chooses_alike_and_another_does_not() -> None:
    def chosen(seed: int) -> list[str | None]:
        plan = FaultPlan(seed, 0.5)
        return [choose_fault(plan, "f", "sqs", "SendMessage", n)[0] for n in range(50)]

    assert chosen(1) == chosen(1)
    assert chosen(1) != chosen(2)


def test_the_rate_is_the_share_of_calls_that_meet_a_fault() -> None:
    plan = FaultPlan(3, 0.1)

    met = [choose_fault(plan, "f", "dynamodb", "BatchWriteItem", n)[0] for n in range(2000)]

    assert 150 < sum(kind is not None for kind in met) < 250
    assert {*met} == {None, "throttled", "failed", "slow", "reply lost", "unprocessed"}


def test_an_endpoint_without_a_plan_has_no_faults(endpoint: Endpoint) -> None:
    assert endpoint.faults() == []


def test_a_users_endpoint_is_not_made_to_fail() -> None:
    with pytest.raises(EndpointError, match="not the user's"):
        Endpoint("http://127.0.0.1:1", faults=ALWAYS)
