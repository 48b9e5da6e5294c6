"""AWS::Scheduler; schedules are the local run's own, the endpoint hears nothing of them.

Source: Amazon EventBridge Scheduler API Reference, CreateSchedule.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.local.deployment import EventTarget, Schedule
from pipeline.local.intrinsics import PhysicalResource, TemplateError
from pipeline.local.resources.events import is_supported
from pipeline.local.resources.handler import Handler, Properties, Stack
from pipeline.local.semantics.schedule_expression import ScheduleExpressionError, compile_schedule

_DEFAULT_GROUP: Final = "default"
_NO_MEANING: Final = {
    "Description": "for people",
    "KmsKeyArn": "nothing is encrypted",
}


def put_schedule(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Add a schedule to the deployment, if it is enabled.

    Raises:
        TemplateError: An expression, a time zone or a date that Scheduler refuses.
    """
    properties.without_meaning(_NO_MEANING)
    name = str(properties.take("Name") or stack.physical_name(logical_id, 64))
    group = str(properties.take("GroupName") or _DEFAULT_GROUP)
    target = properties.section("Target")
    if target is None:
        raise TemplateError(f"{properties.place}.Target is missing")
    schedule = Schedule(
        logical_id=logical_id,
        arn=stack.arn("scheduler", f"schedule/{group}/{name}"),
        expression=properties.text("ScheduleExpression"),
        timezone=str(properties.take("ScheduleExpressionTimezone") or "UTC"),
        starts_at=_moment(properties, "StartDate"),
        ends_at=_moment(properties, "EndDate"),
        target=_target(target),
    )
    try:
        compile_schedule(schedule.expression, schedule.timezone, is_scheduler=True)
    except ScheduleExpressionError as error:
        raise TemplateError(
            f"{properties.place}: Invalid Schedule Expression {schedule.expression}. {error}"
        ) from error
    window = properties.require("FlexibleTimeWindow")
    if window.get("Mode") != "OFF":
        properties.report("FlexibleTimeWindow")  # it fires at the window's beginning
    if not is_supported(schedule.target.arn):
        properties.report("Target")
    elif properties.take("State", "ENABLED") != "DISABLED":
        stack.routes.schedules.append(schedule)
    return PhysicalResource(name, {"Arn": schedule.arn})


def _target(target: Properties) -> EventTarget:
    target.without_meaning(
        {
            "RetryPolicy": "a local target either works or is not there",
            "RoleArn": "the local run asks for no permission",
        }
    )
    queue: Mapping[str, Any] = target.take("SqsParameters") or {}
    dead_letters: Mapping[str, Any] = target.take("DeadLetterConfig") or {}
    constant = target.take("Input")
    return EventTarget(
        arn=target.text("Arn"),
        constant_input=None if constant is None else str(constant),
        group_id=queue.get("MessageGroupId"),
        dead_letter_arn=dead_letters.get("Arn"),
    )


def _moment(properties: Properties, name: str) -> float | None:
    text = properties.take(name)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise TemplateError(f"{properties.place}.{name}: {text!r} is no date and time") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def put_schedule_group(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Answer for a group; it is a part of its schedules' ARNs."""
    properties.without_meaning({"Tags": "nothing is billed"})
    name = str(properties.take("Name") or stack.physical_name(logical_id, 64))
    arn = stack.arn("scheduler", f"schedule-group/{name}")
    return PhysicalResource(name, {"Arn": arn, "State": "ACTIVE"})


HANDLERS: Final[Mapping[str, Handler]] = {
    "AWS::Scheduler::Schedule": put_schedule,
    "AWS::Scheduler::ScheduleGroup": put_schedule_group,
}
