"""AWS::SQS."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pipeline.local.intrinsics import PhysicalResource
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


def put_queue(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Create a queue or set its attributes."""
    client: SQSClient = stack.client("sqs")
    is_fifo = properties.flag("FifoQueue")
    suffix = ".fifo" if is_fifo else ""
    name = properties.take("QueueName") or f"{stack.physical_name(logical_id, 75)}{suffix}"
    attributes: Any = {
        key: _attribute(value) for key, value in properties.pick(*_ATTRIBUTES).items()
    }
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
