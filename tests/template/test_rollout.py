"""New versions of functions: behind an alias, a tenth first in production, taken back by alarms."""

from typing import Any

import pytest

from tests.template import model

FUNCTIONS = sorted(model.functions())


def group(function: str) -> dict[str, Any]:
    """Return the deployment group that moves a function's alias."""
    alias = model.expansion()["Resources"][f"{function}Aliaslive"]
    update = alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
    assert update["ApplicationName"] == {"Ref": "ServerlessDeploymentApplication"}
    properties = model.resources("AWS::CodeDeploy::DeploymentGroup")
    return properties[update["DeploymentGroupName"]["Ref"]]


def alarms_of(function: str) -> list[str]:
    """Return the alarms that take a new version back."""
    condition, guarded, unguarded = group(function)["AlarmConfiguration"]["Fn::If"]
    assert (condition, unguarded) == ("IsGuarded", {})
    assert guarded["Enabled"] is True
    return [alarm["Name"]["Ref"] for alarm in guarded["Alarms"]]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_new_version_gets_a_tenth_of_the_traffic_first_in_production(function: str) -> None:
    preference = group(function)["DeploymentConfigName"]

    condition, slowly, otherwise = preference["Fn::If"]

    assert condition == "ShiftsSlowly"
    assert slowly["Fn::Sub"][1] == {"ConfigName": "Canary10Percent5Minutes"}
    assert otherwise["Fn::Sub"][1] == {"ConfigName": "AllAtOnce"}
    assert model.source()["Conditions"]["ShiftsSlowly"] == {
        "Fn::And": [{"Condition": "IsProduction"}, {"Condition": "IsGuarded"}]
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_its_functions_alarms_take_a_new_version_back(function: str) -> None:
    name = function.removesuffix("Function")

    rollback = group(function)["AutoRollbackConfiguration"]

    assert alarms_of(function) == [f"{name}FailsAlarm", f"{name}CanaryAlarm"]
    assert rollback["Enabled"] is True
    assert "DEPLOYMENT_STOP_ON_ALARM" in rollback["Events"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_canary_alarm_watches_the_version_that_the_alias_is_moved_to(function: str) -> None:
    alarm = model.resources("AWS::CloudWatch::Alarm")[alarms_of(function)[1]]
    alias = model.resources("AWS::Lambda::Alias")[f"{function}Aliaslive"]

    watched = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}

    assert watched == {
        "FunctionName": {"Ref": function},
        "Resource": {"Fn::Sub": f"${{{function}}}:{alias['Name']}"},
        "ExecutedVersion": alias["FunctionVersion"],
    }
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Lambda", "Errors")
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["Threshold"]) == (60, 1, 0)
    assert alarm["TreatMissingData"] == "notBreaching"
    assert "AlarmActions" not in alarm


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_failure_alarm_watches_all_versions_of_its_function(function: str) -> None:
    alarm = model.resources("AWS::CloudWatch::Alarm")[alarms_of(function)[0]]

    dimensions = [
        part["MetricStat"]["Metric"]["Dimensions"]
        for part in alarm["Metrics"]
        if "MetricStat" in part
    ]

    assert dimensions == [[{"Name": "FunctionName", "Value": {"Ref": function}}]] * 2


def test_whatever_invokes_a_function_invokes_its_alias() -> None:
    mappings = model.resources("AWS::Lambda::EventSourceMapping").values()
    rules = model.resources("AWS::Events::Rule").values()
    schedules = model.resources("AWS::Scheduler::Schedule").values()

    invoked = [
        *(mapping["FunctionName"] for mapping in mappings),
        *(target["Arn"] for rule in rules for target in rule["Targets"]),
        *(schedule["Target"]["Arn"] for schedule in schedules),
    ]

    assert sorted({model.behind(alias) for alias in invoked}) == FUNCTIONS


def test_settings_of_asynchronous_invocations_are_those_of_the_alias() -> None:
    configs = model.resources("AWS::Lambda::EventInvokeConfig").values()

    assert {config["Qualifier"] for config in configs} == {"live"}


def test_versions_stay_for_the_way_back_and_any_change_of_a_function_makes_one() -> None:
    versions = [
        resource
        for resource in model.expansion()["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Version"
    ]

    sources = model.source()["Resources"]
    assert len(versions) == len(FUNCTIONS)
    assert {version["DeletionPolicy"] for version in versions} == {"Retain"}
    assert [
        name
        for name in FUNCTIONS
        if not sources[name]["Properties"]["AutoPublishAliasAllProperties"]
    ] == []
