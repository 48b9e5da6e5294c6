"""Alarms reach people, name what exists, and cover each function."""

from typing import Any

import pytest

from tests.template import model

ALARMS = model.resources("AWS::CloudWatch::Alarm")


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_reaches_the_on_call_engineer(name: str) -> None:
    alarm = ALARMS[name]

    assert alarm["AlarmActions"] == [{"Ref": "OnCallTopic"}]
    assert alarm["TreatMissingData"] == "notBreaching"
    assert len(alarm["AlarmDescription"]) > 80


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarms_name_is_one_that_topic_and_key_let_publish(name: str) -> None:
    assert ALARMS[name]["AlarmName"]["Fn::Sub"].startswith("${AWS::StackName}-")


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_watches_a_resource_of_the_stack(name: str) -> None:
    kinds = {
        "FunctionName": "AWS::Lambda::Function",
        "EventSourceMappingUUID": "AWS::Lambda::EventSourceMapping",
        "QueueName": "AWS::SQS::Queue",
    }

    (dimension,) = ALARMS[name]["Dimensions"]

    assert _watched(dimension["Value"]) in model.resources(kinds[dimension["Name"]])


def test_each_mapping_is_watched_for_standstill_and_for_giving_up() -> None:
    watched = sorted(
        (alarm["MetricName"], _watched(alarm["Dimensions"][0]["Value"]))
        for alarm in ALARMS.values()
    )

    assert watched == [
        ("ApproximateAgeOfOldestMessage", "OnboardingQueue"),
        ("ApproximateAgeOfOldestMessage", "ThumbnailQueue"),
        ("ApproximateNumberOfMessagesVisible", "OnboardingDeadLetterQueue"),
        ("ApproximateNumberOfMessagesVisible", "ThumbnailDeadLetterQueue"),
        ("ApproximateNumberOfMessagesVisible", "UploadsDeadLetterQueue"),
        ("AsyncEventAge", "S3UploadsFunction"),
        ("IteratorAge", "DynamodbAlertsFunction"),
        ("IteratorAge", "DynamodbUsersFunction"),
        ("IteratorAge", "KinesisEventsFunction"),
        ("OnFailureDestinationDeliveredEventCount", "DynamodbAlertsFunctionAnomalies"),
        ("OnFailureDestinationDeliveredEventCount", "DynamodbUsersFunctionChanges"),
        ("OnFailureDestinationDeliveredEventCount", "KinesisEventsFunctionRecords"),
    ]


def _watched(value: dict[str, Any]) -> str:
    """Return the logical id that a dimension's value names."""
    name: str = value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0]
    return name
