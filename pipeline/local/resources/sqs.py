"""AWS::SQS, with the checks of Amazon SQS that a local endpoint may lack."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pipeline.local.intrinsics import PhysicalResource, TemplateError
from pipeline.local.resources.handler import Handler, Properties, Stack, json_text

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_ATTRIBUTES: Final = (
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
)

_OF_FIFO_ALONE: Final = ("ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")
_BOUNDS: Final = {
    "DelaySeconds": (0, 900),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400),
    "MaximumMessageSize": (1024, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
}
"""Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html"""

_MAX_RECEIVE_COUNT: Final = (1, 1000)


def put_queue(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Create a queue or set its attributes.

    Raises:
        TemplateError: Amazon SQS refuses the attributes.
    """
    client: SQSClient = stack.client("sqs")
    is_fifo = properties.flag("FifoQueue")
    suffix = ".fifo" if is_fifo else ""
    name = properties.take("QueueName") or f"{stack.physical_name(logical_id, 75)}{suffix}"
    attributes: Any = {
        key: _attribute(value) for key, value in properties.pick(*_ATTRIBUTES).items()
    }
    _check_name(str(name), properties.place, is_fifo=is_fifo)
    _check_attributes(attributes, properties.place, is_fifo=is_fifo)
    try:
        url = client.get_queue_url(QueueName=name)["QueueUrl"]
    except client.exceptions.QueueDoesNotExist:
        fifo: Any = {"FifoQueue": "true"} if is_fifo else {}
        url = client.create_queue(QueueName=name, Attributes={**fifo, **attributes})["QueueUrl"]
    else:
        if attributes:
            client.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    if tags := properties.tags():
        client.tag_queue(QueueUrl=url, Tags={tag["Key"]: tag["Value"] for tag in tags})
    return PhysicalResource(
        url, {"Arn": stack.arn("sqs", name), "QueueName": name, "QueueUrl": url}
    )


def _check_name(name: str, place: str, *, is_fifo: bool) -> None:
    if is_fifo and not name.endswith(".fifo"):
        raise TemplateError(f"{place}.QueueName: the name of a FIFO queue ends in .fifo: {name}")
    if not is_fifo and name.endswith(".fifo"):
        raise TemplateError(
            f"{place}.QueueName: Can only include alphanumeric characters, hyphens, or "
            f"underscores. 1 to 80 in length: {name}"
        )


def _check_attributes(attributes: Mapping[str, str], place: str, *, is_fifo: bool) -> None:
    for name, value in attributes.items():
        if name in _OF_FIFO_ALONE and not is_fifo:
            raise TemplateError(f"{place}: Unknown Attribute {name}.")
        if name in _BOUNDS and not _is_within(value, _BOUNDS[name]):
            raise TemplateError(f"{place}: Invalid value for the parameter {name}: {value}")
    if policy := json.loads(attributes.get("RedrivePolicy") or "{}"):
        if not _is_within(policy.get("maxReceiveCount"), _MAX_RECEIVE_COUNT):
            raise TemplateError(
                f"{place}: Value {json.dumps(policy)} for parameter RedrivePolicy is invalid. "
                "Reason: Invalid value for maxReceiveCount: "
                f"{policy.get('maxReceiveCount')}, valid values are from 1 to 1000 both inclusive."
            )
        if str(policy.get("deadLetterTargetArn")).endswith(".fifo") != is_fifo:
            raise TemplateError(
                f"{place}: Value {json.dumps(policy)} for parameter RedrivePolicy is invalid. "
                "Reason: Dead-letter queue must be same type of queue as the source."
            )


def _is_within(value: object, bounds: tuple[int, int]) -> bool:
    low, high = bounds
    text = str(value)
    return text.isdecimal() and low <= int(text) <= high


def _attribute(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return json_text(value) if isinstance(value, Mapping) else str(value)


def put_queue_policy(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Set the policy of queues; the endpoint keeps it and does not judge by it."""
    client: SQSClient = stack.client("sqs")
    policy = json_text(properties.require("PolicyDocument"))
    for url in properties.require("Queues"):
        client.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return PhysicalResource(stack.physical_name(logical_id))


HANDLERS: Final[Mapping[str, Handler]] = {
    "AWS::SQS::Queue": put_queue,
    "AWS::SQS::QueuePolicy": put_queue_policy,
}
