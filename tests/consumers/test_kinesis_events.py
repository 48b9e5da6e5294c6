"""The event consumer with its real adapters on moto."""

import base64
import gzip
import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from consumers import kinesis_events
from pipeline.bootstrap import kinesis_events as bootstrap
from pipeline.bootstrap import shared
from pipeline.errors import SettingsError
from pipeline.metrics import Metric
from tests.contract.accounts import create_tables
from tests.hostile_texts import HOSTILE_TEXTS
from tests.log_lines import log_lines

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ARRIVAL = 1_790_000_000.0  # 2026-09-21T14:13:20Z
ACTIVITY = (
    b'{"event_type":"user_activity","user_id":"u-1","activity_type":"login",'
    b'"timestamp":"2026-09-21T14:12:00Z","event_id":"e-1"}'
)
PAYMENT = (
    b'{"event_type":"transaction","transaction_id":"t-1","user_id":"u-1","amount":"10.10",'
    b'"currency":"EUR","timestamp":"2026-09-21T14:12:00Z","event_id":"e-2"}'
)
REPORT = (
    b'{"event_type":"fraud_report","transaction_id":"t-1","user_id":"u-1","is_fraud":true,'
    b'"transaction_timestamp":"2026-09-21T14:12:00Z","timestamp":"2026-09-21T14:13:00Z",'
    b'"event_id":"e-3"}'
)
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
        "ACTIVITIES_IN_LAKE_ONLY": "false",
        "ENVIRONMENT": "dev",
        "RULES_PARAMETER": "/streamwarden/rules",
        "BUCKET_OWNER": "123456789012",
        "POWERTOOLS_METRICS_NAMESPACE": "Streamwarden",
        "POWERTOOLS_SERVICE_NAME": "kinesis_events",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    forget_environment()
    with mock_aws():
        client = boto3.client("dynamodb")
        create_tables(client)
        boto3.client("s3").create_bucket(Bucket="lake")
        boto3.client("kinesis").create_stream(StreamName="events", ShardCount=1)
        yield client
    forget_environment()


def forget_environment() -> None:
    """Start over as a new execution environment."""
    ours = [*vars(bootstrap).values(), kinesis_events.flow, shared.parameter_rules]
    for function in ours:
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


@pytest.mark.parametrize(("mark", "lake_objects"), [("records", 1), ("archived", 0)])
def test_what_comes_back_gets_its_row_and_touches_no_state(
    dynamodb: "DynamoDBClient", mark: str, lake_objects: int
) -> None:
    event = lambda_event(metric(20.0, 1), b"{") | {"redrive": mark}

    answer = kinesis_events.handler(event, CONTEXT)

    assert answer["batchItemFailures"] == []
    assert (answer["report"]["stored"], answer["report"]["quarantined"]) == (1, 1)
    assert json.loads(json.dumps(answer)) == answer
    (row,) = items(dynamodb, "metrics")
    assert row["event_id"] == {"S": "shardId-000000000000:1"}
    assert items(dynamodb, "states") == []
    listing = boto3.client("s3").list_objects_v2(Bucket="lake", Prefix="events/")
    assert listing["KeyCount"] == lake_objects


def test_a_batch_lands_in_its_table_the_lake_and_the_state(dynamodb: "DynamoDBClient") -> None:
    answer = kinesis_events.handler(lambda_event(metric(20.0, 1), metric(21.0, 2)), CONTEXT)

    assert answer == {"batchItemFailures": []}
    assert sorted(item["value"]["N"] for item in items(dynamodb, "metrics")) == ["20", "21"]
    assert {item["series_day"]["S"] for item in items(dynamodb, "metrics")} == {
        "web-7#cpu_usage#2026-09-21"
    }
    assert {item["state_key"]["S"].partition("#")[0] for item in items(dynamodb, "states")} == {
        "cursor",
        "heartbeats",
        "metric",
    }
    listing = boto3.client("s3").list_objects_v2(Bucket="lake")
    assert [item["Key"] for item in listing["Contents"]] == [
        "events/dt=2026-09-21/hour=14/shardId-000000000000-1.jsonl.gz"
    ]


def test_activities_and_payments_land_in_tables_of_their_own(dynamodb: "DynamoDBClient") -> None:
    kinesis_events.handler(lambda_event(ACTIVITY, PAYMENT, REPORT, key="u-1"), CONTEXT)

    transactions = items(dynamodb, "transactions")
    assert [item["event_id"]["S"] for item in items(dynamodb, "activities")] == ["e-1"]
    assert sorted(item["event_id"]["S"] for item in transactions) == ["e-2", "e-3"]


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


def metric_lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the lines in CloudWatch's embedded metric format."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if "_aws" in line]


def figures(line: dict[str, Any]) -> dict[str, float]:
    """Return the metrics of a line by name, without the age."""
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    names = [metric["Name"] for metric in directive["Metrics"]]
    return {name: line[name][0] for name in names if name != "BatchAge"}


@pytest.mark.usefixtures("dynamodb")
def test_a_batch_leaves_its_metrics_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    batch = lambda_event(ACTIVITY, ACTIVITY, PAYMENT, REPORT, metric(99.0, 1), b"poison", key="u-1")

    kinesis_events.handler(batch, CONTEXT)

    (line,) = metric_lines(capsys)
    assert figures(line) == {
        "RecordsReceived": 6,
        "ActivitiesStored": 1,
        "MetricPointsStored": 1,
        "TransactionsStored": 1,
        "FraudReportsStored": 1,
        "LakeOnlyEvents": 0,
        "EventsCollapsed": 1,
        "RecordsQuarantined": 1,
        "AnomaliesFound": 2,  # over the limit, and under a stray key
        "StrayKeys": 1,
        "BatchesRetried": 0,
    }
    assert line["BatchAge"][0] >= 0


@pytest.mark.usefixtures("dynamodb")
def test_metrics_have_the_names_and_units_of_the_closed_list_and_no_other_dimensions(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kinesis_events.handler(lambda_event(metric(20.0, 1)), CONTEXT)

    (line,) = metric_lines(capsys)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Streamwarden"
    assert [sorted(names) for names in directive["Dimensions"]] == [["environment", "service"]]
    assert (line["environment"], line["service"]) == ("dev", "kinesis_events")
    assert {(metric["Name"], metric["Unit"]) for metric in directive["Metrics"]} == {
        (metric.title, metric.unit) for metric in Metric if "kinesis_events" in metric.services
    }


def test_a_batch_that_comes_again_is_counted_and_nothing_else(
    dynamodb: "DynamoDBClient", capsys: pytest.CaptureFixture[str]
) -> None:
    dynamodb.delete_table(TableName="metrics")

    kinesis_events.handler(lambda_event(metric(1.0, 1), metric(2.0, 2)), CONTEXT)

    (line,) = metric_lines(capsys)
    assert figures(line) == {"BatchesRetried": 1}


@pytest.mark.usefixtures("dynamodb")
def test_a_function_without_a_namespace_for_its_metrics_processes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("POWERTOOLS_METRICS_NAMESPACE")

    with pytest.raises(SettingsError, match="POWERTOOLS_METRICS_NAMESPACE"):
        kinesis_events.handler(lambda_event(metric(1.0, 1)), CONTEXT)


@pytest.mark.usefixtures("dynamodb")
def test_a_batch_leaves_one_log_line_with_its_figures_as_fields(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)

    kinesis_events.handler(lambda_event(ACTIVITY, PAYMENT, b"poison", key="u-1"), CONTEXT)

    (line,) = [line for line in caplog.records if line.name == kinesis_events.logger.name]
    assert line.getMessage() == "batch processed"
    fields = line.__dict__
    assert (fields["shard_id"], fields["sequence_number"]) == ("shardId-000000000000", "1")
    assert (fields["stored"], fields["quarantined"]) == (2, 1)
    assert fields["by_type"] == {"user_activity": 1, "transaction": 1}


CANARIES = (
    "canary@example.com",
    "203.0.113.77",
    "4111111111111111",
    "Canary Lane",
    "canary-session",
)


def canary(text: str) -> bytes:
    event = {
        "event_type": "user_activity",
        "user_id": "u-1",
        "activity_type": text,
        "timestamp": "2026-09-21T14:12:00Z",
        "session_id": CANARIES[4],
        "ip_address": CANARIES[1],
        "location": CANARIES[3],
        "details": {"email": CANARIES[0], "card": CANARIES[2]},
    }
    return json.dumps(event).encode()


def test_no_log_line_is_forged_or_shows_what_a_record_holds(dynamodb: "DynamoDBClient") -> None:
    hostile = [canary(text) for text in HOSTILE_TEXTS]
    broken = [text.encode() + " ".join(CANARIES).encode() for text in HOSTILE_TEXTS]

    with log_lines(kinesis_events.logger) as logged:
        kinesis_events.handler(lambda_event(*hostile, *broken, key="u-1"), CONTEXT)
        dynamodb.delete_table(TableName="activities")
        kinesis_events.handler(lambda_event(*hostile, key="u-1"), CONTEXT)

    assert [line["message"] for line in logged.parsed()] == [
        "batch processed",
        "batch will be delivered again",
    ]
    assert [token for token in CANARIES if token in logged.text] == []


def test_activities_of_the_lake_alone_have_no_rows_and_are_counted_as_such(
    dynamodb: "DynamoDBClient",
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ACTIVITIES_IN_LAKE_ONLY", "true")
    forget_environment()

    kinesis_events.handler(lambda_event(ACTIVITY, PAYMENT, REPORT, key="u-1"), CONTEXT)

    (line,) = metric_lines(capsys)
    body = boto3.client("s3").get_object(
        Bucket="lake", Key="events/dt=2026-09-21/hour=14/shardId-000000000000-1.jsonl.gz"
    )["Body"]
    assert items(dynamodb, "activities") == []
    assert len(items(dynamodb, "transactions")) == 2
    assert gzip.decompress(body.read()).splitlines() == [ACTIVITY, PAYMENT, REPORT]
    assert (line["ActivitiesStored"], line["LakeOnlyEvents"]) == ([1.0], [1.0])
