"""Events as Lambda makes them of records."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.local.sources.dynamodb import DynamodbReader, dynamodb_event, item_size_bytes
from pipeline.local.sources.kinesis import KinesisReader, kinesis_event
from tests.local.mappings import ROLE_ARN, STREAM_ARN, TABLE_STREAM_ARN, a_mapping

ARRIVAL = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


def change(**images: dict[str, Any]) -> dict[str, Any]:
    return {
        "eventID": "c4ca4238a0b923820dcc509a6f75849b",
        "eventName": "MODIFY" if len(images) == 2 else "INSERT",
        "eventVersion": "1.0",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": ARRIVAL,
            "Keys": {"Id": {"N": "101"}},
            "SequenceNumber": "111",
            "SizeBytes": 9999,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
            **images,
        },
    }


class FakeClient:
    """Answers `get_records` like boto3, once."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self._records = records

    def get_records(self, **_: object) -> dict[str, Any]:
        return {"Records": self._records, "NextShardIterator": "next"}


def test_a_kinesis_record_becomes_lambdas_event() -> None:
    record = {
        "PartitionKey": "user-1",
        "SequenceNumber": "4959033",
        "Data": b"\x00hello\xff",
        "ApproximateArrivalTimestamp": ARRIVAL,
    }

    event = kinesis_event("shardId-000000000006", record, stream_arn=STREAM_ARN, role_arn=ROLE_ARN)

    assert event == {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "user-1",
            "sequenceNumber": "4959033",
            "data": "AGhlbGxv/w==",
            "approximateArrivalTimestamp": 1767323045.678,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": "shardId-000000000006:4959033",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/reader",
        "awsRegion": "eu-central-1",
        "eventSourceARN": "arn:aws:kinesis:eu-central-1:123456789012:stream/events",
    }


def test_a_change_of_a_table_becomes_lambdas_event() -> None:
    record = change(NewImage={"Message": {"S": "New item!"}, "Id": {"N": "101"}})

    event = dynamodb_event(record, stream_arn=TABLE_STREAM_ARN)

    assert event == {
        "eventID": "c4ca4238a0b923820dcc509a6f75849b",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-central-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1767323045,
            "Keys": {"Id": {"N": "101"}},
            "NewImage": {"Message": {"S": "New item!"}, "Id": {"N": "101"}},
            "SequenceNumber": "111",
            "SizeBytes": 26,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": TABLE_STREAM_ARN,
    }


def test_binary_attributes_are_base64_text_at_any_depth() -> None:
    image = {"a": {"B": b"\xff"}, "b": {"L": [{"M": {"c": {"BS": [b"1", b"2"]}}}]}}

    event = dynamodb_event(change(NewImage=image), stream_arn=TABLE_STREAM_ARN)

    assert event["dynamodb"]["NewImage"] == {
        "a": {"B": "/w=="},
        "b": {"L": [{"M": {"c": {"BS": ["MQ==", "Mg=="]}}}]},
    }


def test_what_time_to_live_deletes_names_the_service() -> None:
    record = change()
    record["userIdentity"] = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}

    event = dynamodb_event(record, stream_arn=TABLE_STREAM_ARN)

    assert event["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


@pytest.mark.parametrize(
    ("item", "size_bytes"),
    [
        ({}, 0),
        ({"Id": {"N": "101"}}, 5),
        ({"ä": {"S": "ü"}}, 4),
        ({"a": {"N": "0"}}, 2),
        ({"a": {"N": "-0.00120"}}, 3),
        ({"a": {"N": "1200"}}, 3),
        ({"a": {"B": b"\x00\x01"}}, 3),
        ({"a": {"BOOL": True}, "b": {"NULL": True}}, 4),
        ({"a": {"SS": ["x", "yz"]}}, 4),
        ({"a": {"NS": ["1", "23"]}}, 5),
        ({"a": {"L": [{"S": "x"}]}}, 6),
        ({"a": {"M": {"b": {"S": "x"}}}}, 7),
    ],
)
def test_the_size_of_an_item_counts_names_and_values(item: dict[str, Any], size_bytes: int) -> None:
    assert item_size_bytes(item) == size_bytes


def test_a_write_that_changes_nothing_reaches_no_function() -> None:
    same = {"Id": {"N": "101"}, "v": {"S": "x"}}
    client = FakeClient(
        [
            change(NewImage=same, OldImage=same),
            change(NewImage=same, OldImage={"Id": {"N": "101"}}),
        ]
    )
    reader = DynamodbReader(client, a_mapping(source_arn=TABLE_STREAM_ARN))

    fetched = reader.fetch("shard", "iterator", 100)

    assert [record.event is None for record in fetched.records] == [True, False]


def test_a_filter_keeps_changes_out() -> None:
    client = FakeClient(
        [
            change(NewImage={"Id": {"N": "1"}}),
            change(NewImage={"Id": {"N": "1"}}, OldImage={"Id": {"N": "2"}}),
        ]
    )
    mapping = a_mapping(source_arn=TABLE_STREAM_ARN, filters=('{"eventName": ["INSERT"]}',))

    fetched = DynamodbReader(client, mapping).fetch("shard", "iterator", 100)

    assert [record.event is None for record in fetched.records] == [False, True]


def test_a_data_filter_sees_decoded_json_and_the_function_the_original_bytes() -> None:
    data = [b'{"kind": "a"}', b'{"kind": "b"}', b'{"kind":', b'  {"kind" :"a"}']
    client = FakeClient(
        [
            {
                "PartitionKey": "p",
                "SequenceNumber": str(number),
                "Data": content,
                "ApproximateArrivalTimestamp": ARRIVAL,
            }
            for number, content in enumerate(data)
        ]
    )
    mapping = a_mapping(filters=('{"data": {"kind": ["a"]}}',))

    fetched = KinesisReader(client, mapping, ROLE_ARN).fetch("shard", "iterator", 100)

    assert [record.event is None for record in fetched.records] == [False, True, True, False]
    assert b'"data":"ICB7ImtpbmQiIDoiYSJ9"' in (fetched.records[3].event or b"")


def test_a_metadata_filter_takes_data_that_is_not_json() -> None:
    record = {
        "PartitionKey": "p",
        "SequenceNumber": "1",
        "Data": b"\xff",
        "ApproximateArrivalTimestamp": ARRIVAL,
    }
    mapping = a_mapping(filters=('{"partitionKey": ["q"]}', '{"partitionKey": ["p"]}'))

    fetched = KinesisReader(FakeClient([record]), mapping, ROLE_ARN).fetch("shard", "i", 100)

    assert fetched.records[0].event is not None
