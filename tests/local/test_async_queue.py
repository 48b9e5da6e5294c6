"""The threads of a function's asynchronous events, with the function and AWS played by fakes."""

import json
import queue
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, cast

import pytest
from botocore.exceptions import ClientError

from pipeline.local.deployment import AsyncConfig, Function
from pipeline.local.execution.outcome import FunctionError, Outcome, Success, Throttled
from pipeline.local.sources.async_queue import AsyncContext, AsyncQueue

ARN = "arn:aws:lambda:us-east-1:123456789012:function:code"
OTHER = "arn:aws:lambda:us-east-1:123456789012:function:other"
BUS = "arn:aws:events:us-east-1:123456789012:event-bus/default"
TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"
FUNCTION = Function(
    logical_id="Code",
    name="code",
    arn=ARN,
    handler="app.handler",
    code_directory=Path(),
    environment={},
    timeout_s=3,
    memory_mb=128,
    role_arn="arn:aws:iam::123456789012:role/any",
)


class Aws:
    """Every client in one; it notes what it is called with."""

    def __init__(self) -> None:
        self.calls: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        self.failed_entries = 0

    def get_queue_url(self, **call: Any) -> dict[str, str]:  # noqa: ANN401  boto3's arguments
        return {"QueueUrl": call["QueueName"]}

    def put_events(self, **call: Any) -> dict[str, Any]:  # noqa: ANN401  boto3's arguments
        self.calls.put(("put_events", call))
        return {"FailedEntryCount": self.failed_entries, "Entries": [{"ErrorCode": "Broken"}]}

    def __getattr__(self, operation: str) -> Callable[..., None]:
        return lambda **call: self.calls.put((operation, call))


class Refusing(Aws):
    """AWS with a queue that is gone."""

    def get_queue_url(self, **_call: Any) -> dict[str, str]:  # noqa: ANN401  boto3's arguments
        raise ClientError({"Error": {"Code": "Gone", "Message": "no queue"}}, "GetQueueUrl")


class Run:
    """A queue at work; the function does what the script says."""

    def __init__(self, config: AsyncConfig, *outcomes: Outcome, aws: Aws | None = None) -> None:
        self.aws = aws or Aws()
        self.accepted: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.problems: queue.Queue[str] = queue.Queue()
        self.invoked: queue.Queue[tuple[bytes, str]] = queue.Queue()
        script = iter(outcomes)

        def invoke(event: bytes, request_id: str) -> Outcome:
            self.invoked.put((event, request_id))
            return next(script)

        self.queue = AsyncQueue(
            AsyncContext(
                function=FUNCTION,
                config=config,
                wait_scale=0,
                concurrency=1,
                invoke=cast("Any", invoke),
                accept=lambda arn, event: self.accepted.put((arn, event)),
                client=lambda _service: self.aws,
                on_problem=self.problems.put,
                clock=lambda: 1_772_000_000.0,
            )
        )

    def __enter__(self) -> Self:
        self.queue.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.queue.stop()
        assert self.queue.join(60)

    def call(self) -> tuple[str, dict[str, Any]]:
        return self.aws.calls.get(timeout=60)


SUCCESS = Success("ignored", b'{"ok":true}')
ERROR = FunctionError("ignored", "timeout", "Sandbox.Timedout", "Task timed out")


def test_all_attempts_have_one_request_id() -> None:
    with Run(AsyncConfig(), ERROR, Throttled(), ERROR, ERROR) as run:
        request_id = run.queue.accept(b"{}")
        problem = run.problems.get(timeout=60)

    attempts = [run.invoked.get(timeout=60) for _ in range(4)]
    assert attempts == [(b"{}", request_id)] * 4
    assert str(uuid.UUID(request_id)) == request_id
    assert problem == (f"gave up event {request_id} after 3 attempts: RetriesExhausted; it is lost")
    assert run.queue.progress()["events"].is_settled
    assert run.queue.progress()["events"].fetched == 1


def test_another_function_gets_the_record_as_its_event() -> None:
    with Run(AsyncConfig(on_success_arn=OTHER), SUCCESS) as run:
        run.queue.accept(b'{"a":1}')
        arn, event = run.accepted.get(timeout=60)

    assert arn == OTHER
    assert json.loads(event)["requestPayload"] == {"a": 1}


def test_a_bus_gets_the_record_as_an_entry() -> None:
    with Run(AsyncConfig(on_success_arn=BUS), SUCCESS) as run:
        run.queue.accept(b"{}")
        operation, call = run.call()

    (entry,) = call["Entries"]
    assert (operation, entry["EventBusName"]) == ("put_events", BUS)
    assert entry["DetailType"] == "Lambda Function Invocation Result - Success"


def test_a_bucket_gets_the_record_as_an_object() -> None:
    config = AsyncConfig(maximum_retry_attempts=0, on_failure_arn="arn:aws:s3:::failures")
    with Run(config, ERROR) as run:
        run.queue.accept(b"{}")
        operation, call = run.call()

    assert (operation, call["Bucket"]) == ("put_object", "failures")
    assert call["Key"].startswith("aws/lambda/async/code/2026/02/25/2026-02-25T06.13.20-")
    assert json.loads(call["Body"])["responsePayload"] == {
        "errorMessage": "Task timed out",
        "errorType": "Sandbox.Timedout",
    }


def test_a_topic_gets_the_record_and_the_dead_letter() -> None:
    config = AsyncConfig(maximum_retry_attempts=0, on_failure_arn=TOPIC, dead_letter_arn=TOPIC)
    with Run(config, ERROR) as run:
        request_id = run.queue.accept(b'{"a":1}')
        _, record = run.call()
        _, letter = run.call()

    assert record["TopicArn"] == letter["TopicArn"] == TOPIC
    assert json.loads(record["Message"])["requestContext"]["requestId"] == request_id
    assert letter["Message"] == '{"a":1}'
    assert letter["MessageAttributes"]["ErrorMessage"]["StringValue"] == "Task timed out"


@pytest.mark.parametrize(
    ("config", "aws", "reason"),
    [
        (AsyncConfig(0, on_failure_arn="arn:aws:sqs:r:1:gone"), Refusing(), "no queue"),
        (AsyncConfig(0, dead_letter_arn="arn:aws:sqs:r:1:gone"), Refusing(), "no queue"),
        (AsyncConfig(0, on_failure_arn="arn:aws:ec2:r:1:i-1"), Aws(), "ec2 is no destination"),
    ],
)
def test_an_end_that_cannot_be_told_is_reported_and_the_queue_goes_on(
    config: AsyncConfig, aws: Aws, reason: str
) -> None:
    with Run(config, ERROR, SUCCESS, aws=aws) as run:
        run.queue.accept(b"{}")
        problem = run.problems.get(timeout=60)
        run.queue.accept(b'{"next":1}')
        events = [run.invoked.get(timeout=60)[0] for _ in range(2)]

    assert events == [b"{}", b'{"next":1}']
    assert "did not take the end (RetriesExhausted) of event" in problem
    assert reason in problem
    assert run.queue.failure is None


def test_a_destination_that_is_gone_keeps_no_dead_letter_back() -> None:
    config = AsyncConfig(0, on_failure_arn="arn:aws:ec2:r:1:i-1", dead_letter_arn=TOPIC)
    with Run(config, ERROR) as run:
        run.queue.accept(b"{}")
        operation, _ = run.call()
        problems = [run.problems.get(timeout=60) for _ in range(2)]

    assert operation == "publish"
    assert problems[1].endswith(f"RetriesExhausted; {TOPIC} has it")


def test_an_entry_that_the_bus_refuses_is_reported() -> None:
    aws = Aws()
    aws.failed_entries = 1
    with Run(AsyncConfig(on_success_arn=BUS), SUCCESS, aws=aws) as run:
        run.queue.accept(b"{}")
        problem = run.problems.get(timeout=60)

    assert "Broken" in problem


def test_a_thread_that_breaks_says_so() -> None:
    with Run(AsyncConfig()) as run:  # the script is empty
        run.queue.accept(b"{}")
        problem = run.problems.get(timeout=60)

    assert isinstance(run.queue.failure, StopIteration)
    assert "has stopped" in problem
