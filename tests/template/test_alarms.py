"""Alarms reach people, name what exists, and cover each function."""

import re
from typing import Any

import pytest

from pipeline.metrics import Metric
from tests.template import model

ALARMS = model.resources("AWS::CloudWatch::Alarm")
DEAD_MEN = {"AnalyticsIsSilentAlarm", "DeadManAlarm"}
"""Alarms that a metric's absence sets off."""


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_reaches_the_on_call_engineer(name: str) -> None:
    alarm = ALARMS[name]

    topic = "DeadManTopic" if name == "DeadManAlarm" else "OnCallTopic"
    assert alarm["AlarmActions"] == [{"Ref": topic}]
    missing = "breaching" if name in DEAD_MEN else "notBreaching"
    assert alarm["TreatMissingData"] == missing
    assert len(alarm["AlarmDescription"]) > 80


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarms_name_is_one_that_topic_and_key_let_publish(name: str) -> None:
    assert ALARMS[name]["AlarmName"]["Fn::Sub"].startswith("${AWS::StackName}-")


@pytest.mark.parametrize("name", sorted(ALARMS.keys() - DEAD_MEN))
def test_an_alarm_watches_a_resource_of_the_stack(name: str) -> None:
    kinds = {
        "FunctionName": "AWS::Lambda::Function",
        "EventSourceMappingUUID": "AWS::Lambda::EventSourceMapping",
        "QueueName": "AWS::SQS::Queue",
    }

    (dimension,) = ALARMS[name]["Dimensions"]

    assert _watched(dimension["Value"]) in model.resources(kinds[dimension["Name"]])


def test_the_dead_man_shares_no_topic_and_no_key_with_the_pages() -> None:
    alarm, topic = ALARMS["DeadManAlarm"], model.resources("AWS::SNS::Topic")["DeadManTopic"]

    users = [
        role
        for role in model.resources("AWS::IAM::Role")
        if "DeadMan" in str(model.statements(role))
    ]

    assert topic["KmsMasterKeyId"] == {"Fn::GetAtt": ["DeadManKey", "Arn"]}
    assert users == []
    assert alarm["OKActions"] == [{"Ref": "DeadManTopic"}]
    assert (alarm["MetricName"], alarm["ComparisonOperator"]) == ("Checkups", "LessThanThreshold")
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["Threshold"]) == (60, 5, 1)


def test_every_alarm_has_a_section_in_the_runbook_and_every_section_an_alarm() -> None:
    text = (model.ROOT / "docs" / "operations.md").read_text("utf-8")
    sections = re.findall(
        r"^## Alarm (\S+)\n(.*?)(?=^#|\Z)",
        re.sub(r"```.*?```", "", text, flags=re.DOTALL),
        re.MULTILINE | re.DOTALL,
    )

    names = [
        alarm["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-")
        for alarm in ALARMS.values()
    ]

    assert sorted(name for name, _ in sections) == sorted(names)
    for part in ("**What it means.**", "**How to check.**", "**What to do.**"):
        assert [name for name, section in sections if part not in section] == []


def test_each_mapping_is_watched_for_standstill_and_for_giving_up() -> None:
    watched = sorted(
        (alarm["MetricName"], _watched(alarm["Dimensions"][0]["Value"]))
        for name, alarm in ALARMS.items()
        if name not in DEAD_MEN
    )

    assert watched == [
        ("ApproximateAgeOfOldestMessage", "OnboardingQueue"),
        ("ApproximateAgeOfOldestMessage", "ThumbnailQueue"),
        ("ApproximateNumberOfMessagesVisible", "AlertsDeadLetterQueue"),
        ("ApproximateNumberOfMessagesVisible", "AnalyticsDeadLetterQueue"),
        ("ApproximateNumberOfMessagesVisible", "OnboardingDeadLetterQueue"),
        ("ApproximateNumberOfMessagesVisible", "ThumbnailDeadLetterQueue"),
        ("ApproximateNumberOfMessagesVisible", "UploadsDeadLetterQueue"),
        ("AsyncEventAge", "S3UploadsFunction"),
        ("AsyncEventAge", "ScheduleAlertsFunction"),
        ("IteratorAge", "DynamodbAlertsFunction"),
        ("IteratorAge", "DynamodbUsersFunction"),
        ("IteratorAge", "KinesisEventsFunction"),
        ("OnFailureDestinationDeliveredEventCount", "DynamodbAlertsFunctionAnomalies"),
        ("OnFailureDestinationDeliveredEventCount", "DynamodbUsersFunctionChanges"),
        ("OnFailureDestinationDeliveredEventCount", "KinesisEventsFunctionRecords"),
    ]


def test_a_dead_mans_switch_watches_a_metric_that_its_consumer_emits() -> None:
    alarm = ALARMS["AnalyticsIsSilentAlarm"]

    dimensions = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}

    assert alarm["Namespace"] == "Streamwarden"
    assert alarm["MetricName"] == Metric.FIGURES_STORED.title
    assert Metric.FIGURES_STORED.services == (dimensions["service"],)
    assert dimensions["environment"] == {"Ref": "Environment"}
    assert (alarm["Period"], alarm["DatapointsToAlarm"]) == (3600, 26)


def _watched(value: dict[str, Any]) -> str:
    """Return the logical id that a dimension's value names."""
    name: str = value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0]
    return name
