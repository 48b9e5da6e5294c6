"""AWS::Lambda::EventInvokeConfig, and the dead-letter queue in a function's own properties.

Source: AWS Lambda API Reference, PutFunctionEventInvokeConfig.
"""

from dataclasses import replace
from typing import Any, Final

from pipeline.local.deployment import AsyncConfig
from pipeline.local.intrinsics import PhysicalResource, TemplateError
from pipeline.local.resources.handler import Properties, Stack
from pipeline.local.resources.lambda_name import function_of

_MAX_RETRIES: Final = 2
_MIN_EVENT_AGE_S: Final = 60
_MAX_EVENT_AGE_S: Final = 21_600
_SUCCESS_SERVICES: Final = ("events", "lambda", "sns", "sqs")
_FAILURE_SERVICES: Final = (*_SUCCESS_SERVICES, "s3")
_DEAD_LETTER_SERVICES: Final = ("sns", "sqs")


def put_event_invoke_config(
    stack: Stack, logical_id: str, properties: Properties
) -> PhysicalResource:
    """Set how a function is invoked asynchronously.

    Raises:
        TemplateError: A setting that Lambda refuses, or a function that has such settings already.
    """
    function = function_of(stack, properties.text("FunctionName"), properties.place)
    qualifier = properties.text("Qualifier")
    known = stack.routes.async_configs.get(function.logical_id, AsyncConfig())
    if replace(known, dead_letter_arn=None) != AsyncConfig():
        # On AWS they are settings of different versions or aliases.
        raise TemplateError(
            f"{properties.place}: {function.logical_id} has an EventInvokeConfig already; "
            "the local run has one version of a function"
        )
    destinations = properties.take("DestinationConfig") or {}
    stack.routes.async_configs[function.logical_id] = replace(
        known,
        maximum_retry_attempts=_bounded(properties, "MaximumRetryAttempts", 0, _MAX_RETRIES),
        maximum_event_age_s=_bounded(
            properties, "MaximumEventAgeInSeconds", _MIN_EVENT_AGE_S, _MAX_EVENT_AGE_S
        ),
        on_success_arn=_destination(properties, destinations, "OnSuccess", _SUCCESS_SERVICES),
        on_failure_arn=_destination(properties, destinations, "OnFailure", _FAILURE_SERVICES),
    )
    return PhysicalResource(f"{logical_id}-{function.name}-{qualifier}")


def put_dead_letter_config(stack: Stack, logical_id: str, properties: Properties) -> None:
    """Set where a function's failed events go.

    Raises:
        TemplateError: It is no standard queue or topic.
    """
    config = properties.take("DeadLetterConfig") or {}
    arn = config.get("TargetArn")
    if arn:
        _check(f"{properties.place}.DeadLetterConfig", str(arn), _DEAD_LETTER_SERVICES)
        known = stack.routes.async_configs.get(logical_id, AsyncConfig())
        stack.routes.async_configs[logical_id] = replace(known, dead_letter_arn=str(arn))


def _bounded(properties: Properties, name: str, low: int, high: int) -> int:
    value = properties.number(name, high)
    if not low <= value <= high:
        raise TemplateError(f"{properties.place}.{name}: {value} is not within {low} and {high}")
    return value


def _destination(
    properties: Properties, destinations: dict[str, Any], kind: str, services: tuple[str, ...]
) -> str | None:
    arn = (destinations.get(kind) or {}).get("Destination")
    if not arn:
        return None
    _check(f"{properties.place}.DestinationConfig.{kind}", str(arn), services)
    return str(arn)


def _check(place: str, arn: str, services: tuple[str, ...]) -> None:
    parts = arn.split(":")
    if parts[0] != "arn" or len(parts) < 6 or parts[2] not in services:
        raise TemplateError(f"{place}: {arn} is none of {', '.join(services)}")
    if arn.endswith(".fifo"):
        raise TemplateError(f"{place}: Lambda takes no FIFO queue or topic, such as {arn}")
