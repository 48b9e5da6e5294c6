"""A stack on moto for the way back, whose functions are Python callables."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import boto3
from moto import mock_aws

from pipeline.cli.stack import Stack

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:sw-"
EVENTS = f"{ARN}kinesis-events"

Answer = Callable[[str, Mapping[str, Any]], Any]


class FakeLambda:
    """Answers invocations and remembers them; an exception in an answer fails the function."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.answer: Answer = lambda _name, _event: None

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803  boto3's names
        event = json.loads(Payload)
        self.calls.append((FunctionName, event))
        try:
            answer = self.answer(FunctionName, event)
        except ValueError as error:
            document = {"errorType": "ValueError", "errorMessage": str(error)}
            return {"FunctionError": "Unhandled", "Payload": _body(document)}
        return {"Payload": _body(answer)}


class Returning(NamedTuple):
    """The stack, its functions and its clients."""

    stack: Stack
    functions: FakeLambda
    s3: Any
    sqs: Any


def _body(document: object) -> io.BytesIO:
    return io.BytesIO(json.dumps(document).encode())


@contextmanager
def returning() -> Iterator[Returning]:
    """Deploy two buckets, a queue with its dead-letter queue, and one of a function."""
    with mock_aws():
        session: Any = boto3.Session("test", "test", region_name="eu-central-1")
        s3, sqs = session.client("s3"), session.client("sqs")
        place = {"LocationConstraint": "eu-central-1"}
        for bucket in ("lake", "failures"):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
        dead = sqs.create_queue(QueueName="sw-onboarding-dead")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
        policy = {
            "deadLetterTargetArn": arn["Attributes"]["QueueArn"],
            "maxReceiveCount": 1,
        }
        jobs = sqs.create_queue(
            QueueName="sw-onboarding",
            Attributes={"RedrivePolicy": json.dumps(policy), "VisibilityTimeout": "0"},
        )["QueueUrl"]
        uploads = sqs.create_queue(QueueName="sw-uploads-dead")["QueueUrl"]
        resources = {
            "DynamodbUsersFunction": "sw-dynamodb-users",
            "KinesisEventsFunction": "sw-kinesis-events",
            "S3UploadsFunction": "sw-s3-uploads",
            "OnboardingQueue": jobs,
            "OnboardingDeadLetterQueue": dead,
            "UploadsDeadLetterQueue": uploads,
        }
        functions = FakeLambda()
        clients = {"s3": s3, "sqs": sqs, "lambda": functions}
        outputs = {"LakeBucketName": "lake", "FailuresBucketName": "failures"}
        stack = Stack("sw", "AWS", "eu-central-1", outputs, clients.__getitem__, lambda: resources)
        yield Returning(stack, functions, s3, sqs)
