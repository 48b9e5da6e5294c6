"""Lambda's event of a message, a mapping's filter, and a source on a queue in memory."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from pipeline.local.deployment import QueueMapping
from pipeline.local.execution.outcome import FunctionError, Outcome, Success, Throttled
from pipeline.local.execution.workers import ClosedError
from pipeline.local.sources.queue import QueueContext, QueueSource, queue_policy
from pipeline.local.sources.queue_event import BodyFilter, queue_event

QUEUE_ARN = "arn:aws:sqs:eu-central-1:123456789012:orders.fifo"


def received(**more: object) -> dict[str, Any]:
    return {
        "MessageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "ReceiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "MD5OfBody": "098f6bcd4621d373cade4e832627b4f6",
        "Body": "test",
        "Attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1545082649183",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1545082649185",
        },
        **more,
    }


def test_a_message_becomes_lambdas_event() -> None:
    event = queue_event(received(), queue_arn=QUEUE_ARN)

    assert event == {
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": "test",
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1545082649183",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1545082649185",
        },
        "messageAttributes": {},
        "md5OfBody": "098f6bcd4621d373cade4e832627b4f6",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:orders.fifo",
        "awsRegion": "eu-central-1",
    }


def test_message_attributes_are_texts_or_base64() -> None:
    message = received(
        MessageAttributes={
            "price": {"StringValue": "7.5", "DataType": "Number"},
            "raw": {"BinaryValue": b"\x00\xff", "DataType": "Binary"},
        },
        MD5OfMessageAttributes="00484c68590beb9a8d6b3d6d4b1bf9ab",
    )

    event = queue_event(message, queue_arn=QUEUE_ARN)

    assert event["messageAttributes"] == {
        "price": {
            "stringValue": "7.5",
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": "Number",
        },
        "raw": {
            "binaryValue": "AP8=",
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": "Binary",
        },
    }
    assert event["md5OfMessageAttributes"] == "00484c68590beb9a8d6b3d6d4b1bf9ab"


@pytest.mark.parametrize(
    ("pattern", "body", "passes"),
    [
        ('{"body": {"a": [1]}}', '{"a": 1}', True),
        ('{"body": {"a": [1]}}', '{"a": 2}', False),
        ('{"body": {"a": [1]}}', "a: 1", False),
        ('{"body": {"a": [{"exists": false}]}}', "plain", False),
        ('{"body": {"a": [{"exists": false}]}}', '{"b": 1}', True),
        ('{"body": ["plain"]}', "plain", True),
        ('{"body": ["plain"]}', '{"plain": 1}', False),
        ('{"body": [{"prefix": "ERROR"}]}', "ERROR: out of paper", True),
    ],
)
def test_a_filter_judges_the_body(pattern: str, body: str, *, passes: bool) -> None:
    assert BodyFilter([pattern]).passes(body) is passes


def test_a_message_passes_if_one_pattern_matches_or_there_is_none() -> None:
    both = BodyFilter(['{"body": {"a": [1]}}', '{"body": {"a": [2]}}'])

    assert both.passes('{"a": 2}')
    assert not both.passes('{"a": 3}')
    assert BodyFilter([]).passes("anything")


def refused(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "ServiceUnavailable", "Message": "later"}}, operation)


class FakeSqs:
    """One queue that answers like boto3; what it has given out stays invisible.

    Each of `errors` is raised once, at the next call of its operation.
    """

    def __init__(self, *bodies: str) -> None:
        self.waiting = [(str(number), body) for number, body in enumerate(bodies)]
        self.invisible: set[str] = set()
        self.deleted: list[list[str]] = []
        self.shortened: list[tuple[str, int]] = []
        self.undeletable: set[str] = set()
        self.errors: list[tuple[str, Exception]] = []
        self.receives: list[dict[str, Any]] = []

    def receive_message(self, **request: object) -> dict[str, Any]:
        self._fail("receive")
        self.receives.append(request)
        count = request["MaxNumberOfMessages"]
        assert isinstance(count, int)
        given, self.waiting = self.waiting[:count], self.waiting[count:]
        self.invisible.update(message_id for message_id, _ in given)
        messages = [
            received(MessageId=message_id, ReceiptHandle=message_id, Body=body)
            for message_id, body in given
        ]
        return {"Messages": messages} if messages else {}

    def delete_message_batch(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  as boto3
        self._fail("delete")
        handles = [entry["ReceiptHandle"] for entry in request["Entries"]]
        gone = [handle for handle in handles if handle not in self.undeletable]
        self.deleted.append(gone)
        self.invisible.difference_update(gone)
        failed = [{"Id": h, "Code": "InternalError"} for h in handles if h in self.undeletable]
        return {"Failed": failed} if failed else {}

    def change_message_visibility_batch(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  as boto3
        self._fail("change")
        self.shortened += [
            (entry["ReceiptHandle"], entry["VisibilityTimeout"]) for entry in request["Entries"]
        ]
        return {}

    def get_queue_attributes(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  as boto3
        counts = dict.fromkeys(request["AttributeNames"], "0")
        counts["ApproximateNumberOfMessages"] = str(len(self.waiting))
        counts["ApproximateNumberOfMessagesNotVisible"] = str(len(self.invisible))
        return {"Attributes": counts}

    def _fail(self, operation: str) -> None:
        for error in self.errors:
            if error[0] == operation:
                self.errors.remove(error)
                raise error[1]


class Staged:
    """A source on a fake queue, and what it told."""

    def __init__(
        self,
        sqs: FakeSqs,
        invoke: Callable[[bytes], Outcome],
        *,
        batch_size: int = 10,
        window_s: int = 0,
        filters: tuple[str, ...] = (),
        visibility_scale: float = 0.01,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        mapping = QueueMapping(
            logical_id="Mapping",
            uuid="6a0e9c7e-0000-4000-8000-000000000001",
            function="Worker",
            source_arn="arn:aws:sqs:eu-central-1:123456789012:jobs",
            queue_url="http://127.0.0.1/123456789012/jobs",
            visibility_timeout_s=300,
            batch_size=batch_size,
            batching_window_s=window_s,
            maximum_concurrency=None,
            report_batch_item_failures=True,
            filters=filters,
        )
        self.sqs = sqs
        self.problems: list[str] = []
        self.told = threading.Event()
        self.source = QueueSource(
            QueueContext(
                mapping=mapping,
                policy=queue_policy(
                    mapping,
                    function_timeout_s=30,
                    invocations_at_once=2,
                    backoff_scale=0.001,
                    poll_interval_s=0.001,
                ),
                client=sqs,
                invoke=invoke,
                on_problem=self._problem,
                clock=clock,
                invocations_at_once=2,
                visibility_scale=visibility_scale,
            )
        )

    def _problem(self, text: str) -> None:
        self.problems.append(text)
        self.told.set()

    def until(self, is_so: Callable[[], bool]) -> None:
        pause = threading.Event()
        for _ in range(30_000):
            if is_so():
                return
            pause.wait(0.002)
        raise AssertionError(f"it did not come to pass; {self.problems}")

    @property
    def is_settled(self) -> bool:
        return self.source.progress()["jobs"].is_settled


Start = Callable[[Staged], Staged]


@pytest.fixture
def start() -> Iterator[Start]:
    staged: list[Staged] = []

    def start_it(one: Staged) -> Staged:
        staged.append(one)
        one.source.start()
        return one

    yield start_it
    for each in staged:
        each.source.stop()
        assert each.source.join(60)


def answering(*answers: Outcome) -> Callable[[bytes], Outcome]:
    left = list(answers)

    def invoke(_: bytes) -> Outcome:
        return left.pop(0) if len(left) > 1 else left[0]

    return invoke


SUCCESS = Success("request", b"null")


def test_what_succeeded_is_deleted_in_tens_and_the_queue_is_settled(start: Start) -> None:
    sqs = FakeSqs(*["x"] * 25)

    staged = start(Staged(sqs, answering(SUCCESS), batch_size=25, window_s=60))
    staged.until(lambda: staged.is_settled)

    assert sorted(len(batch) for batch in sqs.deleted) == [5, 10, 10]
    assert staged.source.progress()["jobs"].fetched == 25
    assert staged.problems == []


def test_a_receive_asks_for_all_attributes_and_the_effective_visibility(start: Start) -> None:
    sqs = FakeSqs("x")

    staged = start(Staged(sqs, answering(SUCCESS), batch_size=3, window_s=290))
    staged.until(lambda: len(sqs.receives) > 1)

    assert sqs.receives[0] == {
        "QueueUrl": "http://127.0.0.1/123456789012/jobs",
        "MaxNumberOfMessages": 3,
        "VisibilityTimeout": 350,
        "WaitTimeSeconds": 0,
        "MessageAttributeNames": ["All"],
        "MessageSystemAttributeNames": ["All"],
    }


def test_a_queue_with_invisible_messages_is_not_settled(start: Start) -> None:
    error = FunctionError("request", "unhandled", "ValueError", "no")

    staged = start(Staged(FakeSqs("x"), answering(error)))
    staged.until(lambda: staged.source.progress()["jobs"].empty_polls > 3)

    assert not staged.is_settled


def test_what_a_batch_leaves_comes_back_after_a_part_of_its_visibility_timeout(
    start: Start,
) -> None:
    report = Success("request", b'{"batchItemFailures": [{"itemIdentifier": "1"}]}')
    sqs = FakeSqs("x", "y")

    staged = start(Staged(sqs, answering(report), clock=lambda: 1_700_000_000.0))
    staged.until(lambda: bool(sqs.shortened))

    assert sqs.shortened == [("1", 3)]


def test_at_full_scale_the_visibility_timeout_stays_as_it_is(start: Start) -> None:
    error = FunctionError("request", "unhandled", "ValueError", "no")
    sqs = FakeSqs("x")

    staged = start(Staged(sqs, answering(error), visibility_scale=1.0))
    staged.until(lambda: staged.source.progress()["jobs"].empty_polls > 3)

    assert sqs.shortened == []


def test_a_throttled_batch_is_tried_again_without_another_receive(start: Start) -> None:
    sqs = FakeSqs("x")

    staged = start(Staged(sqs, answering(Throttled(), Throttled(), SUCCESS)))
    staged.until(lambda: sqs.deleted == [["0"]])

    assert staged.source.progress()["jobs"].fetched == 1


def test_filter_misses_are_deleted_without_an_invocation(start: Start) -> None:
    sqs = FakeSqs('{"a": 1}', "plain")
    events: list[bytes] = []

    def invoke(event: bytes) -> Outcome:
        events.append(event)
        return SUCCESS

    staged = start(Staged(sqs, invoke, filters=('{"body": {"a": [2]}}',)))
    staged.until(lambda: staged.is_settled)

    assert (events, sqs.deleted) == ([], [["0", "1"]])


def test_an_endpoint_that_does_not_answer_for_a_while_costs_nothing(start: Start) -> None:
    sqs = FakeSqs("x")
    sqs.errors = [("receive", EndpointConnectionError(endpoint_url="http://x"))]

    staged = start(Staged(sqs, answering(SUCCESS)))
    staged.until(lambda: staged.is_settled)

    assert sqs.deleted == [["0"]]
    assert staged.source.failure is None


def test_messages_that_cannot_be_deleted_are_told(start: Start) -> None:
    sqs = FakeSqs("x", "y")
    sqs.undeletable = {"1"}

    staged = start(Staged(sqs, answering(SUCCESS)))
    assert staged.told.wait(60)

    (problem,) = staged.problems
    assert problem.endswith("jobs could not be deleted and come again: InternalError")


def test_a_delete_is_tried_again(start: Start) -> None:
    sqs = FakeSqs("x")
    sqs.errors = [("delete", refused("DeleteMessageBatch"))]

    staged = start(Staged(sqs, answering(SUCCESS)))
    staged.until(lambda: staged.is_settled)

    assert sqs.deleted == [["0"]]


def test_an_invocation_that_ends_after_the_stop_still_deletes(start: Start) -> None:
    sqs = FakeSqs("x")
    is_running, may_end = threading.Event(), threading.Event()

    def invoke(_: bytes) -> Outcome:
        is_running.set()
        may_end.wait(60)
        return SUCCESS

    staged = start(Staged(sqs, invoke))
    assert is_running.wait(60)
    staged.source.stop()
    may_end.set()
    assert staged.source.join(60)

    assert sqs.deleted == [["0"]]


def test_workers_that_are_closed_settle_nothing_and_the_source_ends(start: Start) -> None:
    sqs = FakeSqs("x")
    is_running, may_end = threading.Event(), threading.Event()

    def invoke(_: bytes) -> Outcome:
        is_running.set()
        may_end.wait(60)
        raise ClosedError("worker")

    staged = start(Staged(sqs, invoke))
    assert is_running.wait(60)
    staged.source.stop()
    may_end.set()

    assert staged.source.join(60)
    assert (sqs.deleted, staged.problems, staged.source.failure) == ([], [], None)


def test_a_bug_stops_the_source_and_is_told(start: Start) -> None:
    sqs = FakeSqs("x")
    sqs.errors = [("receive", ZeroDivisionError("a bug"))]

    staged = start(Staged(sqs, answering(SUCCESS)))
    assert staged.told.wait(60)

    assert isinstance(staged.source.failure, ZeroDivisionError)
    assert staged.problems == ["Mapping has stopped: ZeroDivisionError('a bug')"]


def test_a_bug_on_the_way_to_the_function_stops_the_source_too(start: Start) -> None:
    def invoke(_: bytes) -> Outcome:
        raise ZeroDivisionError("a bug")

    staged = start(Staged(FakeSqs("x"), invoke))
    assert staged.told.wait(60)

    assert isinstance(staged.source.failure, ZeroDivisionError)
