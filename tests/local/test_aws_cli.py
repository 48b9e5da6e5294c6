"""The real AWS CLI against the local run: a record in, an alert out."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.cli.demo.inbox import Inbox
from pipeline.local.run import LocalRun

ROOT = Path(__file__).resolve().parent.parent.parent
AWS = Path(sys.executable).with_name("aws")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    with LocalRun(ROOT / "template.yaml", directory=tmp_path_factory.mktemp("run")) as run:
        yield run


def _put_record(run: LocalRun, source: str, metric: dict[str, object]) -> None:
    event = {"event_type": "system_metric", "source": source, "unit": "%", **metric}
    stream = run.deployment.outputs["EventStreamName"]
    command = [
        str(AWS),
        "kinesis",
        "put-record",
        "--stream-name",
        stream,
        "--partition-key",
        source,
    ]
    subprocess.run(
        [*command, "--data", "fileb:///dev/stdin"],
        input=json.dumps(event).encode(),
        env={**os.environ, **run.endpoint.environment()},
        capture_output=True,
        check=True,
    )


def test_records_put_with_the_aws_cli_raise_one_alert_in_a_subscribed_queue(
    run: LocalRun,
) -> None:
    topic_arn = run.deployment.outputs["AlertsTopicArn"]
    inbox = Inbox(run.endpoint.client("sns"), run.endpoint.client("sqs"), topic_arn, "queue")
    first = datetime.now(UTC) - timedelta(minutes=10)  # noqa: TID251  the stream refuses a future
    for minute in range(4):
        moment = first + timedelta(minutes=minute)
        point = {"metric_name": "cpu_usage", "value": 97.3, "timestamp": moment.isoformat()}
        _put_record(run, "web-7", point)

    run.wait_until_drained(timeout_s=60)

    (message,) = list(inbox.read())
    alert = json.loads(message.body)
    assert alert["dedup_key"] == "static_limit#web-7/cpu_usage"
    assert alert["status"] == "firing"
    assert alert["observed"] == 97.3
    assert message.attributes["severity"] == "high"


def test_a_record_within_its_limits_raises_none(run: LocalRun) -> None:
    topic_arn = run.deployment.outputs["AlertsTopicArn"]
    inbox = Inbox(run.endpoint.client("sns"), run.endpoint.client("sqs"), topic_arn, "quiet")
    now = datetime.now(UTC)  # noqa: TID251  the stream refuses a future
    _put_record(
        run, "web-8", {"metric_name": "disk_usage", "value": 71, "timestamp": now.isoformat()}
    )

    run.wait_until_drained(timeout_s=60)

    assert list(inbox.read()) == []
