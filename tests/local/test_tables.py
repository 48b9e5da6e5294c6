"""What the local server corrects in moto's tables: one stream record per change, and no races."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline.local.endpoint import Endpoint

ITEM = {"Id": {"S": "1"}, "Text": {"S": "a"}}
KEY = {"Id": {"S": "1"}}
SET_TEXT = {
    "UpdateExpression": "SET #t = :t",
    "ExpressionAttributeNames": {"#t": "Text"},
    "ExpressionAttributeValues": {":t": {"S": "a"}},
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as started:
        yield started


@pytest.fixture
def table(endpoint: Endpoint) -> Iterator[str]:
    client = endpoint.client("dynamodb")
    client.create_table(
        TableName="watched",
        AttributeDefinitions=[{"AttributeName": "Id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "Id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    yield "watched"
    client.delete_table(TableName="watched")


def records(endpoint: Endpoint, table: str) -> list[tuple[str, dict[str, Any]]]:
    streams = endpoint.client("dynamodbstreams")
    (stream,) = streams.list_streams(TableName=table)["Streams"]
    arn = stream["StreamArn"]
    (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    iterator = streams.get_shard_iterator(
        StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    found = streams.get_records(ShardIterator=iterator)["Records"]
    return [(one["eventName"], one["dynamodb"].get("NewImage", {})) for one in found]


def test_a_put_that_changes_nothing_is_no_record(endpoint: Endpoint, table: str) -> None:
    client = endpoint.client("dynamodb")

    client.put_item(TableName=table, Item=ITEM)
    client.put_item(TableName=table, Item=ITEM)

    assert records(endpoint, table) == [("INSERT", ITEM)]


def test_an_update_that_changes_nothing_is_no_record(endpoint: Endpoint, table: str) -> None:
    client = endpoint.client("dynamodb")
    client.put_item(TableName=table, Item=ITEM)

    client.update_item(TableName=table, Key=KEY, **SET_TEXT)

    assert records(endpoint, table) == [("INSERT", ITEM)]


def test_an_update_that_creates_an_item_is_one_record(endpoint: Endpoint, table: str) -> None:
    client = endpoint.client("dynamodb")

    client.update_item(TableName=table, Key=KEY, **SET_TEXT)

    assert records(endpoint, table) == [("INSERT", ITEM)]


def test_deleting_what_is_not_there_is_no_record(endpoint: Endpoint, table: str) -> None:
    client = endpoint.client("dynamodb")

    client.delete_item(TableName=table, Key=KEY)

    assert records(endpoint, table) == []


def test_a_transaction_that_fails_is_no_record(endpoint: Endpoint, table: str) -> None:
    client = endpoint.client("dynamodb")
    check = {"TableName": table, "Key": {"Id": {"S": "2"}}}

    with pytest.raises(ClientError, match="TransactionCanceledException"):
        client.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": table, "Item": ITEM}},
                {"ConditionCheck": {**check, "ConditionExpression": "attribute_exists(Id)"}},
            ]
        )

    assert records(endpoint, table) == []


def test_a_transaction_is_a_record_per_item(endpoint: Endpoint, table: str) -> None:
    client = endpoint.client("dynamodb")
    other = {"Id": {"S": "2"}}

    client.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": table, "Item": ITEM}},
            {"Put": {"TableName": table, "Item": other}},
        ]
    )

    assert records(endpoint, table) == [("INSERT", ITEM), ("INSERT", other)]


def test_of_writers_under_one_condition_one_wins(endpoint: Endpoint, table: str) -> None:
    client = endpoint.client("dynamodb")

    def write(number: int) -> bool:
        item = {"Id": {"S": str(number // 8)}, "Writer": {"N": str(number)}}
        try:
            client.put_item(
                TableName=table, Item=item, ConditionExpression="attribute_not_exists(Id)"
            )
        except client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(write, range(400)))

    assert [sum(won[first : first + 8]) for first in range(0, 400, 8)] == [1] * 50
    assert len(records(endpoint, table)) == 50


def test_an_iterator_outlives_a_transaction_that_is_rolled_back(
    endpoint: Endpoint, table: str
) -> None:
    client, streams = endpoint.client("dynamodb"), endpoint.client("dynamodbstreams")
    (stream,) = streams.list_streams(TableName=table)["Streams"]
    (shard,) = streams.describe_stream(StreamArn=stream["StreamArn"])["StreamDescription"]["Shards"]
    iterator = streams.get_shard_iterator(
        StreamArn=stream["StreamArn"], ShardId=shard["ShardId"], ShardIteratorType="LATEST"
    )["ShardIterator"]
    condition = {"ConditionExpression": "attribute_exists(Id)"}

    with pytest.raises(client.exceptions.TransactionCanceledException):
        client.transact_write_items(
            TransactItems=[{"Put": {"TableName": table, "Item": ITEM, **condition}}]
        )
    client.put_item(TableName=table, Item=ITEM)

    (record,) = streams.get_records(ShardIterator=iterator)["Records"]
    assert record["dynamodb"]["NewImage"] == ITEM
