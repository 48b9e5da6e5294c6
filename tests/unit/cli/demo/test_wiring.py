from pathlib import Path
from typing import Any

from pipeline.cli.demo.wiring import (
    EventSource,
    Place,
    Step,
    Subscription,
    Target,
    read_wiring,
)
from pipeline.local.translate import load_template

TEMPLATE = Path(__file__).resolve().parents[4] / "template.yaml"

TABLE = {"Type": "AWS::DynamoDB::Table"}
QUEUE = {"Type": "AWS::SQS::Queue"}


def _function(*statements: dict[str, Any], **events: dict[str, Any]) -> dict[str, Any]:
    """Return a function whose role SAM makes of its policies."""
    return {
        "Type": "AWS::Serverless::Function",
        "Properties": {"Events": events, "Policies": [{"Statement": list(statements)}]},
    }


def _allow(action: str, resource: object) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def test_each_function_and_each_of_its_mappings_of_the_template_is_there() -> None:
    template = load_template(TEMPLATE)
    functions = {
        name: set(resource["Properties"]["Events"])
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }

    wiring = read_wiring(template)

    found = {step.function: {one.name for one in step.sources} for step in wiring.steps}
    assert len(functions) >= 2
    assert found == functions


def test_the_alert_function_of_the_template_is_wired_as_its_role_says() -> None:
    wiring = read_wiring(load_template(TEMPLATE))

    (step,) = [one for one in wiring.steps if one.function == "DynamodbAlertsFunction"]
    assert step == Step(
        "DynamodbAlertsFunction",
        (EventSource("Anomalies", "AnomaliesTable", "DynamoDB"),),
        (
            Target(Place("AlertsTable", "DynamoDB"), "read and write", on_failure=False),
            Target(Place("SilencesTable", "DynamoDB"), "read and write", on_failure=False),
            Target(Place("AlertsTopic", "SNS"), "write", on_failure=False),
            Target(Place("OnCallTopic", "SNS"), "write", on_failure=False),
            Target(Place("FailuresBucket", "S3", "aws/lambda/"), "write", on_failure=True),
        ),
    )
    assert wiring.subscriptions == (
        Subscription("OnCallEmailSubscription", "OnCallTopic", "email", "HasOnCallEmail"),
        Subscription("DeadManEmailSubscription", "DeadManTopic", "email", "HasDeadManEmail"),
    )


def test_functions_come_in_the_order_in_which_data_flows() -> None:
    resources = {
        "Last": _function(In={"Type": "SQS", "Properties": {"Queue": {"Ref": "Jobs"}}}),
        "First": _function(_allow("sqs:SendMessage", {"Fn::GetAtt": ["Jobs", "Arn"]})),
        "Jobs": QUEUE,
    }

    wiring = read_wiring({"Resources": resources})

    assert [step.function for step in wiring.steps] == ["First", "Last"]


def test_functions_that_feed_each_other_come_in_the_templates_order() -> None:
    feed = {"Type": "SQS", "Properties": {"Queue": {"Fn::GetAtt": ["Jobs", "Arn"]}}}
    sends = _allow("sqs:SendMessage", {"Fn::GetAtt": ["Jobs", "Arn"]})
    resources = {"One": _function(sends, In=feed), "Two": _function(sends, In=feed), "Jobs": QUEUE}

    wiring = read_wiring({"Resources": resources})

    assert [step.function for step in wiring.steps] == ["One", "Two"]


def test_what_a_role_may_only_read_or_is_denied_is_no_target() -> None:
    arn = {"Fn::GetAtt": ["Rows", "Arn"]}
    denied = {**_allow("dynamodb:PutItem", arn), "Effect": "Deny"}
    function = _function(_allow("dynamodb:Query", arn), denied)

    wiring = read_wiring({"Resources": {"Reader": function, "Rows": TABLE}})

    assert wiring.steps == (Step("Reader", (), ()),)


def test_a_schedule_is_named_by_its_expression() -> None:
    event = {"Type": "ScheduleV2", "Properties": {"ScheduleExpression": "rate(1 minute)"}}

    wiring = read_wiring({"Resources": {"Sweep": _function(Every=event)}})

    assert wiring.steps[0].sources == (EventSource("Every", "rate(1 minute)", "ScheduleV2"),)


def test_a_mapping_that_is_a_resource_of_its_own_is_found() -> None:
    mapping = {
        "Type": "AWS::Lambda::EventSourceMapping",
        "Properties": {
            "FunctionName": {"Ref": "Worker"},
            "EventSourceArn": {"Fn::GetAtt": ["Jobs", "Arn"]},
        },
    }

    wiring = read_wiring({"Resources": {"Worker": _function(), "Jobs": QUEUE, "Feed": mapping}})

    assert wiring.steps[0].sources == (EventSource("Feed", "Jobs", "SQS"),)


def test_a_folder_of_a_bucket_that_may_be_another_is_that_of_the_templates_own() -> None:
    bucket = {"Fn::If": ["Makes", {"Fn::GetAtt": ["Content", "Arn"]}, "arn:aws:s3:::theirs"]}
    folder = {"Fn::Sub": ["${Arn}/thumbnails/*", {"Arn": bucket}]}
    content = {"Type": "AWS::S3::Bucket", "Condition": "Makes"}

    wiring = read_wiring(
        {"Resources": {"Cut": _function(_allow("s3:PutObject", folder)), "Content": content}}
    )

    place = Place("Content", "S3", "thumbnails/")
    assert wiring.steps[0].targets == (Target(place, "write", on_failure=False),)
