"""The recorder sees the adapters' calls, in any thread, and nothing else."""

from threading import Thread

import boto3
import pytest
from moto import mock_aws

from pipeline.adapters.aws import CLIENT_CONFIG
from pipeline.adapters.lineage import KinesisShardLineage
from tests.recorded_calls import Call, calls, calls_of, recording

ENVIRONMENT = {
    "METRICS_TABLE": "metrics",
    "STATE_TABLE": "states",
    "LAKE_BUCKET": "lake",
    "ALERTS_TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:alerts",
    "EVENT_STREAM": "events",
}


@pytest.fixture
def lineage(monkeypatch: pytest.MonkeyPatch) -> KinesisShardLineage:
    monkeypatch.setenv("EVENT_STREAM", "the-recorders-stream")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return KinesisShardLineage(
        boto3.client("kinesis", config=CLIENT_CONFIG), "the-recorders-stream"
    )


@mock_aws
def test_an_adapters_call_is_recorded_and_the_tests_own_is_not(
    lineage: KinesisShardLineage,
) -> None:
    with recording("someone"):
        boto3.client("kinesis").create_stream(StreamName="the-recorders-stream", ShardCount=1)
        lineage.parents("shardId-000000000000")

    assert calls_of("someone") == {Call("kinesis:ListShards", "EVENT_STREAM")}


@mock_aws
def test_a_call_in_a_thread_is_recorded(lineage: KinesisShardLineage) -> None:
    boto3.client("kinesis").create_stream(StreamName="the-recorders-stream", ShardCount=1)
    thread = Thread(target=lineage.parents, args=["shardId-000000000000"])

    with recording("a threaded one"):
        thread.start()
        thread.join()

    assert calls_of("a threaded one") == {Call("kinesis:ListShards", "EVENT_STREAM")}


@mock_aws
def test_nothing_is_recorded_outside_of_a_recording(lineage: KinesisShardLineage) -> None:
    boto3.client("kinesis").create_stream(StreamName="the-recorders-stream", ShardCount=1)
    with recording("an idle one"):
        pass

    lineage.parents("shardId-000000000000")

    assert calls_of("an idle one") == frozenset()


def test_a_batch_is_asked_about_each_of_its_tables() -> None:
    found = calls(
        "dynamodb",
        "BatchWriteItem",
        {"RequestItems": {"metrics": [{}], "states": [{}]}},
        ENVIRONMENT,
    )

    assert found == {
        Call("dynamodb:BatchWriteItem", "METRICS_TABLE"),
        Call("dynamodb:BatchWriteItem", "STATE_TABLE"),
    }


def test_an_objects_call_has_the_first_folder_of_its_key() -> None:
    found = calls(
        "s3", "PutObject", {"Bucket": "lake", "Key": "events/dt=2026-09-21/a.gz"}, ENVIRONMENT
    )

    assert found == {Call("s3:PutObject", "LAKE_BUCKET", "events/")}


def test_a_publish_has_its_topic() -> None:
    topic = "arn:aws:sns:eu-central-1:123456789012:alerts"

    found = calls("sns", "Publish", {"TopicArn": topic}, ENVIRONMENT)

    assert found == {Call("sns:Publish", "ALERTS_TOPIC_ARN")}


def test_an_unknown_operation_is_refused_until_the_recorder_knows_its_resource() -> None:
    with pytest.raises(LookupError, match="sqs:PurgeQueue"):
        calls("sqs", "PurgeQueue", {}, ENVIRONMENT)


def test_a_resource_that_no_setting_names_is_refused() -> None:
    with pytest.raises(LookupError, match="strangers is named by"):
        calls("dynamodb", "GetItem", {"TableName": "strangers"}, ENVIRONMENT)
