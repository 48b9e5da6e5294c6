"""What people look at: dashboard, saved queries, budget."""

import json
import re
from typing import Any

from pipeline.metrics import Metric
from tests.template import model

NAMES = re.compile(r"\$\{([\w.:]+)\}")


def widgets(kind: str) -> list[dict[str, Any]]:
    """Return the properties of the dashboard's widgets of a type."""
    body = model.resources("AWS::CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]["Fn::Sub"]
    return [one["properties"] for one in json.loads(body)["widgets"] if one["type"] == kind]


def shown() -> list[list[str]]:
    """Return the metrics of the dashboard: namespace, name, then dimensions and values."""
    return [metric for widget in widgets("metric") for metric in widget["metrics"]]


def test_the_dashboard_shows_every_alarm_but_those_of_deployments() -> None:
    (widget,) = widgets("alarm")

    lasting = [
        name
        for name in model.resources("AWS::CloudWatch::Alarm")
        if not name.endswith("CanaryAlarm")
    ]

    assert sorted(widget["alarms"]) == sorted(f"${{{name}.Arn}}" for name in lasting)


def test_the_dashboard_shows_own_metrics_that_their_consumers_emit() -> None:
    own = [metric for metric in shown() if metric[0] == "Streamwarden"]

    emitted = {(metric.title, service) for metric in Metric for service in metric.services}
    assert own
    assert [metric for metric in own if (metric[1], metric[3]) not in emitted] == []
    assert {tuple(metric[i] for i in (2, 4, 5)) for metric in own} == {
        ("service", "environment", "${Environment}")
    }


def test_the_dashboard_shows_each_function_and_each_queue() -> None:
    def watched(name: str) -> set[str]:
        return {
            NAMES.findall(metric[3])[0].split(".")[0] for metric in shown() if metric[1] == name
        }

    queues = model.resources("AWS::SQS::Queue").keys()
    assert watched("Errors") == watched("Duration") == model.functions().keys()
    assert watched("IteratorAge") == {
        "DynamodbAlertsFunction",
        "DynamodbUsersFunction",
        "KinesisEventsFunction",
    }
    assert (
        watched("ApproximateNumberOfMessagesVisible") | watched("ApproximateAgeOfOldestMessage")
        == queues
    )


def test_saved_queries_read_the_logs_of_all_functions() -> None:
    groups = sorted(model.resources("AWS::Logs::LogGroup"))

    queries = model.resources("AWS::Logs::QueryDefinition")

    assert len(queries) == 3
    for query in queries.values():
        assert sorted(group["Ref"] for group in query["LogGroupNames"]) == groups
        assert query["Name"]["Fn::Sub"].startswith("${AWS::StackName}/")


def test_a_budget_tells_the_on_call_address_once_it_is_asked_for() -> None:
    resource = model.source()["Resources"]["MonthlyBudget"]

    told = [one["Subscribers"] for one in resource["Properties"]["NotificationsWithSubscribers"]]

    assert resource["Condition"] == "HasBudget"
    assert model.source()["Conditions"]["HasBudget"]["Fn::And"] == [
        {"Fn::Not": [{"Fn::Equals": [{"Ref": "MonthlyBudgetUsd"}, 0]}]},
        {"Condition": "HasOnCallEmail"},
    ]
    assert told == [[{"SubscriptionType": "EMAIL", "Address": {"Ref": "OnCallEmail"}}]] * 2


def test_functions_start_from_a_snapshot_only_where_that_is_asked_for() -> None:
    settings = [function["SnapStart"] for function in model.functions().values()]

    assert settings == [
        {"ApplyOn": {"Fn::If": ["StartsFromSnapshot", "PublishedVersions", "None"]}}
    ] * len(settings)
    assert model.source()["Parameters"]["SnapStart"]["Default"] == "false"
