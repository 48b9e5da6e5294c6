"""The event consumer with its real adapters on moto."""

import base64
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from consumers import kinesis_events
from pipeline import bootstrap
from tests.fakes.aws import KEYS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ARRIVAL = 1_790_000_000.0  # 2026-09-21T14:13:20Z
CONTEXT: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 30_000)


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator["DynamoDBClient"]:
    environment = {
        "ACTIVITIES_TABLE": "activities",
        "METRICS_TABLE": "metrics",
        "TRANSACTIONS_TABLE": "transactions",
        "DETECTOR_STATE_TABLE": "states",
        "ANOMALIES_TABLE": "anomalies",
        "LAKE_BUCKET": "lake",
        "EVENT_STREAM": "events",
        "EVENT_TTL_DAYS": "30",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    forget_environment()
    with mock_aws():
        client = boto3.client("dynamodb")
        for name, (hash_key, range_key) in KEYS.items():
            client.create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                KeySchema=[
                    {"AttributeName": hash_key, "KeyType": "HASH"},
                    {"AttributeName": range_key, "KeyType": "RANGE"},
                ],
                AttributeDefinitions=[
                    {"AttributeName": hash_key, "AttributeType": "S"},
                    {"AttributeName": range_key, "AttributeType": "S"},
                ],
            )
        boto3.client("s3").create_bucket(Bucket="lake")
        boto3.client("kinesis").create_stream(StreamName="events", ShardCount=1)
        yield client
    forget_environment()


def forget_environment() -> None:
    """Start over as a new execution environment."""
    for function in [*vars(bootstrap).values(), kinesis_events.flow]:
        if hasattr(function, "cache_clear"):
            function.cache_clear()


def lambda_event(*payloads: bytes, key: str = "web-7") -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventID": f"shardId-000000000000:{number}",
                "eventSource": "aws:kinesis",
                "kinesis": {
                    "partitionKey": key,
                    "sequenceNumber": str(number),
                    "data": base64.b64encode(payload).decode(),
                    "approximateArrivalTimestamp": ARRIVAL,
                },
            }
            for number, payload in enumerate(payloads, start=1)
        ]
    }


def metric(value: float, second: int) -> bytes:
    event = {
        "event_type": "system_metric",
        "metric_name": "cpu_usage",
        "value": value,
        "source": "web-7",
        "timestamp": f"2026-09-21T14:12:{second:02}Z",
    }
    return json.dumps(event).encode()


def items(client: "DynamoDBClient", table: str) -> list[dict[str, Any]]:
    return client.scan(TableName=table)["Items"]


def test_a_batch_lands_in_its_table_the_lake_and_the_state(dynamodb: "DynamoDBClient") -> None:
    answer = kinesis_events.handler(lambda_event(metric(20.0, 1), metric(21.0, 2)), CONTEXT)

    assert answer == {"batchItemFailures": []}
    assert sorted(item["value"]["N"] for item in items(dynamodb, "metrics")) == ["20", "21"]
    assert {item["series_day"]["S"] for item in items(dynamodb, "metrics")} == {
        "web-7#cpu_usage#2026-09-21"
    }
    assert {item["state_key"]["S"].partition("#")[0] for item in items(dynamodb, "states")} == {
        "cursor",
        "metric",
    }
    listing = boto3.client("s3").list_objects_v2(Bucket="lake")
    assert [item["Key"] for item in listing["Contents"]] == [
        "events/dt=2026-09-21/hour=14/shardId-000000000000-1.jsonl.gz"
    ]


def test_activities_and_payments_land_in_tables_of_their_own(dynamodb: "DynamoDBClient") -> None:
    activity = (
        b'{"event_type":"user_activity","user_id":"u-1","activity_type":"login",'
        b'"timestamp":"2026-09-21T14:12:00Z","event_id":"e-1"}'
    )
    payment = (
        b'{"event_type":"transaction","transaction_id":"t-1","user_id":"u-1","amount":"10.10",'
        b'"currency":"EUR","timestamp":"2026-09-21T14:12:00Z","event_id":"e-2"}'
    )

    kinesis_events.handler(lambda_event(activity, payment, key="u-1"), CONTEXT)

    assert [item["event_id"]["S"] for item in items(dynamodb, "activities")] == ["e-1"]
    assert [item["event_id"]["S"] for item in items(dynamodb, "transactions")] == ["e-2"]


def test_a_series_over_its_limit_leaves_one_anomaly(dynamodb: "DynamoDBClient") -> None:
    payloads = [metric(99.0, second) for second in range(30)]

    kinesis_events.handler(lambda_event(*payloads), CONTEXT)

    opened = [item for item in items(dynamodb, "anomalies") if item["edge"]["S"] == "opened"]
    assert [item["dedup_key"]["S"] for item in opened] == ["static_limit#web-7/cpu_usage"]


def test_poison_goes_to_quarantine_and_its_neighbours_commit(dynamodb: "DynamoDBClient") -> None:
    answer = kinesis_events.handler(lambda_event(b"not json", metric(1.0, 1)), CONTEXT)

    assert answer == {"batchItemFailures": []}
    assert len(items(dynamodb, "metrics")) == 1
    listing = boto3.client("s3").list_objects_v2(Bucket="lake", Prefix="quarantine/")
    assert [item["Key"] for item in listing["Contents"]] == [
        "quarantine/dt=2026-09-21/hour=14/shardId-000000000000-1.jsonl.gz"
    ]


def test_an_outage_reports_the_first_record_so_that_the_batch_comes_again(
    dynamodb: "DynamoDBClient",
) -> None:
    dynamodb.delete_table(TableName="metrics")

    answer = kinesis_events.handler(lambda_event(metric(1.0, 1), metric(2.0, 2)), CONTEXT)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert items(dynamodb, "states") == []
