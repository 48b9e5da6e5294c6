"""AWS::Lambda::EventSourceMapping for streams, with Lambda's own checks and defaults.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
"""

import json
import uuid
from typing import Any, Final

from pipeline.local.deployment import EventSourceMapping
from pipeline.local.intrinsics import PhysicalResource, TemplateError
from pipeline.local.resources.handler import Properties, Stack
from pipeline.local.resources.lambda_name import function_of

_DEFAULT_BATCH_SIZE: Final = 100
_MAX_BATCH_SIZE: Final = 10_000
_MAX_WINDOW_S: Final = 300
_MAX_RETRIES: Final = 10_000
_MIN_RECORD_AGE_S: Final = 60
_MAX_RECORD_AGE_S: Final = 604_800
_MAX_PARALLELIZATION: Final = 10
_MAX_TUMBLING_WINDOW_S: Final = 900
_MAX_PATTERNS: Final = 10
_MAX_PATTERN_LENGTH: Final = 4096
_INFINITE: Final = -1
_STARTING_POSITIONS: Final = ("LATEST", "TRIM_HORIZON")
_DESTINATION_SERVICES: Final = ("s3", "sns", "sqs")
_NO_MEANING: Final = {
    "KmsKeyArn": "the filter is kept in memory",
    "LoggingConfig": "the local run writes no platform log",
    "MetricsConfig": "no metrics are collected",
    "Tags": "nothing is billed",
}


def put_event_source_mapping(
    stack: Stack, logical_id: str, properties: Properties
) -> PhysicalResource | None:
    """Add a mapping of a Kinesis or DynamoDB stream to the deployment.

    A disabled mapping polls nothing and so is none of the deployment's mappings. Other sources
    than streams are unhandled.

    Raises:
        TemplateError: A setting that Lambda refuses, or a position that only AWS can start from.
    """
    source_arn = properties.text("EventSourceArn")
    kind = _stream_kind(source_arn)
    if kind is None:
        return None
    properties.without_meaning(_NO_MEANING)
    mapping = EventSourceMapping(
        logical_id=logical_id,
        uuid=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{stack.stack_id}/{logical_id}")),
        function=function_of(stack, properties.text("FunctionName"), properties.place).logical_id,
        source_arn=source_arn,
        batch_size=_bounded(properties, "BatchSize", _DEFAULT_BATCH_SIZE, (1, _MAX_BATCH_SIZE)),
        batching_window_s=_bounded(
            properties, "MaximumBatchingWindowInSeconds", 0, (0, _MAX_WINDOW_S)
        ),
        starting_position=_starting_position(properties),
        maximum_retry_attempts=_bounded(
            properties, "MaximumRetryAttempts", _INFINITE, (_INFINITE, _MAX_RETRIES)
        ),
        maximum_record_age_s=_record_age_s(properties),
        bisect_on_error=properties.flag("BisectBatchOnFunctionError"),
        report_batch_item_failures=_reports_batch_item_failures(properties),
        filters=_patterns(properties),
        on_failure_arn=_on_failure_arn(properties),
    )
    _check_unapplied(properties)
    _check_stream_exists(stack, kind, source_arn, properties.place)
    for other in stack.mappings:
        if (other.source_arn, other.function) == (source_arn, mapping.function):
            raise TemplateError(
                f"{properties.place}: {other.logical_id} already maps {source_arn} to "
                f"{mapping.function}"
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


def _stream_kind(arn: str) -> str | None:
    """Tell which service a stream's ARN belongs to; `None` for what is no stream."""
    parts = arn.split(":", 5)
    if len(parts) == 6:
        if parts[2] == "kinesis" and parts[5].startswith("stream/"):
            return "kinesis"
        if parts[2] == "dynamodb" and "/stream/" in parts[5]:
            return "dynamodb"
    return None


def _bounded(properties: Properties, name: str, default: int, bounds: tuple[int, int]) -> int:
    value = properties.number(name, default)
    low, high = bounds
    if not low <= value <= high:
        raise TemplateError(f"{properties.place}.{name}: {value} is not within {low} and {high}")
    return value


def _starting_position(properties: Properties) -> str:
    position = properties.text("StartingPosition")
    if position not in _STARTING_POSITIONS:
        raise TemplateError(
            f"{properties.place}.StartingPosition: the local run starts at "
            f"{' or '.join(_STARTING_POSITIONS)}, not at {position}"
        )
    return position


def _record_age_s(properties: Properties) -> int:
    age_s = properties.number("MaximumRecordAgeInSeconds", _INFINITE)
    if age_s != _INFINITE and not _MIN_RECORD_AGE_S <= age_s <= _MAX_RECORD_AGE_S:
        raise TemplateError(
            f"{properties.place}.MaximumRecordAgeInSeconds: {age_s} is neither -1 nor within "
            f"{_MIN_RECORD_AGE_S} and {_MAX_RECORD_AGE_S}"
        )
    return age_s


def _reports_batch_item_failures(properties: Properties) -> bool:
    types = properties.take("FunctionResponseTypes") or []
    if types not in ([], ["ReportBatchItemFailures"]):
        raise TemplateError(f"{properties.place}.FunctionResponseTypes: {types!r} is unknown")
    return bool(types)


def _patterns(properties: Properties) -> tuple[str, ...]:
    """Check the filter patterns as far as their syntax goes; the matcher checks what they mean."""
    criteria = properties.take("FilterCriteria") or {}
    patterns = tuple(str(entry["Pattern"]) for entry in criteria.get("Filters", []))
    place = f"{properties.place}.FilterCriteria"
    if len(patterns) > _MAX_PATTERNS:
        raise TemplateError(f"{place}: more than {_MAX_PATTERNS} patterns")
    for pattern in patterns:
        if len(pattern) > _MAX_PATTERN_LENGTH:
            raise TemplateError(f"{place}: a pattern is longer than {_MAX_PATTERN_LENGTH}")
        if not isinstance(_json(pattern), dict):
            raise TemplateError(f"{place}: invalid filter pattern definition: {pattern}")
    return patterns


def _json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(text)
    except ValueError:
        return None


def _on_failure_arn(properties: Properties) -> str | None:
    destination = properties.take("DestinationConfig") or {}
    arn = (destination.get("OnFailure") or {}).get("Destination")
    if arn is None:
        return None
    place = f"{properties.place}.DestinationConfig"
    parts = str(arn).split(":")
    if parts[0] != "arn" or len(parts) < 6 or parts[2] not in _DESTINATION_SERVICES:
        raise TemplateError(f"{place}: {arn} is no bucket, queue or topic")
    if str(arn).endswith(".fifo"):
        raise TemplateError(f"{place}: Lambda takes no FIFO queue or topic, such as {arn}")
    return str(arn)


def _check_unapplied(properties: Properties) -> None:
    """Report settings that the local event sources do not have, unless they are at rest."""
    parallelization = _bounded(properties, "ParallelizationFactor", 1, (1, _MAX_PARALLELIZATION))
    if parallelization > 1:
        properties.report("ParallelizationFactor")
    if _bounded(properties, "TumblingWindowInSeconds", 0, (0, _MAX_TUMBLING_WINDOW_S)):
        properties.report("TumblingWindowInSeconds")


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
