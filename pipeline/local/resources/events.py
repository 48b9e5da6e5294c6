"""AWS::Events; rules are the local run's own, the endpoint keeps the buses alone.

moto judges events by other patterns than EventBridge does, and fails on some. Source: Amazon
EventBridge API Reference, PutRule and PutTargets.
"""

from collections.abc import Mapping
from typing import Any, Final

from pipeline.local.deployment import EventRule, EventTarget, InputTransformer
from pipeline.local.intrinsics import PhysicalResource, TemplateError
from pipeline.local.resources.handler import Handler, Properties, Stack, json_text
from pipeline.local.semantics.bus_event import (
    DEFAULT_BUS,
    TARGET_SERVICES,
    InputError,
    check_input,
)
from pipeline.local.semantics.event_pattern import PatternError, compile_pattern
from pipeline.local.semantics.schedule_expression import ScheduleExpressionError, compile_schedule

_MAX_TARGETS: Final = 5
_MAX_PATTERN_LENGTH: Final = 4096
_INPUTS: Final = ("Input", "InputPath", "InputTransformer")
_RULE_NO_MEANING: Final = {
    "Description": "for people",
    "RoleArn": "the local run asks for no permission",
    "Tags": "nothing is billed",
}
_BUS_NO_MEANING: Final = {
    "DeadLetterConfig": "it is for events that cannot be encrypted",
    "Description": "for people",
    "KmsKeyIdentifier": "nothing is encrypted",
    "LogConfig": "the local run writes no log of a bus",
    "Policy": "the local run asks for no permission",
    "Tags": "nothing is billed",
}


def put_rule(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Add a rule to the deployment, if it is enabled.

    Raises:
        TemplateError: A pattern, schedule or target that EventBridge refuses.
    """
    properties.without_meaning(_RULE_NO_MEANING)
    bus = str(properties.take("EventBusName") or DEFAULT_BUS).rpartition("/")[2]
    name = str(properties.take("Name") or stack.physical_name(logical_id, 64))
    path = name if bus == DEFAULT_BUS else f"{bus}/{name}"
    rule = EventRule(
        logical_id=logical_id,
        name=name,
        arn=stack.arn("events", f"rule/{path}"),
        bus=bus,
        pattern=_pattern(properties),
        schedule=_schedule(properties, bus),
        targets=_targets(properties),
    )
    if rule.pattern is None and rule.schedule is None:
        raise TemplateError(
            f"{properties.place}: Parameter(s) EventPattern or ScheduleExpression must be "
            "specified."
        )
    if rule.pattern is not None and not stack.endpoint.is_embedded:
        # Nobody tells the local run what is put on the buses of another endpoint.
        properties.report("EventPattern")
    if properties.take("State", "ENABLED") != "DISABLED":
        stack.routes.rules.append(rule)
    return PhysicalResource(name if bus == DEFAULT_BUS else f"{bus}|{name}", {"Arn": rule.arn})


def _pattern(properties: Properties) -> str | None:
    pattern = properties.take("EventPattern")
    if pattern is None:
        return None
    text = json_text(pattern)
    place = f"{properties.place}.EventPattern"
    if len(text) > _MAX_PATTERN_LENGTH:
        raise TemplateError(f"{place} is longer than {_MAX_PATTERN_LENGTH} characters")
    try:
        compile_pattern(text)
    except PatternError as error:
        raise TemplateError(f"{place}: {error}") from error
    return text


def _schedule(properties: Properties, bus: str) -> str | None:
    expression = properties.take("ScheduleExpression")
    if not expression:
        return None
    place = f"{properties.place}.ScheduleExpression"
    if bus != DEFAULT_BUS:
        raise TemplateError(
            f"{place}: ScheduleExpression is supported only on the default event bus."
        )
    try:
        compile_schedule(str(expression))
    except ScheduleExpressionError as error:
        raise TemplateError(
            f"{place}: Parameter ScheduleExpression is not valid. {error}"
        ) from error
    return str(expression)


def _targets(properties: Properties) -> tuple[EventTarget, ...]:
    targets: list[EventTarget] = []
    entries = properties.take("Targets") or []
    if len(entries) > _MAX_TARGETS:
        raise TemplateError(
            f"{properties.place}.Targets: a rule has at most {_MAX_TARGETS} targets"
        )
    for entry in entries:
        target = _target(f"{properties.place}.Targets.{entry['Id']}", entry)
        if is_supported(target.arn):
            targets.append(target)
        else:
            properties.report(f"Targets.{entry['Id']}")
    return tuple(targets)


def _target(place: str, entry: Mapping[str, Any]) -> EventTarget:
    if sum(entry.get(name) is not None for name in _INPUTS) > 1:
        raise TemplateError(
            f"{place}: Only one of Input, InputPath, or InputTransformer must be provided for "
            f"target {entry['Id']}."
        )
    transformer = entry.get("InputTransformer")
    target = EventTarget(
        arn=str(entry["Arn"]),
        constant_input=_text(entry.get("Input")),
        input_path=_text(entry.get("InputPath")),
        transformer=transformer
        and InputTransformer(
            dict(transformer.get("InputPathsMap") or {}), str(transformer["InputTemplate"])
        ),
        group_id=_text((entry.get("SqsParameters") or {}).get("MessageGroupId")),
        dead_letter_arn=_text((entry.get("DeadLetterConfig") or {}).get("Arn")),
    )
    try:
        check_input(target)
    except InputError as error:
        raise TemplateError(f"{place}: {error}") from error
    return target


def is_supported(arn: str) -> bool:
    """Say whether the local run can send events to a target."""
    parts = arn.split(":")
    return len(parts) > 5 and parts[2] in TARGET_SERVICES


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def put_event_bus(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Create a bus, so that events can be put on it."""
    del logical_id  # a bus always has a name of its own
    client = stack.client("events")
    properties.without_meaning(_BUS_NO_MEANING)
    name = properties.text("Name")
    arn = stack.arn("events", f"event-bus/{name}")
    try:
        client.describe_event_bus(Name=name)
    except client.exceptions.ResourceNotFoundException:
        client.create_event_bus(Name=name)
    return PhysicalResource(name, {"Arn": arn, "Name": name})


HANDLERS: Final[Mapping[str, Handler]] = {
    "AWS::Events::EventBus": put_event_bus,
    "AWS::Events::Rule": put_rule,
}
