"""What Lambda tells of an asynchronous invocation's end: destination records, dead letters.

Source: AWS Lambda Developer Guide, "Capturing records of Lambda asynchronous invocations" and
"Adding a dead-letter queue", and records taken from AWS.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.local.semantics.async_invocation import Deliver, Raised

_MAX_ERROR_MESSAGE_LENGTH: Final = 1024
_NOT_EXECUTED: Final = {
    "ZeroReservedConcurrency": (
        "Function not invoked. Function is configured with zero reserved concurrent executions"
    ),
    "EventAgeExceeded": "Rate Exceeded.",
}


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message to a dead-letter queue or topic: the event itself, and why it is there.

    `attributes` are message attributes as SQS and SNS take them.
    """

    body: str
    attributes: dict[str, dict[str, str]]


def destination_record(deliver: Deliver, function_arn: str, moment: float) -> dict[str, Any]:
    """Describe an event's end to a destination.

    An event that was never executed has neither a response context nor a response payload.

    Args:
        deliver: The end.
        function_arn: ARN of the function, without a qualifier.
        moment: Now, in epoch seconds.
    """
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": _timestamp(moment),
        "requestContext": {
            "requestId": deliver.event.request_id,
            "functionArn": f"{function_arn}:$LATEST",
            "condition": deliver.condition,
            "approximateInvokeCount": deliver.invoke_count,
        },
        "requestPayload": json.loads(deliver.event.payload),
    }
    if deliver.last is None:
        return record
    context: dict[str, Any] = {"statusCode": 200, "executedVersion": "$LATEST"}
    if isinstance(deliver.last, Raised):
        answer = deliver.last.error
        context["functionError"] = "Unhandled"
    else:
        answer = deliver.last.answer
    return {
        **record,
        "responseContext": context,
        "responsePayload": json.loads(answer or b"null"),
    }


def bus_entry(record: dict[str, Any], bus_arn: str) -> dict[str, Any]:
    """Wrap a destination record into the entry that Lambda puts on an event bus."""
    context = record["requestContext"]
    end = "Success" if context["condition"] == "Success" else "Failure"
    return {
        "Source": "lambda",
        "DetailType": f"Lambda Function Invocation Result - {end}",
        "Resources": [bus_arn, context["functionArn"]],
        "Detail": json.dumps(record),
        "EventBusName": bus_arn,
    }


def object_key(function_name: str, moment: float, unique: str) -> str:
    """Name the object of a destination record in an S3 bucket."""
    time = datetime.fromtimestamp(moment, UTC)
    return f"aws/lambda/async/{function_name}/{time:%Y/%m/%d}/{time:%Y-%m-%dT%H.%M.%S}-{unique}"


def dead_letter(deliver: Deliver) -> DeadLetter:
    """Make the message of a failed event.

    The code is 200 for an error of the function and 429 for a function that was never reached.
    """
    code, message = "429", _NOT_EXECUTED.get(deliver.condition, "")
    if isinstance(deliver.last, Raised):
        code = "200"
        message = str(json.loads(deliver.last.error).get("errorMessage", ""))
    return DeadLetter(
        deliver.event.payload.decode(),
        {
            "RequestID": {"DataType": "String", "StringValue": deliver.event.request_id},
            "ErrorCode": {"DataType": "Number", "StringValue": code},
            # SQS refuses an attribute without a value.
            "ErrorMessage": {
                "DataType": "String",
                "StringValue": message[:_MAX_ERROR_MESSAGE_LENGTH] or "Unknown error",
            },
        },
    )


def _timestamp(moment: float) -> str:
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"
