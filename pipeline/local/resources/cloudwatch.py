"""AWS::CloudWatch; the endpoint keeps alarms and dashboards and evaluates none."""

from collections.abc import Mapping
from typing import Any, Final

from pipeline.local.intrinsics import PhysicalResource
from pipeline.local.resources.handler import Handler, Properties, Stack, json_text, with_numbers

_ALARM_ARGUMENTS: Final = (
    "ActionsEnabled",
    "AlarmActions",
    "AlarmDescription",
    "ComparisonOperator",
    "DatapointsToAlarm",
    "Dimensions",
    "EvaluateLowSampleCountPercentile",
    "EvaluationPeriods",
    "ExtendedStatistic",
    "InsufficientDataActions",
    "MetricName",
    "Metrics",
    "Namespace",
    "OKActions",
    "Period",
    "Statistic",
    "Threshold",
    "ThresholdMetricId",
    "TreatMissingData",
    "Unit",
)
_COMPOSITE_ARGUMENTS: Final = (
    "ActionsEnabled",
    "AlarmActions",
    "AlarmDescription",
    "AlarmRule",
    "InsufficientDataActions",
    "OKActions",
)
_NUMBERS: Final = frozenset({"DatapointsToAlarm", "EvaluationPeriods", "Period", "Threshold"})


def put_alarm(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Set a metric alarm."""
    return _put_alarm(stack, logical_id, properties, "put_metric_alarm", _ALARM_ARGUMENTS)


def put_composite_alarm(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Set a composite alarm."""
    return _put_alarm(stack, logical_id, properties, "put_composite_alarm", _COMPOSITE_ARGUMENTS)


def _put_alarm(
    stack: Stack,
    logical_id: str,
    properties: Properties,
    operation: str,
    arguments: tuple[str, ...],
) -> PhysicalResource:
    name = properties.take("AlarmName") or stack.physical_name(logical_id)
    values: dict[str, Any] = with_numbers(properties.pick(*arguments), _NUMBERS)
    getattr(stack.client("cloudwatch"), operation)(AlarmName=name, Tags=properties.tags(), **values)
    return PhysicalResource(name, {"Arn": stack.arn("cloudwatch", f"alarm:{name}")})


def put_dashboard(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Set a dashboard."""
    name = properties.take("DashboardName") or stack.physical_name(logical_id)
    body = json_text(properties.require("DashboardBody"))
    stack.client("cloudwatch").put_dashboard(DashboardName=name, DashboardBody=body)
    return PhysicalResource(name)


HANDLERS: Final[Mapping[str, Handler]] = {
    "AWS::CloudWatch::Alarm": put_alarm,
    "AWS::CloudWatch::CompositeAlarm": put_composite_alarm,
    "AWS::CloudWatch::Dashboard": put_dashboard,
}
