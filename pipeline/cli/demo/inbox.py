"""What a subscriber of the two topics receives, through SQS queues of its own."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient


class Notification(NamedTuple):
    """One message as SNS delivered it, with the time of its publication."""

    subject: str
    body: str
    attributes: dict[str, str]
    published_at: datetime


class Inbox:
    """An SQS queue subscribed to an SNS topic.

    Args:
        sns: Client of the topic's service.
        sqs: Client of the queue's service.
        topic_arn: The topic.
        name: Name of the queue, made when it does not exist.
    """

    def __init__(self, sns: "SNSClient", sqs: "SQSClient", topic_arn: str, name: str) -> None:
        self._sqs = sqs
        self._url = sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        arn = attributes["Attributes"]["QueueArn"]
        sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": _policy(topic_arn, arn)})
        sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=arn)

    def read(self) -> Iterator[Notification]:
        """Take every message out of the queue, until it gives none for a second."""
        while messages := self._sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=1
        ).get("Messages"):
            for message in messages:
                yield _notification(message["Body"])
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])


def _notification(envelope: str) -> Notification:
    fields = json.loads(envelope)
    attributes = fields.get("MessageAttributes", {})
    return Notification(
        fields.get("Subject", ""),
        fields["Message"],
        {name: attribute["Value"] for name, attribute in attributes.items()},
        datetime.fromisoformat(fields["Timestamp"]),
    )


def _policy(topic_arn: str, queue_arn: str) -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": queue_arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
                }
            ],
        }
    )
