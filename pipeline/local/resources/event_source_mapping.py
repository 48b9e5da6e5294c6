"""AWS::Lambda::EventSourceMapping for streams, with Lambda's own checks and defaults.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
"""

import uuid
from typing import Final

from pipeline.local.deployment import EventSourceMapping
from pipeline.local.intrinsics import PhysicalResource, TemplateError
from pipeline.local.resources.handler import Properties, Stack
from pipeline.local.resources.lambda_name import function_of
from pipeline.local.resources.mapping_settings import (
    NO_MEANING,
    bounded,
    filter_patterns,
    reports_batch_item_failures,
)
from pipeline.local.resources.queue_event_source_mapping import is_queue, put_queue_mapping
from pipeline.local.semantics.event_pattern import FilterSource

_DEFAULT_BATCH_SIZE: Final = 100
_MAX_BATCH_SIZE: Final = 10_000
_MAX_WINDOW_S: Final = 300
_MAX_RETRIES: Final = 10_000
_MIN_RECORD_AGE_S: Final = 60
_MAX_RECORD_AGE_S: Final = 604_800
_MAX_PARALLELIZATION: Final = 10
_MAX_TUMBLING_WINDOW_S: Final = 900
_INFINITE: Final = -1
_STARTING_POSITIONS: Final = {
    "dynamodb": ("LATEST", "TRIM_HORIZON"),
    "kinesis": ("AT_TIMESTAMP", "LATEST", "TRIM_HORIZON"),
}
_DESTINATION_SERVICES: Final = ("s3", "sns", "sqs")


def put_event_source_mapping(
    stack: Stack, logical_id: str, properties: Properties
) -> PhysicalResource | None:
    """Add a mapping of a Kinesis or DynamoDB stream or of an SQS queue to the deployment.

    A disabled mapping polls nothing and so is none of the deployment's mappings. Other sources
    than streams and queues are unhandled.

    Raises:
        TemplateError: A setting that Lambda refuses.
    """
    source_arn = properties.text("EventSourceArn")
    if is_queue(source_arn):
        return put_queue_mapping(stack, logical_id, properties)
    kind = _stream_kind(source_arn)
    if kind is None:
        return None
    properties.without_meaning(NO_MEANING)
    mapping = EventSourceMapping(
        logical_id=logical_id,
        uuid=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{stack.stack_id}/{logical_id}")),
        function=function_of(stack, properties.text("FunctionName"), properties.place).logical_id,
        source_arn=source_arn,
        batch_size=bounded(properties, "BatchSize", _DEFAULT_BATCH_SIZE, (1, _MAX_BATCH_SIZE)),
        batching_window_s=bounded(
            properties, "MaximumBatchingWindowInSeconds", 0, (0, _MAX_WINDOW_S)
        ),
        starting_position=_starting_position(properties, kind, source_arn),
        maximum_retry_attempts=bounded(
            properties, "MaximumRetryAttempts", _INFINITE, (_INFINITE, _MAX_RETRIES)
        ),
        maximum_record_age_s=_record_age_s(properties),
        bisect_on_error=properties.flag("BisectBatchOnFunctionError"),
        report_batch_item_failures=reports_batch_item_failures(properties),
        filters=filter_patterns(properties, kind),
        on_failure_arn=_on_failure_arn(properties),
        starting_timestamp=_starting_timestamp(properties),
        parallelization_factor=bounded(
            properties, "ParallelizationFactor", 1, (1, _MAX_PARALLELIZATION)
        ),
        tumbling_window_s=bounded(
            properties, "TumblingWindowInSeconds", 0, (0, _MAX_TUMBLING_WINDOW_S)
        ),
    )
    if mapping.tumbling_window_s and mapping.parallelization_factor > 1:
        raise TemplateError(
            f"{properties.place}.ParallelizationFactor: must be 1 with TumblingWindowInSeconds"
        )
    _check_stream_exists(stack, kind, source_arn, properties.place)
    for other in stack.mappings:
        if (other.source_arn, other.function) == (source_arn, mapping.function):
            raise TemplateError(
                f'{properties.place}: The event source arn (" {source_arn} ") and function '
                f'(" {mapping.function} ") provided mapping already exists. Please update or '
                f"delete the existing mapping with UUID {other.uuid}, which is {other.logical_id}"
            )
    if properties.flag("Enabled", default=True):
        stack.mappings.append(mapping)
    return PhysicalResource(
        mapping.uuid,
        {
            "EventSourceMappingArn": stack.arn("lambda", f"event-source-mapping:{mapping.uuid}"),
            "Id": mapping.uuid,
        },
    )


def _stream_kind(arn: str) -> FilterSource | None:
    """Tell which service a stream's ARN belongs to; `None` for what is no stream."""
    parts = arn.split(":", 5)
    if len(parts) == 6:
        if parts[2] == "kinesis" and parts[5].startswith("stream/"):
            return "kinesis"
        if parts[2] == "dynamodb" and "/stream/" in parts[5]:
            return "dynamodb"
    return None


def _starting_position(properties: Properties, kind: str, source_arn: str) -> str:
    position = properties.text("StartingPosition")
    if position not in _STARTING_POSITIONS[kind]:
        raise TemplateError(
            f"{properties.place}.StartingPosition: Unsupported starting position for arn type: "
            f"{source_arn}: {position} is none of {', '.join(_STARTING_POSITIONS[kind])}"
        )
    return position


def _starting_timestamp(properties: Properties) -> float | None:
    """Read the moment that belongs to AT_TIMESTAMP; whether it has come is checked at the start."""
    value = properties.take("StartingPositionTimestamp")
    is_needed = properties.text("StartingPosition") == "AT_TIMESTAMP"
    place = f"{properties.place}.StartingPositionTimestamp"
    if is_needed != (value is not None):
        raise TemplateError(f"{place}: needed for AT_TIMESTAMP, and for nothing else")
    try:
        return float(value) if value is not None else None
    except (TypeError, ValueError) as error:
        raise TemplateError(f"{place}: {value!r} is no time in Unix seconds") from error


def _record_age_s(properties: Properties) -> int:
    age_s = properties.number("MaximumRecordAgeInSeconds", _INFINITE)
    if age_s != _INFINITE and not _MIN_RECORD_AGE_S <= age_s <= _MAX_RECORD_AGE_S:
        raise TemplateError(
            f"{properties.place}.MaximumRecordAgeInSeconds: {age_s} is neither -1 nor within "
            f"{_MIN_RECORD_AGE_S} and {_MAX_RECORD_AGE_S}"
        )
    return age_s


def _on_failure_arn(properties: Properties) -> str | None:
    destination = properties.take("DestinationConfig") or {}
    arn = (destination.get("OnFailure") or {}).get("Destination")
    place = f"{properties.place}.DestinationConfig"
    if destination.keys() - {"OnFailure"}:
        raise TemplateError(f"{place}: a stream's mapping has no destination but OnFailure")
    if arn is None:
        return None
    parts = str(arn).split(":")
    if parts[0] != "arn" or len(parts) < 6 or parts[2] not in _DESTINATION_SERVICES:
        raise TemplateError(f"{place}: {arn} is no bucket, queue or topic")
    if str(arn).endswith(".fifo"):
        raise TemplateError(f"{place}: Lambda takes no FIFO queue or topic, such as {arn}")
    return str(arn)


def _check_stream_exists(stack: Stack, kind: str, arn: str, place: str) -> None:
    if kind == "kinesis":
        client = stack.client("kinesis")
        arguments = {"StreamName": arn.rsplit("/", 1)[-1]}
        describe = client.describe_stream_summary
    else:
        client = stack.client("dynamodbstreams")
        arguments = {"StreamArn": arn}
        describe = client.describe_stream
    try:
        describe(**arguments)
    except client.exceptions.ResourceNotFoundException as error:
        raise TemplateError(f"{place}: Stream not found: {arn}") from error
