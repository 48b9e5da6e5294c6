"""The alert consumer with its real adapters on moto."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import pytest
from moto import mock_aws

from consumers import dynamodb_alerts
from pipeline.adapters.anomaly_items import encode_anomaly
from pipeline.adapters.silence_table import DynamoSilences
from pipeline.bootstrap import alerts, schedule_alerts, shared
from pipeline.bootstrap import dynamodb_alerts as bootstrap
from pipeline.detection.anomaly import Anomaly
from pipeline.flows.alerts.silence import Matcher, Silence
from pipeline.metrics import Metric
from tests.fakes.alert_tables import create_tables, put_silence
from tests.fakes.alert_world import payment_fact
from tests.fakes.alerts import NOON, cpu_fact
from tests.log_lines import log_lines

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

CONTEXT: Any = SimpleNamespace(aws_request_id="request-1")
WRITTEN_AT = 1_772_366_400.0  # 2026-03-01T12:00:00Z
TOPIC = "arn:aws:sns:us-east-1:123456789012:"


class Account(NamedTuple):
    """What a test looks at."""

    dynamodb: "DynamoDBClient"
    sns: "SNSClient"
    sqs: "SQSClient"

    def alerts(self) -> list[dict[str, Any]]:
        items = self.dynamodb.scan(TableName="alerts")["Items"]
        return [item for item in items if "alert_id" in item]  # not the ledger's

    def messages(self, topic: str) -> list[dict[str, Any]]:
        url = self.sqs.get_queue_url(QueueName=topic)["QueueUrl"]
        answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    environment = {
        "ALERTS_TABLE": "alerts",
        "SILENCES_TABLE": "silences",
        "ALERTS_TOPIC_ARN": TOPIC + "machines",
        "ONCALL_TOPIC_ARN": TOPIC + "people",
        "ENVIRONMENT": "prod",
        "RULES_PARAMETER": "/streamwarden/rules",
        "ALERT_TTL_DAYS": "30",
        "RUNBOOK_URL": "https://runbooks.example.com/operations.md",
        "STACK_NAME": "shop-prod",
        "LAKE_BUCKET": "lake",
        "METRICS_TABLE": "metrics",
        "TRANSACTIONS_TABLE": "transactions",
        "POWERTOOLS_METRICS_NAMESPACE": "Streamwarden",
        "POWERTOOLS_SERVICE_NAME": "dynamodb_alerts",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    forget_environment()
    with mock_aws():
        yield _account()
    forget_environment()


def _account() -> Account:
    account = Account(boto3.client("dynamodb"), boto3.client("sns"), boto3.client("sqs"))
    create_tables(account.dynamodb, AlertsTable="alerts", SilencesTable="silences")
    for topic in ("machines", "people"):
        account.sqs.create_queue(QueueName=topic)
        account.sns.create_topic(Name=topic)
        queue = f"arn:aws:sqs:us-east-1:123456789012:{topic}"
        account.sns.subscribe(TopicArn=TOPIC + topic, Protocol="sqs", Endpoint=queue)
    return account


def forget_environment() -> None:
    """Start over as a new execution environment."""
    for module in (alerts, bootstrap, schedule_alerts, shared):
        for function in vars(module).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()


def inserted(fact: Anomaly, number: str, **changes: object) -> dict[str, Any]:
    image = encode_anomaly(fact, 1_780_000_000) | changes
    return {
        "eventID": f"{number:0>32}",
        "eventName": "INSERT",
        "eventSource": "aws:dynamodb",
        "dynamodb": {
            "ApproximateCreationDateTime": WRITTEN_AT,
            "Keys": {name: image[name] for name in ("dedup_key", "fact_key")},
            "NewImage": image,
            "SequenceNumber": number,
            "StreamViewType": "NEW_IMAGE",
        },
    }


def test_a_fact_becomes_an_alert_and_a_message_on_each_topic(account: Account) -> None:
    answer = dynamodb_alerts.handler({"Records": [inserted(cpu_fact(), "101")]}, CONTEXT)

    assert answer == {"batchItemFailures": []}
    (alert,) = account.alerts()
    assert alert["dedup_key"] == {"S": "static_limit#web-7/cpu_usage"}
    assert alert["status"] == {"S": "firing"}
    (machine,) = account.messages("machines")
    (person,) = account.messages("people")
    assert json.loads(machine["Message"])["alert_id"] == alert["alert_id"]["S"]
    assert json.loads(machine["Message"])["region"] == "us-east-1"
    assert person["Subject"] == "[FIRING:3][HIGH] cpu_usage above 90% on web-7 (prod)"
    assert person["MessageAttributes"]["severity"] == {"Type": "String", "Value": "high"}


def test_a_batch_that_comes_again_publishes_nothing(account: Account) -> None:
    event = {"Records": [inserted(cpu_fact(), "101")]}
    dynamodb_alerts.handler(event, CONTEXT)
    account.messages("people")

    answer = dynamodb_alerts.handler(event, CONTEXT)

    assert answer == {"batchItemFailures": []}
    assert account.messages("people") == []


def test_an_outage_reports_the_first_record_that_failed_and_stops(account: Account) -> None:
    first = inserted(cpu_fact(), "101")
    second = inserted(payment_fact(8), "102")
    third = inserted(payment_fact(9), "103")
    dynamodb_alerts.handler({"Records": [first]}, CONTEXT)
    account.sns.delete_topic(TopicArn=TOPIC + "machines")

    answer = dynamodb_alerts.handler({"Records": [first, second, third]}, CONTEXT)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "102"}]}
    assert len(account.alerts()) == 2


def test_what_failed_is_published_once_sns_is_back(account: Account) -> None:
    event = {"Records": [inserted(cpu_fact(), "101")]}
    account.sns.delete_topic(TopicArn=TOPIC + "people")
    assert dynamodb_alerts.handler(event, CONTEXT)["batchItemFailures"]
    account.sns.create_topic(Name="people")
    queue = "arn:aws:sqs:us-east-1:123456789012:people"
    account.sns.subscribe(TopicArn=TOPIC + "people", Protocol="sqs", Endpoint=queue)

    answer = dynamodb_alerts.handler(event, CONTEXT)

    assert answer == {"batchItemFailures": []}
    assert len(account.messages("people")) == 1
    assert len(account.messages("machines")) == 1


def test_an_item_that_is_no_anomaly_is_paged_and_holds_nobody_up(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    poison = inserted(cpu_fact(subject="web-9/cpu_usage"), "101", severity={"S": "apocalyptic"})

    answer = dynamodb_alerts.handler({"Records": [poison, inserted(cpu_fact(), "102")]}, CONTEXT)

    assert answer == {"batchItemFailures": []}
    assert {alert["rule_id"]["S"] for alert in account.alerts()} == {
        "pipeline_fact_defect",
        "static_limit",
    }
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert line.__dict__["sequence_number"] == "101"


def test_no_log_line_shows_what_a_fact_says(account: Account) -> None:
    told = cpu_fact(title="canary@example.com\n{}", subject="canary", source="canary")
    poison = inserted(told, "101", count={"S": "canary"})
    account.sns.delete_topic(TopicArn=TOPIC + "people")

    with log_lines(dynamodb_alerts.logger) as logged:
        dynamodb_alerts.handler({"Records": [inserted(told, "100")]}, CONTEXT)
        account.sns.create_topic(Name="people")
        dynamodb_alerts.handler({"Records": [poison]}, CONTEXT)

    assert [line["message"] for line in logged.parsed()] == [
        "facts will be delivered again",
        "fact cannot become an alert",
        "facts taken",
    ]
    assert "canary" not in logged.text


def test_a_silence_hides_the_page_and_counts_it(account: Account) -> None:
    silences = DynamoSilences(account.dynamodb, "silences")
    put_silence(
        account.dynamodb,
        "silences",
        Silence(
            silence_id="s-1",
            owner="ann",
            reason="load test",
            created_at=NOON,
            starts_at=NOON - timedelta(days=3650),
            ends_at=NOON + timedelta(days=36500),
            matcher=Matcher(source="web-*"),
        ),
    )

    dynamodb_alerts.handler({"Records": [inserted(cpu_fact(), "101")]}, CONTEXT)

    assert account.messages("people") == []
    assert [alert["status"]["S"] for alert in account.alerts()] == ["firing"]
    assert [row.hidden for row in silences.all()] == [1]


@pytest.mark.parametrize("name", ["MODIFY", "REMOVE"])
def test_what_is_no_new_fact_is_left_alone(account: Account, name: str) -> None:
    record = inserted(cpu_fact(), "101") | {"eventName": name}

    answer = dynamodb_alerts.handler({"Records": [record]}, CONTEXT)

    assert answer == {"batchItemFailures": []}
    assert account.alerts() == []


def metric_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the one line in CloudWatch's embedded metric format."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [line for line in lines if "_aws" in line]
    found: dict[str, Any] = line
    return found


@pytest.mark.usefixtures("account")
def test_a_batch_leaves_its_metrics_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    poison = inserted(cpu_fact(subject="web-9/cpu_usage"), "101", severity={"S": "apocalyptic"})

    dynamodb_alerts.handler({"Records": [poison, inserted(cpu_fact(), "102")]}, CONTEXT)

    line = metric_line(capsys)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert (line["FactsTaken"], line["FactDefects"], line["BatchesRetried"]) == ([1], [1], [0])
    assert line["BatchAge"][0] > 0
    assert (line["environment"], line["service"]) == ("prod", "dynamodb_alerts")
    assert {(metric["Name"], metric["Unit"]) for metric in directive["Metrics"]} == {
        (metric.title, metric.unit) for metric in Metric if "dynamodb_alerts" in metric.services
    }


def test_a_batch_cut_short_counts_what_was_taken(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    first = inserted(cpu_fact(), "101")
    dynamodb_alerts.handler({"Records": [first]}, CONTEXT)
    account.sns.delete_topic(TopicArn=TOPIC + "machines")
    capsys.readouterr()

    dynamodb_alerts.handler({"Records": [first, inserted(payment_fact(8), "102")]}, CONTEXT)

    line = metric_line(capsys)
    assert (line["FactsTaken"], line["BatchesRetried"]) == ([1], [1])
