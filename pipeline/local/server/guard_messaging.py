"""What SNS and SQS refuse and moto accepts.

Source: Amazon SNS API reference, Publish and PublishBatch; Amazon SQS API reference and Developer
Guide, "Amazon SQS message quotas".
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pipeline.local.server.guard_rules import (
    Check,
    Request,
    Rule,
    Violation,
    decoded_size_bytes,
)

_MAX_BATCH: Final = 10
_MAX_SNS_BYTES: Final = 262_144
_MAX_SUBJECT: Final = 100
_MAX_SQS_BYTES: Final = 1_048_576
_MAX_ATTRIBUTES: Final = 10
_MAX_DELAY_S: Final = 900

_SUBJECT = re.compile(r"[!-~][ -~]*")
_REFUSED_CHARACTER = re.compile(r"[^\x09\x0a\x0d\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ALLOWED: Final = (
    "the set of allowed characters is #x9 | #xA | #xD | [#x20-#xD7FF] | [#xE000-#xFFFD] | "
    "[#x10000-#x10FFFF]."
)
_FIFO_ID = re.compile(r"[!-~]{1,128}")
_BATCH_ID = re.compile(r"[\w-]{1,80}", re.ASCII)
_SQS: Final = "AWS.SimpleQueueService."


def _sns(name: str, code: str = "InvalidParameter", moto: str = "accepts it") -> Rule:
    return Rule(name, "sns", code, moto)


def _sqs(name: str, code: str = "InvalidParameterValue", moto: str = "accepts it") -> Rule:
    return Rule(name, "sqs", code, moto)


RULES: Final = (
    _sns(
        "sns-subject", moto="accepts line breaks, control characters, other than ASCII, 100 of it"
    ),
    _sns("sns-message-empty"),
    _sns("sns-message-bytes", moto="counts characters, and no attributes"),
    _sns("sns-message-structure"),
    _sns("sns-batch-empty", "EmptyBatchRequest"),
    _sns("sns-batch-bytes", "BatchRequestTooLong"),
    _sns("sns-batch-id", "InvalidBatchEntryId"),
    _sqs("sqs-characters", "InvalidMessageContents", "stores NUL and its like"),
    _sqs("sqs-message-empty", "MissingParameter"),
    _sqs("sqs-message-bytes", moto="counts characters, and no attributes"),
    _sqs("sqs-attribute-count"),
    _sqs("sqs-attribute-empty"),
    _sqs("sqs-delay", moto="accepts a negative one"),
    _sqs("sqs-fifo-parameter", moto="accepts a deduplication id on a standard queue"),
    _sqs("sqs-fifo-id", moto="accepts any text"),
    _sqs("sqs-batch-bytes", f"{_SQS}BatchRequestTooLong", "counts characters, and no attributes"),
    _sqs("sqs-batch-empty", f"{_SQS}EmptyBatchRequest", "accepts it to change visibilities"),
    _sqs("sqs-batch-size", f"{_SQS}TooManyEntriesInBatchRequest", "accepts it but to send"),
    _sqs("sqs-batch-duplicates", f"{_SQS}BatchEntryIdsNotDistinct", "accepts it but to send"),
)


def _publish(request: Request) -> Iterator[Violation]:
    params = request.params
    subject = params.get("Subject")
    if subject is not None and (len(subject) >= _MAX_SUBJECT or not _SUBJECT.fullmatch(subject)):
        yield Violation("sns-subject", "Invalid parameter: Subject")
    message = params.get("Message", "")
    if not message:
        yield Violation("sns-message-empty", "Invalid parameter: Empty message")
    if _message_bytes(params, "Message") > _MAX_SNS_BYTES:
        yield Violation("sns-message-bytes", "Invalid parameter: Message too long")
    if params.get("MessageStructure") == "json":
        yield from _structure(message)


def _structure(message: str) -> Iterator[Violation]:
    try:
        texts = json.loads(message)
    except (ValueError, RecursionError):
        texts = None
    if not isinstance(texts, dict):
        reason = "JSON message body failed to parse"
    elif not isinstance(texts.get("default"), str):
        reason = "No default entry in JSON message body"
    else:
        return
    yield Violation("sns-message-structure", f"Invalid parameter: Message Structure - {reason}")


def _publish_batch(request: Request) -> Iterator[Violation]:
    entries = request.params.get("PublishBatchRequestEntries") or []
    if not entries:
        yield Violation("sns-batch-empty", "The batch request doesn't contain any entries.")
    if any(not _BATCH_ID.fullmatch(str(entry.get("Id"))) for entry in entries):
        yield Violation(
            "sns-batch-id",
            "The Id of a batch entry in a batch request doesn't abide by the specification.",
        )
    if sum(_message_bytes(entry, "Message") for entry in entries) > _MAX_SNS_BYTES:
        yield Violation(
            "sns-batch-bytes", "The length of all the messages put together is more than the limit."
        )


def _send(request: Request) -> Iterator[Violation]:
    yield from _message(request.params, str(request.params.get("QueueUrl", "")))
    if _message_bytes(request.params, "MessageBody") > _MAX_SQS_BYTES:
        yield Violation(
            "sqs-message-bytes",
            "One or more parameters are invalid. Reason: Message must be shorter than "
            f"{_MAX_SQS_BYTES} bytes.",
        )


def _send_batch(request: Request) -> Iterator[Violation]:
    entries = request.params.get("Entries") or []
    size_bytes = sum(_message_bytes(entry, "MessageBody") for entry in entries)
    if size_bytes > _MAX_SQS_BYTES:
        yield Violation(
            "sqs-batch-bytes",
            f"Batch requests cannot be longer than {_MAX_SQS_BYTES} bytes. You have sent "
            f"{size_bytes} bytes.",
        )
    if len(entries) <= _MAX_BATCH:
        for entry in entries:
            yield from _message(entry, str(request.params.get("QueueUrl", "")))


def _message(message: Mapping[str, Any], queue_url: str) -> Iterator[Violation]:
    body = message.get("MessageBody") or ""
    if not body:
        yield Violation("sqs-message-empty", "The request must contain the parameter MessageBody.")
    yield from _characters(body, "message body")
    attributes = message.get("MessageAttributes") or {}
    if len(attributes) > _MAX_ATTRIBUTES:
        yield Violation(
            "sqs-attribute-count",
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum "
            f"[{_MAX_ATTRIBUTES}].",
        )
    for name, attribute in attributes.items():
        text = attribute.get("StringValue")
        if text == "":
            yield Violation(
                "sqs-attribute-empty",
                f"The message attribute '{name}' must contain non-empty message attribute value "
                f"for message attribute type '{attribute.get('DataType')}'.",
            )
        yield from _characters(text or "", f"message attribute '{name}' value")
    yield from _delivery(message, is_fifo=queue_url.endswith(".fifo"))


def _characters(text: str, place: str) -> Iterator[Violation]:
    refused = _REFUSED_CHARACTER.search(text)
    if refused:
        yield Violation(
            "sqs-characters",
            f"Invalid binary character '#x{ord(refused[0]):X}' was found in the {place}, "
            f"{_ALLOWED}",
        )


def _delivery(message: Mapping[str, Any], *, is_fifo: bool) -> Iterator[Violation]:
    delay_s = int(message.get("DelaySeconds") or 0)
    if delay_s < 0:
        yield Violation(
            "sqs-delay",
            f"Value {delay_s} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be "
            f">= 0 and <= {_MAX_DELAY_S}.",
        )
    for name in ("MessageGroupId", "MessageDeduplicationId"):
        value = message.get(name)
        if value is None:
            continue
        if not is_fifo and name == "MessageDeduplicationId":
            yield Violation(
                "sqs-fifo-parameter",
                f"Value {value} for parameter {name} is invalid. Reason: The request includes a "
                "parameter that is not valid for this queue type.",
            )
        elif not _FIFO_ID.fullmatch(value):
            yield Violation(
                "sqs-fifo-id",
                f"Value {value} for parameter {name} is invalid. Reason: {name} can only include "
                "alphanumeric and punctuation characters. 1 to 128 in length.",
            )


def _entries(request: Request) -> Iterator[Violation]:
    entries = request.params.get("Entries") or []
    ids = [entry.get("Id") for entry in entries]
    if not entries:
        yield Violation(
            "sqs-batch-empty",
            f"There should be at least one {request.operation}RequestEntry in the request.",
        )
    if len(entries) > _MAX_BATCH:
        yield Violation(
            "sqs-batch-size",
            f"Maximum number of entries per request are {_MAX_BATCH}. "
            f"You have sent {len(entries)}.",
        )
    repeated = next((one for one in ids if ids.count(one) > 1), None)
    if repeated is not None:
        yield Violation("sqs-batch-duplicates", f"Id {repeated} repeated.")


def _message_bytes(message: Mapping[str, Any], body_name: str) -> int:
    """Return the size of a message with its attributes: names, types and values count."""
    size_bytes = len((message.get(body_name) or "").encode(errors="surrogatepass"))
    for name, attribute in (message.get("MessageAttributes") or {}).items():
        text = (attribute.get("StringValue") or "").encode(errors="surrogatepass")
        size_bytes += len(name.encode()) + len(attribute.get("DataType", "").encode()) + len(text)
        size_bytes += decoded_size_bytes(attribute.get("BinaryValue") or "")
    return size_bytes


SNS_CHECKS: Final[Mapping[str, Check]] = {"Publish": _publish, "PublishBatch": _publish_batch}
SQS_CHECKS: Final[Mapping[str, Check]] = {
    "ChangeMessageVisibilityBatch": _entries,
    "DeleteMessageBatch": _entries,
    "SendMessage": _send,
    "SendMessageBatch": _send_batch,
}
