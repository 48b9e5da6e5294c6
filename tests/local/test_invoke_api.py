"""Lambda's Invoke on a port of its own, as an AWS client sees it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from pipeline.local.deployment import Function
from pipeline.local.execution.outcome import FunctionError, Outcome, Success, Throttled
from pipeline.local.invoke_api import InvokeApi

ARN = "arn:aws:lambda:us-east-1:123456789012:function:stack-reader"


def answer(logical_id: str, event: bytes) -> Outcome:
    match json.loads(event).get("wanted"):
        case "failure":
            return FunctionError("r-2", "unhandled", "ValueError", "no good")
        case "throttle":
            return Throttled()
    return Success("r-1", json.dumps({"function": logical_id}).encode())


@pytest.fixture
def client() -> Iterator[Any]:
    function = Function("Reader", "stack-reader", ARN, "a.b", Path(), {}, 3, 128, "role")
    api = InvokeApi({"Reader": function}, answer)
    session: Any = boto3.Session("test", "test", region_name="us-east-1")
    config = Config(retries={"total_max_attempts": 1})
    yield session.client("lambda", endpoint_url=api.url, config=config)
    api.close()


@pytest.mark.parametrize("name", ["stack-reader", ARN, f"{ARN}:$LATEST"])
def test_a_function_is_invoked_by_name_or_arn(client: Any, name: str) -> None:  # noqa: ANN401
    answered = client.invoke(FunctionName=name, Payload=b"{}")

    assert answered["StatusCode"] == 200
    assert "FunctionError" not in answered
    assert json.loads(answered["Payload"].read()) == {"function": "Reader"}


def test_a_function_that_fails_says_how(client: Any) -> None:  # noqa: ANN401
    answered = client.invoke(FunctionName=ARN, Payload=b'{"wanted":"failure"}')

    assert answered["FunctionError"] == "Unhandled"
    assert json.loads(answered["Payload"].read()) == {
        "errorMessage": "no good",
        "errorType": "ValueError",
    }


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"FunctionName": "other"}, "ResourceNotFoundException"),
        ({"FunctionName": ARN, "InvocationType": "Event"}, "InvalidParameterValueException"),
        ({"FunctionName": ARN, "Payload": b'{"wanted":"throttle"}'}, "TooManyRequestsException"),
        ({"FunctionName": ARN, "Payload": b" " * 6_291_457}, "RequestTooLargeException"),
    ],
)
def test_what_lambda_refuses_is_refused(
    client: Any,  # noqa: ANN401
    request_: dict[str, Any],
    code: str,
) -> None:
    with pytest.raises(ClientError) as refused:
        client.invoke(**request_)

    assert refused.value.response["Error"]["Code"] == code
