"""The onboarding consumer with its real adapters on moto, fed with events in AWS's own shape."""

import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import pytest
from moto import mock_aws

from consumers import sqs_onboarding
from pipeline.bootstrap import sqs_onboarding as bootstrap
from pipeline.metrics import Metric
from tests.golden_events import golden
from tests.log_lines import log_lines

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

CONTEXT: Any = SimpleNamespace(
    aws_request_id="request-1", get_remaining_time_in_millis=lambda: 60_000
)
TOPIC = "arn:aws:sns:us-east-1:123456789012:notifications"
TABLES = {"users": "user_id", "profiles": "user_id", "idempotency": "job_key"}
MARA: dict[str, Any] = {
    "user_id": {"S": "u-1001"},
    "email": {"S": "mara.lind@example.com"},
    "name": {"S": "Mara Lind"},
    "locale": {"S": "de-CH"},
    "logins": {"N": "0"},
}


class Account(NamedTuple):
    """What a test looks at."""

    dynamodb: "DynamoDBClient"
    sns: "SNSClient"
    sqs: "SQSClient"

    def rows(self, table: str) -> list[dict[str, Any]]:
        return list(self.dynamodb.scan(TableName=table)["Items"])

    def messages(self) -> list[dict[str, Any]]:
        url = self.sqs.get_queue_url(QueueName="mailer")["QueueUrl"]
        answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    def open_topic(self) -> None:
        self.sns.create_topic(Name="notifications")
        queue = "arn:aws:sqs:us-east-1:123456789012:mailer"
        self.sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=queue)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    environment = {
        "USERS_TABLE": "users",
        "PROFILES_TABLE": "profiles",
        "IDEMPOTENCY_TABLE": "idempotency",
        "NOTIFICATIONS_TOPIC_ARN": TOPIC,
        "IDEMPOTENCY_TTL_DAYS": "90",
        "ENVIRONMENT": "prod",
        "POWERTOOLS_METRICS_NAMESPACE": "Streamwarden",
        "POWERTOOLS_SERVICE_NAME": "sqs_onboarding",
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
    for name, key in TABLES.items():
        account.dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        )
    account.dynamodb.put_item(TableName="users", Item=MARA)
    account.sqs.create_queue(QueueName="mailer")
    account.open_topic()
    return account


def forget_environment() -> None:
    """Start over as a new execution environment."""
    for function in vars(bootstrap).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()


def handle(*records: dict[str, Any]) -> list[str]:
    """Return the ids of the messages that the function reports."""
    answer = sqs_onboarding.handler({"Records": list(records)}, CONTEXT)
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


SETUP, WELCOME = range(2)


def message(number: int, body: str | dict[str, Any]) -> dict[str, Any]:
    text = body if isinstance(body, str) else json.dumps(body)
    return golden("sqs_onboarding")[SETUP] | {"messageId": f"message-{number}", "body": text}


def test_a_new_user_gets_a_profile_and_a_welcome(account: Account) -> None:
    failed = handle(*golden("sqs_onboarding"))

    assert failed == []
    assert account.rows("profiles") == [
        {
            "user_id": {"S": "u-1001"},
            "registration": {"S": "0000000000004421584500000000017450439091"},
            "signed_up_at": {"S": "2026-11-21T10:00:00.000000Z"},
            "display_name": {"S": "Mara Lind"},
            "locale": {"S": "de-CH"},
        }
    ]
    (sent,) = account.messages()
    assert json.loads(sent["Message"]) == {
        "type": "welcome",
        "job_id": "send_welcome-c4ca4238a0b923820dcc509a6f75849b",
        "user_id": "u-1001",
        "email": "mara.lind@example.com",
        "name": "Mara Lind",
        "locale": "de-CH",
    }


def test_jobs_that_come_again_change_nothing_and_send_nothing(account: Account) -> None:
    handle(*golden("sqs_onboarding"))
    account.messages()
    edited = account.rows("profiles")[0] | {"display_name": {"S": "Mara"}}
    account.dynamodb.put_item(TableName="profiles", Item=edited)

    failed = handle(*golden("sqs_onboarding"), *reversed(golden("sqs_onboarding")))

    assert failed == []
    assert account.rows("profiles") == [edited]
    assert account.messages() == []


def test_what_is_remembered_of_a_welcome_names_nobody(account: Account) -> None:
    handle(golden("sqs_onboarding")[WELCOME])

    (row,) = account.rows("idempotency")
    assert "u-1001" not in json.dumps(row)
    assert "example" not in json.dumps(row)
    assert row["status"] == {"S": "COMPLETED"}


def test_a_user_who_is_gone_gets_neither(account: Account) -> None:
    account.dynamodb.delete_item(TableName="users", Key={"user_id": {"S": "u-1001"}})

    failed = handle(*golden("sqs_onboarding"))

    assert failed == []
    assert account.rows("profiles") == []
    assert account.messages() == []


@pytest.mark.parametrize(
    "body",
    [
        "not JSON",
        "",
        "[]",
        '{"job_type":"format_disk","job_id":"j","user_id":"u-1001"}',
        '{"job_type":"send_welcome","job_id":"j","user_id":"u-1001"}',
        '{"job_type":"send_welcome","job_id":"j","user_id":7}',
        "\ud800",
        "x" * 5000,
    ],
)
def test_poison_fails_alone_each_time(
    account: Account, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    failed = handle(message(1, body), *golden("sqs_onboarding"))

    assert failed == ["message-1"]
    assert len(account.messages()) == 1
    (line,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert line.__dict__["message_id"] == "message-1"
    assert "u-1001" not in line.__dict__["reason"]


def test_a_batch_of_nothing_but_poison_is_reported_and_does_not_raise(account: Account) -> None:
    failed = handle(message(1, "x"), message(2, "y"))

    assert failed == ["message-1", "message-2"]
    assert account.messages() == []


def test_a_user_whose_row_is_broken_fails_without_being_quoted(account: Account) -> None:
    broken = MARA | {"email": {"S": "no address at all"}}
    account.dynamodb.put_item(TableName="users", Item=broken)

    with log_lines(sqs_onboarding.logger) as logged:
        failed = handle(golden("sqs_onboarding")[SETUP])

    assert failed == ["059f36b4-87a3-44ab-83d2-661975830a7d"]
    assert [line["message"] for line in logged.parsed()] == ["job failed", "jobs taken"]
    assert [text for text in ("no address at all", "Mara") if text in logged.text] == []


def test_a_welcome_that_could_not_be_sent_is_sent_later(account: Account) -> None:
    account.sns.delete_topic(TopicArn=TOPIC)
    assert handle(golden("sqs_onboarding")[WELCOME])
    account.open_topic()

    failed = handle(golden("sqs_onboarding")[WELCOME])

    assert failed == []
    assert len(account.messages()) == 1


@pytest.mark.usefixtures("account")
def test_a_batch_leaves_its_metrics_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    handle(*golden("sqs_onboarding"), *golden("sqs_onboarding"), message(9, "x"))

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [line for line in lines if "_aws" in line]
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert (line["ProfilesSetUp"], line["WelcomesSent"]) == ([1], [1])
    assert (line["JobsWithoutEffect"], line["JobsRefused"], line["JobsRetried"]) == ([2], [1], [0])
    assert {metric["Name"] for metric in directive["Metrics"]} == {
        metric.title for metric in Metric if "sqs_onboarding" in metric.services
    }
