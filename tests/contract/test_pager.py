"""The contract of `ports.Pager`, on the fake and on moto."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import boto3
import pytest
from moto import mock_aws

from pipeline.adapters.aws import CLIENT_CONFIG
from pipeline.adapters.sns import SnsPager
from pipeline.errors import RetryableError
from pipeline.ports import Pager, Topic
from tests.fakes.alerts import FakePager, Faults

TOPICS: tuple[Topic, ...] = ("alerts", "oncall")
KEYS: dict[str, Any] = {
    "region_name": "eu-west-1",
    "aws_access_key_id": "testing",
    "aws_secret_access_key": "testing",
}


class Wired(NamedTuple):
    """A pager and what its topics' subscribers got: subject, body and attributes."""

    pager: Pager
    received: Callable[[Topic], list[tuple[str, str, dict[str, str]]]]


@pytest.fixture(params=["fake", "moto"])
def wired(request: pytest.FixtureRequest) -> Iterator[Wired]:
    if request.param == "fake":
        fake = FakePager()
        yield Wired(fake, lambda topic: [tuple(one[1:]) for one in fake.sent if one[0] == topic])  # type: ignore[misc]  # the rest of a message
        return
    with mock_aws():
        yield _on_moto()


def _on_moto() -> Wired:
    sns, sqs = boto3.client("sns", config=CLIENT_CONFIG, **KEYS), boto3.client("sqs", **KEYS)
    arns, urls = {}, {}
    for topic in TOPICS:
        arns[topic] = sns.create_topic(Name=topic)["TopicArn"]
        urls[topic] = sqs.create_queue(QueueName=topic)["QueueUrl"]
        queue = sqs.get_queue_attributes(QueueUrl=urls[topic], AttributeNames=["QueueArn"])
        arn = queue["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=arns[topic], Protocol="sqs", Endpoint=arn)

    def received(topic: Topic) -> list[tuple[str, str, dict[str, str]]]:
        answer = sqs.receive_message(QueueUrl=urls[topic], MaxNumberOfMessages=10)
        envelopes = [json.loads(message["Body"]) for message in answer.get("Messages", [])]
        return [
            (
                envelope["Subject"],
                envelope["Message"],
                {name: one["Value"] for name, one in envelope["MessageAttributes"].items()},
            )
            for envelope in envelopes
        ]

    return Wired(SnsPager(sns, arns), received)


def test_a_message_reaches_the_subscribers_of_its_topic_alone(wired: Wired) -> None:
    wired.pager.publish("oncall", "[FIRING] disk", "Grüße\n", {"severity": "high"})

    assert wired.received("oncall") == [("[FIRING] disk", "Grüße\n", {"severity": "high"})]
    assert wired.received("alerts") == []


def test_each_message_has_an_id_of_its_own(wired: Wired) -> None:
    first = wired.pager.publish("alerts", "subject", "{}", {"severity": "high"})
    second = wired.pager.publish("alerts", "subject", "{}", {"severity": "high"})

    assert first
    assert first != second


@pytest.mark.parametrize("kind", ["fake", "moto"])
def test_an_outage_can_be_retried(kind: str) -> None:
    pager: Pager = FakePager(Faults(lambda _, __: "throttle"))
    with mock_aws():
        if kind == "moto":
            client = boto3.client("sns", config=CLIENT_CONFIG, **KEYS)
            gone = "arn:aws:sns:eu-west-1:123456789012:gone"
            pager = SnsPager(client, {"alerts": gone, "oncall": gone})

        with pytest.raises(RetryableError):
            pager.publish("alerts", "subject", "{}", {"severity": "high"})
