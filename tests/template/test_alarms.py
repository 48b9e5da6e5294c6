"""Alarms reach people, name what exists, and cover each function."""

import re
from typing import Any

import pytest

from pipeline.metrics import Metric
from tests.template import model

ALARMS = model.resources("AWS::CloudWatch::Alarm")
DEAD_MEN = {"AnalyticsIsSilentAlarm", "DeadManAlarm"}
"""Alarms that a metric's absence sets off."""

PAST_THE_PAGES = {"DeadManAlarm", "OnCallTopicFailsAlarm"}
"""Alarms that OnCallTopic could not deliver."""

CANARIES = {name for name in ALARMS if name.endswith("CanaryAlarm")}
"""Alarms that CodeDeploy heeds and nobody is paged by: see test_rollout.py."""


PAGED_BY_THE_CHECKUP = {
    "AnalyticsGaveUpAlarm",
    "S3UploadsGaveUpAlarm",
    "SqsOnboardingGaveUpAlarm",
    "SqsThumbnailsGaveUpAlarm",
}
"""Alarms whose queues an alert pages for, so that nobody is paged twice."""


@pytest.mark.parametrize("name", sorted(ALARMS.keys() - CANARIES - PAGED_BY_THE_CHECKUP))
def test_an_alarm_reaches_the_on_call_engineer(name: str) -> None:
    alarm = ALARMS[name]

    topic = "DeadManTopic" if name in PAST_THE_PAGES else "OnCallTopic"
    assert alarm["AlarmActions"] == [{"Ref": topic}]
    missing = "breaching" if name in DEAD_MEN else "notBreaching"
    assert alarm["TreatMissingData"] == missing
    assert len(alarm["AlarmDescription"]) > 80


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarms_name_is_one_that_topic_and_key_let_publish(name: str) -> None:
    assert ALARMS[name]["AlarmName"]["Fn::Sub"].startswith("${AWS::StackName}-")


@pytest.mark.parametrize("name", sorted(ALARMS.keys() - DEAD_MEN - CANARIES))
def test_an_alarm_watches_a_resource_of_the_stack(name: str) -> None:
    kinds = {
        "FunctionName": "AWS::Lambda::Function",
        "EventSourceMappingUUID": "AWS::Lambda::EventSourceMapping",
        "QueueName": "AWS::SQS::Queue",
        "StreamName": "AWS::Kinesis::Stream",
        "TopicName": "AWS::SNS::Topic",
    }

    for metric in _metrics(ALARMS[name]):
        (dimension,) = metric["Dimensions"]

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
    described = {
        heading: [name for name in names if _is_under(name, heading)] for heading, _ in sections
    }

    assert sorted(name for found in described.values() for name in found) == sorted(names)
    assert [heading for heading, found in described.items() if not found] == []
    for part in ("**What it means.**", "**How to check.**", "**What to do.**"):
        assert [name for name, section in sections if part not in section] == []


def test_each_function_is_watched_for_failures_throttles_and_slowness() -> None:
    assert watchers("Errors") == watchers("Throttles") == sorted(model.functions())
    assert watchers("Duration") == sorted(model.functions())


def test_a_rate_of_failures_divides_by_the_invocations_of_the_same_function() -> None:
    assert watchers("Invocations") == watchers("Errors")
    for name, alarm in ALARMS.items():
        if "Metrics" in alarm:
            assert len({str(metric["Dimensions"]) for metric in _metrics(alarm)}) == 1, name


@pytest.mark.parametrize("function", sorted(model.functions()))
def test_a_function_is_called_slow_at_four_fifths_of_its_timeout(function: str) -> None:
    alarm = ALARMS[f"{function.removesuffix('Function')}SlowAlarm"]

    assert alarm["ExtendedStatistic"] == "p99"
    assert alarm["Threshold"] == 800 * model.functions()[function]["Timeout"]


def test_each_dead_letter_queue_is_watched_for_its_depth_and_each_other_one_for_its_age() -> None:
    queues = model.resources("AWS::SQS::Queue")
    set_aside = sorted(name for name in queues if name.endswith("DeadLetterQueue"))

    assert watchers("ApproximateNumberOfMessagesVisible") == set_aside
    assert watchers("ApproximateAgeOfOldestMessage") == sorted(queues.keys() - set(set_aside))


def test_dead_letters_page_once_by_the_checkup_or_else_by_the_alarm() -> None:
    variables = model.functions()["ScheduleAlertsFunction"]["Environment"]["Variables"]
    counted = {
        value["Ref"]
        for name, value in variables.items()
        if name.endswith("_DEAD_LETTER_QUEUE_URL") and not name.startswith("ALERTS_")
    }

    quiet = {
        alarm["Dimensions"][0]["Value"]["Fn::GetAtt"][0]
        for name, alarm in ALARMS.items()
        if name in PAGED_BY_THE_CHECKUP
    }

    assert quiet == counted
    assert not any("AlarmActions" in ALARMS[name] for name in PAGED_BY_THE_CHECKUP)


def test_each_stream_is_watched_for_standstill_for_giving_up_and_for_its_limits() -> None:
    streams = {"DynamodbAlertsFunction", "DynamodbUsersFunction", "KinesisEventsFunction"}

    assert watchers("IteratorAge") == sorted(streams)
    assert watchers("OnFailureDestinationDeliveredEventCount") == [
        "DynamodbAlertsFunctionAnomalies",
        "DynamodbUsersFunctionChanges",
        "KinesisEventsFunctionRecords",
    ]
    assert watchers("WriteProvisionedThroughputExceeded") == ["EventStream"]
    assert watchers("ReadProvisionedThroughputExceeded") == ["EventStream"]


def test_each_topic_is_watched_for_what_it_could_not_deliver() -> None:
    assert watchers("NumberOfNotificationsFailed") == sorted(model.resources("AWS::SNS::Topic"))


def test_asynchronous_functions_are_watched_for_events_that_wait() -> None:
    assert watchers("AsyncEventAge") == ["S3UploadsFunction", "ScheduleAlertsFunction"]


@pytest.mark.parametrize("name", sorted(model.resources("AWS::Scheduler::Schedule")))
def test_each_schedule_sets_aside_into_a_queue_with_an_alarm_and_has_a_dead_man(name: str) -> None:
    target = model.resources("AWS::Scheduler::Schedule")[name]["Target"]
    dead_men = {
        "ScheduleAlertsFunction": "DeadManAlarm",
        "ScheduleAnalyticsFunction": "AnalyticsIsSilentAlarm",
    }

    queue = _watched(target["DeadLetterConfig"]["Arn"])

    assert queue in watchers("ApproximateNumberOfMessagesVisible")
    assert dead_men[model.behind(target["Arn"])] in ALARMS


def test_a_dead_mans_switch_watches_a_metric_that_its_consumer_emits() -> None:
    alarm = ALARMS["AnalyticsIsSilentAlarm"]

    dimensions = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}

    assert alarm["Namespace"] == "Streamwarden"
    assert alarm["MetricName"] == Metric.FIGURES_STORED.title
    assert Metric.FIGURES_STORED.services == (dimensions["service"],)
    assert dimensions["environment"] == {"Ref": "Environment"}
    assert (alarm["Period"], alarm["DatapointsToAlarm"]) == (3600, 26)


def watchers(metric_name: str) -> list[str]:
    """Return the logical ids of what alarms on a metric watch, one for each alarm."""
    return sorted(
        _watched(metric["Dimensions"][0]["Value"])
        for name, alarm in ALARMS.items()
        if name not in DEAD_MEN | CANARIES
        for metric in _metrics(alarm)
        if metric["MetricName"] == metric_name
    )


def _metrics(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the metric of an alarm, or those that its expression is made of."""
    if "Metrics" not in alarm:
        return [alarm]
    return [part["MetricStat"]["Metric"] for part in alarm["Metrics"] if "MetricStat" in part]


def _is_under(name: str, heading: str) -> bool:
    """Tell whether a heading is that of an alarm; FUNCTION and TOPIC stand for any of them."""
    return bool(re.fullmatch(re.sub("FUNCTION|TOPIC", "[a-z0-9-]+", heading), name))


def _watched(value: dict[str, Any]) -> str:
    """Return the logical id that a dimension's value names."""
    value = model.own(value)
    name: str = value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0]
    return name
