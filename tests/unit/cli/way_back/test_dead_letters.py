import json
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.cli.way_back.dead_letters import DeadLetters
from pipeline.cli.way_back.function_calls import Functions, NotTakenError
from tests.unit.cli.returning import ARN, Returning, returning

JOB = '{"job_type":"send_welcome","job_id":"j1"}'


@pytest.fixture
def account() -> Iterator[Returning]:
    with returning() as account:
        yield account


def _url(account: Returning, logical_id: str) -> str:
    return account.stack.resources()[logical_id]


def _letters(account: Returning) -> DeadLetters:
    return DeadLetters(account.stack, Functions(account.stack), wait_s=0)


def _bury(account: Returning, body: str) -> None:
    """Send a job and receive it once too often."""
    queue = _url(account, "OnboardingQueue")
    trace = {"origin": {"DataType": "String", "StringValue": "users"}}
    account.sqs.send_message(QueueUrl=queue, MessageBody=body, MessageAttributes=trace)
    for _ in range(2):
        account.sqs.receive_message(QueueUrl=queue)


def _receive(account: Returning, logical_id: str) -> list[dict[str, Any]]:
    answer = account.sqs.receive_message(
        QueueUrl=_url(account, logical_id), MessageAttributeNames=["All"], VisibilityTimeout=0
    )
    messages: list[dict[str, Any]] = answer.get("Messages", [])
    return messages


def test_a_job_goes_back_to_the_queue_that_it_came_from(account: Returning) -> None:
    _bury(account, JOB)
    letters = _letters(account)
    (lost,) = letters.find()

    letters.put_back(lost)

    (message,) = _receive(account, "OnboardingQueue")
    assert (lost.source, lost.obstacle) == ("OnboardingDeadLetterQueue", "")
    assert message["Body"] == JOB
    assert message["MessageAttributes"]["origin"]["StringValue"] == "users"
    assert _receive(account, "OnboardingDeadLetterQueue") == []


def test_what_is_left_can_be_seen_again_at_once(account: Returning) -> None:
    _bury(account, JOB)
    letters = _letters(account)
    (lost,) = letters.find()

    letters.leave(lost)

    assert [one["Body"] for one in _receive(account, "OnboardingDeadLetterQueue")] == [JOB]


def _send_upload(account: Returning, body: object, **attributes: str) -> None:
    account.sqs.send_message(
        QueueUrl=_url(account, "UploadsDeadLetterQueue"),
        MessageBody=json.dumps(body),
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    )


def _given_up(arn: str) -> dict[str, Any]:
    return {
        "version": "1.0",
        "timestamp": "2026-03-01T12:00:00.000Z",
        "requestContext": {
            "requestId": "r1",
            "functionArn": f"{arn}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"detail": {"object": {"key": "uploads/a.jpg"}}},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": {"errorType": "ThrottledError", "errorMessage": "later"},
    }


def test_an_invocation_that_was_given_up_goes_to_its_function(account: Returning) -> None:
    _send_upload(account, _given_up(f"{ARN}s3-uploads"))
    letters = _letters(account)
    (lost,) = letters.find()

    letters.put_back(lost)

    event = {"detail": {"object": {"key": "uploads/a.jpg"}}}
    assert lost.reason == "RetriesExhausted: ThrottledError"
    assert account.functions.calls == [("sw-s3-uploads", event)]
    assert _receive(account, "UploadsDeadLetterQueue") == []


def test_an_event_that_was_not_delivered_goes_to_its_target(account: Returning) -> None:
    event = {"source": "aws.s3", "detail": {"object": {"key": "uploads/b.jpg"}}}
    _send_upload(account, event, TARGET_ARN=f"{ARN}s3-uploads", ERROR_CODE="NO_PERMISSIONS")
    letters = _letters(account)
    (lost,) = letters.find()

    letters.put_back(lost)

    assert lost.reason == "not delivered: NO_PERMISSIONS"
    assert account.functions.calls == [("sw-s3-uploads", event)]


def test_what_a_function_fails_on_again_stays(account: Returning) -> None:
    def answer(_name: str, _event: object) -> None:
        raise ValueError("still throttled")

    _send_upload(account, _given_up(f"{ARN}s3-uploads"))
    account.functions.answer = answer
    letters = _letters(account)
    (lost,) = letters.find()

    with pytest.raises(NotTakenError, match="ValueError: still throttled"):
        letters.put_back(lost)
    letters.leave(lost)

    assert len(_receive(account, "UploadsDeadLetterQueue")) == 1


@pytest.mark.parametrize(
    ("attributes", "obstacle"),
    [
        ({}, "nothing tells which queue or function it is for"),
        ({"TARGET_ARN": f"{ARN}other"}, f"{ARN}other is no function of this stack"),
        (
            {"TARGET_ARN": f"{ARN}s3-uploads", "IS_PAYLOAD_TRUNCATED": "true"},
            "its event was cut: it is too long for a message",
        ),
    ],
)
def test_what_cannot_come_back_says_why(
    account: Returning, attributes: dict[str, str], obstacle: str
) -> None:
    _send_upload(account, {"a": 1}, **attributes)

    (lost,) = _letters(account).find()

    assert lost.obstacle == obstacle
