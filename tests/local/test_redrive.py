"""The way back through the local run: a batch is given up, brought back, and changes nothing twice.

The template of this test gives a batch up at its first failure, and the failure is a table that is
gone for a while.
"""

import gzip
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipeline.cli.demo.inbox import Inbox
from pipeline.cli.main import main
from pipeline.cli.stack import published
from pipeline.local.lambda_service import LambdaSettings
from pipeline.local.run import LocalRun

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    directory = tmp_path_factory.mktemp("run")
    template = directory / "template.yaml"
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    text = text.replace("CodeUri: .", f"CodeUri: {ROOT}", 1)
    text = text.replace("MaximumRetryAttempts: -1", "MaximumRetryAttempts: 0", 1)
    template.write_text(text, encoding="utf-8")
    home = Path.cwd()
    os.chdir(directory)
    try:
        with (
            LocalRun(
                template, directory=directory, settings=LambdaSettings(visibility_scale=0.003)
            ) as run,
            published(run, "streamwarden-local"),
        ):
            yield run
    finally:
        os.chdir(home)


def test_a_batch_given_up_comes_back_once_under_its_original_ids(run: LocalRun) -> None:
    metrics = run.deployment.physical_ids["MetricsTable"]
    table = _drop(run, metrics)
    _put_metrics(run, 3)
    run.wait_until_drained(timeout_s=60)
    _restore(run, table)
    kept = _keys(run, "FailuresBucketName", "aws/lambda/")

    dry = _command("redrive", "failures", "--dry-run", "--json")
    first = _command("redrive", "failures", "--yes", "--json")
    after_first = _stored(run, metrics)
    _keep_again(run, kept)
    second = _command("redrive", "failures", "--yes", "--json")

    assert sum(group["records"] for group in json.loads(dry.stdout)["found"]) == 3
    assert {group["source"] for group in json.loads(dry.stdout)["found"]} == {
        "KinesisEventsFunction"
    }
    assert json.loads(first.stdout)["brought_back"]["records"] == 3
    assert json.loads(second.stdout)["brought_back"]["records"] == 3
    assert (dry.exit_code, first.exit_code, second.exit_code) == (0, 0, 0)
    rows, lines, facts = after_first
    assert rows == sorted(set(lines))
    assert [event_id.rpartition(":")[0] for event_id in rows] == ["shardId-000000000000"] * 3
    assert facts == []
    assert _stored(run, metrics) == after_first
    assert _keys(run, "FailuresBucketName", "aws/lambda/") == {}


def test_a_job_given_up_comes_back_once_and_its_repetition_changes_nothing(run: LocalRun) -> None:
    names, sqs, sns = (
        run.deployment.physical_ids,
        run.endpoint.client("sqs"),
        run.endpoint.client("sns"),
    )
    welcomes = Inbox(sns, sqs, names["NotificationsTopic"], "test-welcomes")
    tables = [_drop(run, names[table]) for table in ("ProfilesTable", "IdempotencyTable")]
    run.endpoint.client("dynamodb").put_item(
        TableName=names["UsersTable"],
        Item={"user_id": {"S": "ada"}, "email": {"S": "ada@firm.example"}},
    )
    run.wait_until_drained(timeout_s=60)
    for table in tables:
        _restore(run, table)
    letters = names["OnboardingDeadLetterQueue"]

    dry = _command("redrive", "queues", "--dry-run", "--json")
    bodies = _bodies(run, letters)
    first = _command("redrive", "queues", "--yes", "--json")
    run.wait_until_drained(timeout_s=60)
    after_first = _items(run, "ProfilesTable")
    for body in bodies:  # as if the command had died before it removed them
        sqs.send_message(QueueUrl=letters, MessageBody=body)
    second = _command("redrive", "queues", "--yes", "--json")
    run.wait_until_drained(timeout_s=60)

    (group,) = json.loads(dry.stdout)["found"]
    assert (group["source"], group["records"]) == ("OnboardingDeadLetterQueue", 2)
    assert json.loads(first.stdout)["brought_back"]["records"] == 2
    assert json.loads(second.stdout)["brought_back"]["records"] == 2
    assert [row["user_id"]["S"] for row in after_first] == ["ada"]
    assert _items(run, "ProfilesTable") == after_first
    sent = {json.loads(body)["job_type"]: json.loads(body)["job_id"] for body in bodies}
    told = [json.loads(one.body) for one in welcomes.read()]
    assert [(one["user_id"], one["job_id"]) for one in told] == [("ada", sent["send_welcome"])]
    assert _bodies(run, letters) == []


def test_with_nothing_set_aside_the_exit_code_is_1(run: LocalRun) -> None:
    result = _command("redrive", "failures", "--source", "nobody")

    assert (result.exit_code, result.stderr) == (1, "nothing is set aside\n")
    assert run.deployment.outputs["FailuresBucketName"]


def _command(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def _put_metrics(run: LocalRun, number: int) -> None:
    moment = datetime.now(UTC).isoformat()  # noqa: TID251  the stream refuses a future
    for value in range(number):
        event = {
            "event_type": "system_metric",
            "source": "web-7",
            "metric_name": "cpu_usage",
            "value": 20 + value,
            "unit": "%",
            "timestamp": moment,
        }
        run.endpoint.client("kinesis").put_record(
            StreamName=run.deployment.outputs["EventStreamName"],
            PartitionKey="web-7",
            Data=json.dumps(event).encode(),
        )


def _items(run: LocalRun, table: str) -> list[dict[str, Any]]:
    name = run.deployment.physical_ids[table]
    found: list[dict[str, Any]] = run.endpoint.client("dynamodb").scan(TableName=name)["Items"]
    return found


def _bodies(run: LocalRun, queue: str) -> list[str]:
    """Look at the messages of a queue, which stay for others to see."""
    answer = run.endpoint.client("sqs").receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    return [message["Body"] for message in answer.get("Messages", [])]


def _drop(run: LocalRun, table: str) -> dict[str, Any]:
    dynamodb = run.endpoint.client("dynamodb")
    described: dict[str, Any] = dynamodb.describe_table(TableName=table)["Table"]
    dynamodb.delete_table(TableName=table)
    return described


def _restore(run: LocalRun, table: dict[str, Any]) -> None:
    run.endpoint.client("dynamodb").create_table(
        TableName=table["TableName"],
        KeySchema=table["KeySchema"],
        AttributeDefinitions=table["AttributeDefinitions"],
        BillingMode="PAY_PER_REQUEST",
    )


def _keys(run: LocalRun, output: str, prefix: str) -> dict[str, bytes]:
    s3, bucket = run.endpoint.client("s3"), run.deployment.outputs[output]
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return {
        one["Key"]: s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in listed
    }


def _keep_again(run: LocalRun, objects: dict[str, bytes]) -> None:
    """Put the objects where they were, as if the command had died before it removed them."""
    bucket = run.deployment.outputs["FailuresBucketName"]
    for key, body in objects.items():
        run.endpoint.client("s3").put_object(Bucket=bucket, Key=key, Body=body)


def _stored(run: LocalRun, metrics: str) -> tuple[list[str], list[str], list[Any]]:
    """Return the event ids of all rows and of all lake lines, and all facts."""
    dynamodb = run.endpoint.client("dynamodb")
    rows = dynamodb.scan(TableName=metrics)["Items"]
    bodies = _keys(run, "LakeBucketName", "events/").values()
    lines = [json.loads(line) for body in bodies for line in gzip.decompress(body).splitlines()]
    facts = dynamodb.scan(TableName=run.deployment.outputs["AnomaliesTableName"])["Items"]
    return (
        sorted(row["event_id"]["S"] for row in rows),
        sorted(line["event_id"] for line in lines),
        facts,
    )
