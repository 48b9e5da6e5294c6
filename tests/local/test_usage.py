import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.local.endpoint import Endpoint
from pipeline.local.server.usage import Usage, item_size_bytes, read_units, write_units


@pytest.fixture
def counted() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


def no_indexes(_: str) -> list[list[str]]:
    return []


def item(size_bytes: int) -> dict[str, Any]:
    return {"a": {"S": "x" * (size_bytes - 1)}}


@pytest.mark.parametrize(
    ("attribute", "size_bytes"),
    [
        ({"S": "äb"}, 3),
        ({"N": "0"}, 2),
        ({"N": "97.3"}, 3),
        ({"N": "-1234500"}, 4),
        ({"N": "1e100"}, 2),
        ({"B": "AAEC"}, 3),
        ({"B": "AAE="}, 2),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"M": {"k": {"S": "v"}}}, 6),
        ({"L": [{"S": "v"}, {"S": "w"}]}, 7),
        ({"SS": ["a", "bc"]}, 3),
    ],
)
def test_an_attribute_has_its_documented_size(attribute: dict[str, Any], size_bytes: int) -> None:
    assert item_size_bytes({"name": attribute}) == len("name") + size_bytes


@pytest.mark.parametrize(("size_bytes", "units"), [(1, 1), (1024, 1), (1025, 2), (4096, 4)])
def test_a_put_costs_a_unit_per_started_kilobyte(size_bytes: int, units: int) -> None:
    request = {"TableName": "t", "Item": item(size_bytes)}

    assert write_units("PutItem", request, no_indexes) == units


def test_an_index_costs_again_for_each_item_that_it_holds() -> None:
    puts = [{"PutRequest": {"Item": one}} for one in ({"user": {"S": "u"}}, {"other": {"S": "o"}})]

    units = write_units("BatchWriteItem", {"RequestItems": {"t": puts}}, lambda _: [["user"]])

    assert units == 3


def test_each_item_that_is_read_is_rounded_up_by_itself() -> None:
    answer = {"Responses": {"t": [item(100), item(4097)]}}

    assert read_units("BatchGetItem", answer) == 3
    assert read_units("GetItem", {}) == 1
    assert read_units("Query", {"Items": [item(3000), item(3000)]}) == 2


def test_what_the_table_refuses_is_counted_but_costs_nothing(counted: Endpoint) -> None:
    client = counted.client("dynamodb")

    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.put_item(TableName="none", Item={"k": {"S": "1"}})

    assert counted.usage() == [Usage("test", "dynamodb", "PutItem", 1)]


def test_the_server_counts_by_caller_service_and_operation(counted: Endpoint) -> None:
    program = """
import boto3
boto3.client("kinesis").create_stream(StreamName="s", ShardCount=1)
boto3.client("s3").create_bucket(Bucket="bucket")
boto3.client("s3").put_object(Bucket="bucket", Key="k", Body=b"body")
topic = boto3.client("sns").create_topic(Name="t")["TopicArn"]
boto3.client("sns").publish(TopicArn=topic, Message="m")
boto3.client("sqs").create_queue(QueueName="q")
dynamodb = boto3.client("dynamodb")
dynamodb.create_table(
    TableName="t",
    BillingMode="PAY_PER_REQUEST",
    KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
    AttributeDefinitions=[
        {"AttributeName": "k", "AttributeType": "S"}, {"AttributeName": "u", "AttributeType": "S"}
    ],
    GlobalSecondaryIndexes=[{
        "IndexName": "by_u",
        "KeySchema": [{"AttributeName": "u", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }],
)
dynamodb.put_item(TableName="t", Item={"k": {"S": "1"}, "u": {"S": "1"}})
dynamodb.put_item(TableName="t", Item={"k": {"S": "2"}})
assert dynamodb.get_item(TableName="t", Key={"k": {"S": "1"}})["Item"]["u"] == {"S": "1"}
"""
    environment = {**os.environ, **counted.environment(caller="TheFunction")}

    subprocess.run([sys.executable, "-c", program], env=environment, check=True)

    usage = {one for one in counted.usage() if one.caller == "TheFunction"}
    assert usage == {
        Usage("TheFunction", "kinesis", "CreateStream", 1),
        Usage("TheFunction", "s3", "PutBucket", 1),
        Usage("TheFunction", "s3", "PutObject", 1),
        Usage("TheFunction", "sns", "CreateTopic", 1),
        Usage("TheFunction", "sns", "Publish", 1),
        Usage("TheFunction", "sqs", "CreateQueue", 1),
        Usage("TheFunction", "dynamodb", "CreateTable", 1),
        Usage("TheFunction", "dynamodb", "PutItem", 2, write_units=3),
        Usage("TheFunction", "dynamodb", "GetItem", 1, read_units=1),
    }
