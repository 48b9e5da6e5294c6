"""AWS::Lambda::EventSourceMapping for SQS queues, with Lambda's own checks and defaults.

Refusals are worded as Lambda words them, where its wording is known.
Source: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from pipeline.local.deployment import Function, QueueMapping
from pipeline.local.intrinsics import PhysicalResource, TemplateError
from pipeline.local.resources.handler import Properties, Stack
from pipeline.local.resources.lambda_name import function_of
from pipeline.local.resources.mapping_settings import (
    NO_MEANING,
    bounded,
    filter_patterns,
    reports_batch_item_failures,
)

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_DEFAULT_BATCH_SIZE: Final = 10
_MAX_BATCH_SIZE: Final = 10_000
_MAX_BATCH_SIZE_WITHOUT_WINDOW: Final = 10
_MAX_WINDOW_S: Final = 300
_CONCURRENCY_BOUNDS: Final = (2, 1000)
_OF_STREAMS_ALONE: Final = (
    "BisectBatchOnFunctionError",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "ParallelizationFactor",
    "StartingPosition",
    "StartingPositionTimestamp",
    "TumblingWindowInSeconds",
)


def is_queue(arn: str) -> bool:
    """Tell whether an ARN is a queue's."""
    parts = arn.split(":")
    return len(parts) == 6 and parts[2] == "sqs"


def put_queue_mapping(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Add a mapping of a queue to the deployment, unless it is disabled.

    Raises:
        TemplateError: A setting that Lambda refuses.
    """
    arn = properties.text("EventSourceArn")
    function = function_of(stack, properties.text("FunctionName"), properties.place)
    properties.without_meaning(NO_MEANING)
    _refuse_settings_of_streams(properties)
    window_s = bounded(properties, "MaximumBatchingWindowInSeconds", 0, (0, _MAX_WINDOW_S))
    url, visibility_timeout_s = _describe_queue(stack, arn, properties.place)
    mapping = QueueMapping(
        logical_id=logical_id,
        uuid=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{stack.stack_id}/{logical_id}")),
        function=function.logical_id,
        source_arn=arn,
        queue_url=url,
        visibility_timeout_s=visibility_timeout_s,
        batch_size=_batch_size(properties, arn, window_s),
        batching_window_s=window_s,
        maximum_concurrency=_maximum_concurrency(properties),
        report_batch_item_failures=reports_batch_item_failures(properties),
        filters=_filters(properties),
    )
    _check_timeouts(function, mapping, properties.place)
    _check_is_first(stack, mapping, properties.place)
    if properties.flag("Enabled", default=True):
        stack.queue_mappings.append(mapping)
    return PhysicalResource(
        mapping.uuid,
        {
            "EventSourceMappingArn": stack.arn("lambda", f"event-source-mapping:{mapping.uuid}"),
            "Id": mapping.uuid,
        },
    )


def _refuse_settings_of_streams(properties: Properties) -> None:
    for name in _OF_STREAMS_ALONE:
        if properties.take(name) is not None:
            raise TemplateError(
                f"{properties.place}: Unsupported source parameter {name} for given event source "
                "mapping type."
            )
    destination = (properties.take("DestinationConfig") or {}).get("OnFailure") or {}
    if destination.get("Destination"):
        raise TemplateError(
            f"{properties.place}.DestinationConfig: a mapping of a queue has no on-failure "
            "destination; give the queue a RedrivePolicy"
        )


def _batch_size(properties: Properties, arn: str, window_s: int) -> int:
    size = bounded(properties, "BatchSize", _DEFAULT_BATCH_SIZE, (1, _MAX_BATCH_SIZE))
    if arn.endswith(".fifo"):
        if window_s:
            raise TemplateError(
                f"{properties.place}: Batching window is not supported for FIFO queues"
            )
        if size > _MAX_BATCH_SIZE_WITHOUT_WINDOW:
            raise TemplateError(
                f"{properties.place}: Maximum batch size must be between 1 and "
                f"{_MAX_BATCH_SIZE_WITHOUT_WINDOW} inclusive, {size} is not"
            )
    elif size > _MAX_BATCH_SIZE_WITHOUT_WINDOW and not window_s:
        raise TemplateError(
            f"{properties.place}: Maximum batch window in seconds must be greater than 0 if "
            "maximum batch size is greater than 10"
        )
    return size


def _maximum_concurrency(properties: Properties) -> int | None:
    scaling = properties.section("ScalingConfig")
    if scaling is None:
        return None
    low, _ = _CONCURRENCY_BOUNDS
    has_one = scaling.take("MaximumConcurrency") is not None
    return bounded(scaling, "MaximumConcurrency", low, _CONCURRENCY_BOUNDS) if has_one else None


def _filters(properties: Properties) -> tuple[str, ...]:
    patterns = filter_patterns(properties, "sqs")
    for pattern in patterns:
        if others := sorted(set(_filtered_keys(json.loads(pattern))) - {"body"}):
            raise TemplateError(
                f"{properties.place}.FilterCriteria: mappings of queues only support filtering on "
                f"the body key, not on {', '.join(others)}"
            )
    return patterns


def _filtered_keys(pattern: Mapping[str, Any]) -> Iterator[str]:
    for key, rule in pattern.items():
        if key == "$or" and isinstance(rule, list):
            for alternative in rule:
                yield from _filtered_keys(alternative)
        else:
            yield key.split(".", 1)[0]


def _describe_queue(stack: Stack, arn: str, place: str) -> tuple[str, int]:
    """Return a queue's URL and visibility timeout."""
    client: SQSClient = stack.client("sqs")
    try:
        url = client.get_queue_url(QueueName=arn.rsplit(":", 1)[-1])["QueueUrl"]
    except client.exceptions.QueueDoesNotExist as error:
        raise TemplateError(
            f"{place}: Error occurred while ReceiveMessage. SQS Error Code: "
            "AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does "
            f"not exist: {arn}"
        ) from error
    answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
    return url, int(answer["Attributes"]["VisibilityTimeout"])


def _check_timeouts(function: Function, mapping: QueueMapping, place: str) -> None:
    if function.timeout_s > mapping.visibility_timeout_s:
        raise TemplateError(
            f"{place}: Queue visibility timeout: {mapping.visibility_timeout_s} seconds is less "
            f"than Function timeout: {function.timeout_s} seconds"
        )


def _check_is_first(stack: Stack, mapping: QueueMapping, place: str) -> None:
    for other in stack.queue_mappings:
        if (other.source_arn, other.function) == (mapping.source_arn, mapping.function):
            raise TemplateError(
                f'{place}: The event source arn (" {mapping.source_arn} ") and function '
                f'(" {mapping.function} ") provided mapping already exists. Please update or '
                f"delete the existing mapping with UUID {other.uuid}, which is {other.logical_id}"
            )
