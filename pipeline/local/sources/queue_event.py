"""The event that Lambda makes of an SQS message, and the filter of a mapping's messages."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.local.semantics.event_pattern import compile_filter, parse_json


def queue_event(message: Mapping[str, Any], *, queue_arn: str) -> dict[str, Any]:
    """Make Lambda's event of a message as boto3 returns it with all of its attributes.

    Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS", example events.
    """
    attributes = message.get("MessageAttributes") or {}
    digest = (
        {"md5OfMessageAttributes": message["MD5OfMessageAttributes"]}
        if "MD5OfMessageAttributes" in message
        else {}
    )
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message["Attributes"]),
        "messageAttributes": {name: _attribute(value) for name, value in attributes.items()},
        **digest,
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    content = (
        {"binaryValue": base64.b64encode(value["BinaryValue"]).decode()}
        if "BinaryValue" in value
        else {"stringValue": value["StringValue"]}
    )
    return {
        **content,
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": value["DataType"],
    }


class BodyFilter:
    """The FilterCriteria of a mapping: a message passes if its body matches one of the patterns.

    A body that is JSON is judged decoded, any other as the text that it is.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._matchers = [compile_filter(pattern, "sqs") for pattern in patterns]

    def passes(self, body: str) -> bool:
        """Judge a message's body."""
        if not self._matchers:
            return True
        try:
            view = {"body": parse_json(body)}
        except (ValueError, RecursionError):
            view = {"body": body}
        return any(matches(view) for matches in self._matchers)
