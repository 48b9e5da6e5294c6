from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipeline.cli.demo.inbox import Inbox


@pytest.fixture
def clients() -> Iterator[tuple[Any, Any]]:
    with mock_aws():
        session: Any = boto3.Session("test", "test", region_name="us-east-1")
        yield session.client("sns"), session.client("sqs")


def test_what_a_topic_publishes_arrives_with_subject_body_and_attributes(
    clients: tuple[Any, Any],
) -> None:
    sns, sqs = clients
    topic_arn = sns.create_topic(Name="oncall")["TopicArn"]
    inbox = Inbox(sns, sqs, topic_arn, "inbox")
    sns.publish(
        TopicArn=topic_arn,
        Subject="[FIRING] cpu",
        Message="cpu is high",
        MessageAttributes={"severity": {"DataType": "String", "StringValue": "high"}},
    )

    received = list(inbox.read())

    (message,) = received
    assert message[:3] == ("[FIRING] cpu", "cpu is high", {"severity": "high"})
    assert message.published_at.tzinfo is not None


def test_a_message_is_read_once(clients: tuple[Any, Any]) -> None:
    sns, sqs = clients
    topic_arn = sns.create_topic(Name="oncall")["TopicArn"]
    inbox = Inbox(sns, sqs, topic_arn, "inbox")
    for number in range(12):
        sns.publish(TopicArn=topic_arn, Message=str(number))

    first, second = list(inbox.read()), list(inbox.read())

    assert sorted(int(message.body) for message in first) == list(range(12))
    assert second == []
