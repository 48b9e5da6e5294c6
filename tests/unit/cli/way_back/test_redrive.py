"""The command, on an account in which nothing can be invoked: counts, questions, exit codes."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from pipeline.cli.way_back.redrive import redrive

TEMPLATE = {
    "Resources": {
        "OnboardingDeadLetterQueue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {"QueueName": "dead"},
        },
        "OnboardingQueue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "QueueName": "jobs",
                "RedrivePolicy": {
                    "deadLetterTargetArn": "arn:aws:sqs:eu-central-1:123456789012:dead",
                    "maxReceiveCount": 5,
                },
            },
        },
        "Failures": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "failures"}},
    },
    "Outputs": {"FailuresBucketName": {"Value": "failures"}},
}


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the URL of a dead-letter queue with two jobs in it."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        boto3.client("cloudformation").create_stack(
            StackName="prod", TemplateBody=json.dumps(TEMPLATE)
        )
        sqs = boto3.client("sqs")
        url = sqs.get_queue_url(QueueName="dead")["QueueUrl"]
        for number in (1, 2):
            sqs.send_message(QueueUrl=url, MessageBody=f'{{"job_id":"j{number}"}}')
        yield url


def _run(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(redrive, [*arguments, "--stack", "prod"], input=answer)


def _waiting(queue: str) -> int:
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    attributes = sqs.get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(attributes["Attributes"]["ApproximateNumberOfMessages"])


@pytest.mark.usefixtures("dead")
def test_a_dry_run_counts_and_changes_nothing() -> None:
    result = _run("queues", "--dry-run", "--json")

    (group,) = json.loads(result.stdout)["found"]
    assert result.exit_code == 0
    assert (group["place"], group["source"]) == ("queues", "OnboardingDeadLetterQueue")
    assert (group["items"], group["records"], group["obstacle"]) == (2, 2, "")
    assert (_waiting("dead"), _waiting("jobs")) == (2, 0)


@pytest.mark.usefixtures("dead")
def test_it_asks_and_takes_no_for_an_answer() -> None:
    result = _run("queues", answer="n\n")

    assert "Bring back 2 records?" in result.output
    assert (_waiting("dead"), _waiting("jobs")) == (2, 0)


@pytest.mark.usefixtures("dead")
def test_a_second_run_finds_nothing_more() -> None:
    first, second = _run("queues", "--yes", "--json"), _run("queues", "--yes", "--json")

    assert json.loads(first.stdout)["brought_back"] == {"items": 2, "records": 2}
    assert (first.exit_code, second.exit_code) == (0, 1)
    assert (_waiting("dead"), _waiting("jobs")) == (0, 2)


def test_what_cannot_come_back_stays_with_exit_code_4(dead: str) -> None:
    target = {"DataType": "String", "StringValue": "arn:aws:lambda:x:1:function:other"}
    sqs: Any = boto3.client("sqs")
    sqs.send_message(QueueUrl=dead, MessageBody="{}", MessageAttributes={"TARGET_ARN": target})

    result = _run("queues", "--yes")

    assert result.exit_code == 4
    assert "arn:aws:lambda:x:1:function:other is no function of this stack" in result.stderr
    assert (_waiting("dead"), _waiting("jobs")) == (1, 2)


@pytest.mark.usefixtures("dead")
def test_json_needs_an_answer_beforehand() -> None:
    result = _run("queues", "--json")

    assert result.exit_code == 2
    assert "--json needs --yes or --dry-run" in result.stderr


@pytest.mark.usefixtures("dead")
def test_a_stack_without_such_a_place_is_told() -> None:
    result = _run("quarantine", "--dry-run")

    assert result.exit_code == 3
    assert "has no output LakeBucketName" in result.stderr


@pytest.mark.usefixtures("dead")
def test_people_read_what_came_back_or_that_there_is_nothing() -> None:
    first, second = _run("queues", "--yes"), _run("queues", "--yes")

    told = "2 records came back; objects and messages that held them: 2\n"
    assert first.stdout.endswith(told)
    assert (second.stdout, second.stderr) == ("", "nothing is set aside\n")
