"""The sweep of the alerts with its real adapters on moto."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import pytest
import time_machine
from moto import mock_aws

from consumers import dynamodb_alerts, schedule_alerts
from pipeline.adapters.silence_table import DynamoSilences
from pipeline.detection.anomaly import Anomaly
from pipeline.flows.alerts.silence import Matcher, Silence
from pipeline.metrics import Metric
from tests.consumers.test_dynamodb_alerts import forget_environment, inserted
from tests.fakes.alert_tables import create_tables, put_silence
from tests.fakes.alert_world import payment_fact
from tests.fakes.alerts import NOON, cpu_fact

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

TOPIC = "arn:aws:sns:us-east-1:123456789012:"
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/"
OTHER_DEAD_LETTERS = {
    f"{flow.upper()}_DEAD_LETTER_QUEUE_URL": f"{flow}-dead"
    for flow in ("onboarding", "uploads", "thumbnail", "analytics")
}
CONTEXT: Any = SimpleNamespace(
    aws_request_id="request-1", get_remaining_time_in_millis=lambda: 60_000
)


class Account(NamedTuple):
    """What a test looks at, and the time."""

    dynamodb: "DynamoDBClient"
    sns: "SNSClient"
    sqs: "SQSClient"
    clock: time_machine.Traveller

    def take(self, *facts: Anomaly) -> list[dict[str, str]]:
        """Let the stream's consumer take facts and return what must come again."""
        event = {"Records": [inserted(fact, f"{n}") for n, fact in enumerate(facts, 101)]}
        failures: list[dict[str, str]] = dynamodb_alerts.handler(event, CONTEXT)[
            "batchItemFailures"
        ]
        return failures

    def sweep_after(self, pause: timedelta) -> None:
        self.clock.shift(pause)
        schedule_alerts.handler({}, CONTEXT)

    def reasons(self) -> list[str]:
        return [record["notification_reason"] for record in self.records()]

    def records(self) -> list[dict[str, Any]]:
        found = [json.loads(json.loads(body)["Message"]) for body in self.bodies("machines")]
        return sorted(found, key=lambda record: str(record["detected_at"]))

    def bodies(self, queue: str) -> list[str]:
        url = self.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        bodies: list[str] = []
        while messages := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                bodies.append(message["Body"])
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    environment = {
        "ALERTS_TABLE": "alerts",
        "SILENCES_TABLE": "silences",
        "ALERTS_TOPIC_ARN": TOPIC + "machines",
        "ONCALL_TOPIC_ARN": TOPIC + "people",
        "ALERTS_DEAD_LETTER_QUEUE_URL": QUEUE + "dead",
        "DETECTOR_STATE_TABLE": "states",
        "ANOMALIES_TABLE": "anomalies",
        "EVENT_STREAM": "events",
        "EVENT_TTL_DAYS": "30",
        **{name: QUEUE + queue for name, queue in OTHER_DEAD_LETTERS.items()},
        "ENVIRONMENT": "prod",
        "RULES_PARAMETER": "/streamwarden/rules",
        "ALERT_TTL_DAYS": "30",
        "RUNBOOK_URL": "https://runbooks.example.com/operations.md",
        "STACK_NAME": "shop-prod",
        "LAKE_BUCKET": "lake",
        "METRICS_TABLE": "metrics",
        "TRANSACTIONS_TABLE": "transactions",
        "POWERTOOLS_METRICS_NAMESPACE": "Streamwarden",
        "POWERTOOLS_SERVICE_NAME": "schedule_alerts",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    forget_environment()
    with time_machine.travel(NOON, tick=False) as clock, mock_aws():
        yield _account(clock)
    forget_environment()


def _account(clock: time_machine.Traveller) -> Account:
    account = Account(boto3.client("dynamodb"), boto3.client("sns"), boto3.client("sqs"), clock)
    create_tables(
        account.dynamodb,
        AlertsTable="alerts",
        SilencesTable="silences",
        DetectorStateTable="states",
        AnomaliesTable="anomalies",
    )
    boto3.client("kinesis").create_stream(StreamName="events", ShardCount=1)
    for queue in ("dead", *OTHER_DEAD_LETTERS.values()):
        account.sqs.create_queue(QueueName=queue)
    for topic in ("machines", "people"):
        account.sqs.create_queue(QueueName=topic)
        _subscribe(account.sns, topic)
    return account


def _subscribe(sns: "SNSClient", topic: str) -> None:
    sns.create_topic(Name=topic)
    queue = f"arn:aws:sqs:us-east-1:123456789012:{topic}"
    sns.subscribe(TopicArn=TOPIC + topic, Protocol="sqs", Endpoint=queue)


def test_what_still_fires_is_told_again_after_the_repeat_interval(account: Account) -> None:
    account.take(cpu_fact())
    account.sweep_after(timedelta(hours=3, minutes=59))
    before = account.reasons()

    account.sweep_after(timedelta(minutes=1))

    assert before == ["first"]
    assert account.reasons() == ["repeat"]


def test_quiet_ends_an_alert_of_kind_event(account: Account) -> None:
    account.take(payment_fact())

    account.sweep_after(timedelta(hours=1))

    assert sorted(account.reasons()) == ["first", "resolved"]


def test_a_storm_is_told_in_one_digest(account: Account) -> None:
    for batch in range(5):
        account.take(*(payment_fact(batch * 10 + n) for n in range(10)))

    account.sweep_after(timedelta(seconds=30))

    records = account.records()
    assert [record["notification_reason"] for record in records].count("first") == 20
    (digest,) = [one for one in records if one["notification_reason"] == "storm_digest"]
    assert digest["suppressed_count"] == 30


def test_the_other_members_of_a_group_are_told_in_one_update(account: Account) -> None:
    account.take(*(cpu_fact(subject=f"web-{n}/cpu", source=f"web-{n}") for n in range(6)))

    account.sweep_after(timedelta(seconds=30))

    assert sorted(account.reasons()) == ["first", "group"]


def test_a_silence_hides_and_counts(account: Account) -> None:
    silences = DynamoSilences(account.dynamodb, "silences")
    put_silence(
        account.dynamodb,
        "silences",
        Silence(
            silence_id="s-1",
            owner="ann",
            reason="load test",
            created_at=NOON,
            starts_at=NOON,
            ends_at=NOON + timedelta(minutes=10),
            matcher=Matcher(source="web-*"),
        ),
    )
    account.take(cpu_fact())
    account.sweep_after(timedelta(minutes=5))
    hidden = account.reasons()

    account.sweep_after(timedelta(minutes=5))

    assert hidden == []
    assert account.reasons() == ["first"]
    assert [row.hidden for row in silences.all()] == [1]


def test_what_an_outage_left_over_is_published_by_the_sweep(account: Account) -> None:
    account.sns.delete_topic(TopicArn=TOPIC + "people")
    again = account.take(cpu_fact())
    _subscribe(account.sns, "people")

    account.sweep_after(timedelta(minutes=1))

    assert again == [{"itemIdentifier": "101"}]
    assert len(account.bodies("people")) == 1
    assert account.reasons() == ["first"]


def test_what_no_topic_takes_for_a_day_is_kept_on_the_queue(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    account.sns.delete_topic(TopicArn=TOPIC + "people")
    account.take(cpu_fact())
    account.sweep_after(timedelta(hours=3))
    tried = len([record for record in caplog.records if record.levelno == logging.ERROR])

    account.sweep_after(timedelta(hours=22))

    (letter, *_) = account.bodies("dead")
    assert tried == 1
    assert json.loads(letter)["notification_reason"] == "first"


def test_a_sweep_leaves_its_metrics_in_one_line(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.take(payment_fact())
    capsys.readouterr()

    account.sweep_after(timedelta(hours=1))

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    emitted = [line for line in lines if "_aws" in line]
    (line,) = [line for line in emitted if "Sweeps" in line]
    assert (line["Sweeps"], line["AlertsSettled"], line["SweepFailures"]) == ([1], [1], [0])
    assert {
        metric["Name"]
        for line in emitted
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    } == {metric.title for metric in Metric if "schedule_alerts" in metric.services}
