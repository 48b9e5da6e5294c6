"""What a template says of asynchronous events, as it is taken or refused at deploy."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.local.deploy import deploy
from pipeline.local.deployment import (
    AsyncConfig,
    BucketNotification,
    Deployment,
    EventRule,
    EventTarget,
    Schedule,
)
from pipeline.local.endpoint import Endpoint
from pipeline.local.intrinsics import TemplateError

ACCOUNT = "123456789012"
QUEUE_ARN = f"arn:aws:sqs:us-east-1:{ACCOUNT}:asynchronous-Jobs"
CODE_ARN = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:asynchronous-Code"
BASE: dict[str, Any] = {
    "Jobs": {"Type": "AWS::SQS::Queue"},
    "Code": {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Code": ".",
            "Handler": "app.handler",
            "Runtime": "python3.13",
            "Role": f"arn:aws:iam::{ACCOUNT}:role/any",
        },
    },
}
TARGET = {"Id": "jobs", "Arn": {"Fn::GetAtt": ["Jobs", "Arn"]}}
CODE_TARGET = {"Id": "code", "Arn": {"Fn::GetAtt": ["Code", "Arn"]}}

BringUp = Callable[..., Deployment]


@pytest.fixture
def bring_up(tmp_path: Path, endpoint: Endpoint) -> BringUp:
    """Deploy one resource more than a queue and a function."""

    def bring_up_one(
        kind: str, properties: dict[str, Any], where: Endpoint = endpoint
    ) -> Deployment:
        resources = {**BASE, "One": {"Type": kind, "Properties": properties}}
        path = tmp_path / "template.json"
        path.write_text(json.dumps({"Resources": resources}))
        return deploy(path, where, stack_name="asynchronous", parameters={})

    return bring_up_one


@pytest.fixture
def foreign(endpoint: Endpoint) -> Endpoint:
    """Give an endpoint as if the user had brought it."""
    return Endpoint(endpoint.url)


def rule(**properties: Any) -> dict[str, Any]:  # noqa: ANN401  values of a template
    return {"EventPattern": {"source": ["shop"]}, "Targets": [TARGET], **properties}


def test_a_rule_carries_its_pattern_and_its_targets(bring_up: BringUp) -> None:
    deployment = bring_up("AWS::Events::Rule", rule())

    assert deployment.routes.rules == [
        EventRule(
            logical_id="One",
            name="asynchronous-One",
            arn=f"arn:aws:events:us-east-1:{ACCOUNT}:rule/asynchronous-One",
            bus="default",
            pattern='{"source": ["shop"]}',
            schedule=None,
            targets=(EventTarget(QUEUE_ARN),),
        )
    ]
    assert deployment.ignored_properties == {}


def test_a_rule_of_another_bus_is_named_with_it(bring_up: BringUp) -> None:
    deployment = bring_up("AWS::Events::Rule", rule(EventBusName="orders", Name="big"))

    (found,) = deployment.routes.rules
    assert (found.bus, found.arn) == (
        "orders",
        f"arn:aws:events:us-east-1:{ACCOUNT}:rule/orders/big",
    )
    assert deployment.physical_ids["One"] == "orders|big"


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("AWS::Events::Rule", rule(State="DISABLED")),
        (
            "AWS::Scheduler::Schedule",
            {
                "ScheduleExpression": "rate(1 day)",
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "State": "DISABLED",
                "Target": {"Arn": QUEUE_ARN, "RoleArn": "arn"},
            },
        ),
    ],
)
def test_what_is_disabled_is_routed_nowhere(
    bring_up: BringUp, kind: str, properties: dict[str, Any]
) -> None:
    deployment = bring_up(kind, properties)

    assert deployment.routes.rules == []
    assert deployment.routes.schedules == []
    assert deployment.unhandled == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"EventPattern": None}, "EventPattern or ScheduleExpression must be specified"),
        ({"EventPattern": {"source": "shop"}}, r"EventPattern: .*[Pp]attern"),
        ({"EventPattern": {"a": [{"prefix": "x" * 5000}]}}, "longer than 4096"),
        ({"ScheduleExpression": "rate(1 days)"}, "Parameter ScheduleExpression is not valid"),
        ({"ScheduleExpression": "at(2026-01-01T00:00:00)"}, "ScheduleExpression is not valid"),
        (
            {"ScheduleExpression": "rate(1 day)", "EventBusName": "orders"},
            "supported only on the default event bus",
        ),
        ({"Targets": [{**TARGET, "Id": str(n)} for n in range(6)]}, "at most 5 targets"),
        (
            {"Targets": [{**TARGET, "Input": "{}", "InputPath": "$.a"}]},
            "Only one of Input, InputPath, or InputTransformer",
        ),
        ({"Targets": [{**TARGET, "InputPath": "a"}]}, "Invalid JSON path: a"),
        ({"Targets": [{**TARGET, "Input": "a"}]}, "Invalid JSON in Input"),
    ],
)
def test_a_rule_that_event_bridge_refuses_is_refused(
    bring_up: BringUp, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(TemplateError, match=message):
        bring_up("AWS::Events::Rule", rule(**changes))


def test_a_target_that_the_local_run_cannot_reach_is_named(bring_up: BringUp) -> None:
    other = {"Id": "logs", "Arn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:any"}

    deployment = bring_up("AWS::Events::Rule", rule(Targets=[TARGET, other]))

    assert deployment.ignored_properties == {"One": ("Targets.logs",)}
    assert [target.arn for target in deployment.routes.rules[0].targets] == [QUEUE_ARN]


def test_a_pattern_has_no_effect_on_an_endpoint_of_the_users(
    bring_up: BringUp, foreign: Endpoint
) -> None:
    deployment = bring_up("AWS::Events::Rule", rule(), foreign)

    assert deployment.ignored_properties == {"One": ("EventPattern",)}


def schedule(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  values of a template
    return {
        "ScheduleExpression": "cron(0 3 * * ? *)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {**CODE_TARGET, "RoleArn": "arn"},
        **changes,
    }


def test_a_schedule_carries_its_times_and_its_target(bring_up: BringUp) -> None:
    properties = schedule(
        Name="nightly",
        GroupName="jobs",
        ScheduleExpressionTimezone="Europe/Berlin",
        StartDate="2026-02-25T06:13:20Z",
        Target={
            "Arn": {"Fn::GetAtt": ["Code", "Arn"]},
            "RoleArn": "arn",
            "Input": '{"a": 1}',
            "RetryPolicy": {"MaximumRetryAttempts": 3},
            "DeadLetterConfig": {"Arn": {"Fn::GetAtt": ["Jobs", "Arn"]}},
        },
    )
    properties["Target"].pop("Id", None)

    deployment = bring_up("AWS::Scheduler::Schedule", properties)

    assert deployment.routes.schedules == [
        Schedule(
            logical_id="One",
            arn=f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/jobs/nightly",
            expression="cron(0 3 * * ? *)",
            timezone="Europe/Berlin",
            starts_at=1_772_000_000.0,
            ends_at=None,
            target=EventTarget(CODE_ARN, constant_input='{"a": 1}', dead_letter_arn=QUEUE_ARN),
        )
    ]
    assert deployment.ignored_properties == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ScheduleExpression": "cron(0 3 * * *)"}, r"Invalid Schedule Expression cron\(0 3"),
        ({"ScheduleExpressionTimezone": "Mars/Olympus"}, "no time zone 'Mars/Olympus'"),
        ({"StartDate": "soon"}, "StartDate: 'soon' is no date and time"),
        ({"Target": None}, "Target is missing"),
    ],
)
def test_a_schedule_that_scheduler_refuses_is_refused(
    bring_up: BringUp, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(TemplateError, match=message):
        bring_up("AWS::Scheduler::Schedule", schedule(**changes))


def test_what_a_schedule_does_only_on_aws_is_named(bring_up: BringUp) -> None:
    flexible = bring_up(
        "AWS::Scheduler::Schedule",
        schedule(FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}),
    )
    universal = bring_up(
        "AWS::Scheduler::Schedule",
        schedule(Target={"Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage", "RoleArn": "arn"}),
    )

    assert "FlexibleTimeWindow" in flexible.ignored_properties["One"]
    assert "Target" in universal.ignored_properties["One"]
    assert universal.routes.schedules == []


def bucket(**configurations: Any) -> dict[str, Any]:  # noqa: ANN401  values of a template
    return {"NotificationConfiguration": configurations}


def to_code(event: str, **filters: str) -> dict[str, Any]:
    rules = [{"Name": name, "Value": value} for name, value in filters.items()]
    return {
        "Event": event,
        "Function": {"Fn::GetAtt": ["Code", "Arn"]},
        "Filter": {"S3Key": {"Rules": rules}},
    }


def test_a_buckets_notification_carries_its_filter(bring_up: BringUp) -> None:
    configuration = to_code("s3:ObjectCreated:*", prefix="in/", Suffix=".png")

    deployment = bring_up("AWS::S3::Bucket", bucket(LambdaConfigurations=[configuration]))

    (found,) = deployment.routes.notifications
    assert found == BucketNotification(
        logical_id="One",
        bucket=f"asynchronous-one-{ACCOUNT}",
        configuration_id=found.configuration_id,
        events=("s3:ObjectCreated:*",),
        prefix="in/",
        suffix=".png",
        target_arn=CODE_ARN,
    )


@pytest.mark.parametrize(
    ("configurations", "message"),
    [
        ([to_code("s3:ObjectMade:*")], "The event 's3:ObjectMade:\\*' is not supported"),
        ([to_code("s3:ObjectCreated:*", infix="a")], "must be either prefix or suffix"),
        (
            [to_code("s3:ObjectCreated:*"), to_code("s3:ObjectCreated:Put", prefix="in/")],
            "Configuration is ambiguously defined. Cannot have overlapping suffixes",
        ),
        (
            [
                to_code("s3:ObjectCreated:*", prefix="in/", suffix="g"),
                to_code("s3:ObjectCreated:*", prefix="in", suffix=".png"),
            ],
            "Configuration is ambiguously defined",
        ),
    ],
)
def test_notifications_that_s3_refuses_are_refused(
    bring_up: BringUp, configurations: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(TemplateError, match=message):
        bring_up("AWS::S3::Bucket", bucket(LambdaConfigurations=configurations))


def test_notifications_that_do_not_overlap_are_taken(bring_up: BringUp) -> None:
    configurations = [
        to_code("s3:ObjectCreated:*", prefix="in/", suffix=".png"),
        to_code("s3:ObjectCreated:*", prefix="in/", suffix=".jpg"),
        to_code("s3:ObjectRemoved:*", prefix="in/"),
    ]

    deployment = bring_up("AWS::S3::Bucket", bucket(LambdaConfigurations=configurations))

    assert len(deployment.routes.notifications) == 3


def test_an_event_that_nothing_brings_about_locally_is_named(bring_up: BringUp) -> None:
    deployment = bring_up(
        "AWS::S3::Bucket", bucket(LambdaConfigurations=[to_code("s3:LifecycleExpiration:*")])
    )

    assert deployment.ignored_properties == {
        "One": ("NotificationConfiguration.LambdaConfigurations.s3:LifecycleExpiration:*",)
    }


def test_an_endpoint_of_the_users_tells_queues_and_no_functions(
    bring_up: BringUp, foreign: Endpoint
) -> None:
    to_queue = {"Event": "s3:ObjectCreated:Copy", "Queue": {"Fn::GetAtt": ["Jobs", "Arn"]}}
    properties = bucket(
        LambdaConfigurations=[to_code("s3:ObjectCreated:Put")], QueueConfigurations=[to_queue]
    )

    deployment = bring_up("AWS::S3::Bucket", properties, foreign)

    assert deployment.routes.notifications == []
    assert deployment.ignored_properties == {
        "One": ("NotificationConfiguration.LambdaConfigurations",)
    }
    configuration = foreign.client("s3").get_bucket_notification_configuration(
        Bucket=deployment.physical_ids["One"]
    )
    assert [each["QueueArn"] for each in configuration["QueueConfigurations"]] == [QUEUE_ARN]


@pytest.mark.parametrize("is_own", [True, False])
def test_a_topic_tells_a_function_on_the_own_endpoint_alone(
    bring_up: BringUp, endpoint: Endpoint, foreign: Endpoint, *, is_own: bool
) -> None:
    topic = endpoint.client("sns").create_topic(Name="asynchronous-topic")["TopicArn"]
    properties = {
        "TopicArn": topic,
        "Protocol": "lambda",
        "Endpoint": {"Fn::GetAtt": ["Code", "Arn"]},
    }

    deployment = bring_up("AWS::SNS::Subscription", properties, endpoint if is_own else foreign)

    assert deployment.routes.subscribed_functions == ({CODE_ARN} if is_own else set())
    assert deployment.unhandled == ({} if is_own else {"One": "AWS::SNS::Subscription"})


def test_a_topic_tells_no_function_of_another_stack(bring_up: BringUp) -> None:
    properties = {
        "TopicName": "asynchronous-other",
        "Subscription": [{"Protocol": "lambda", "Endpoint": f"{CODE_ARN}-of-others"}],
    }

    with pytest.raises(TemplateError, match="the stack has no function"):
        bring_up("AWS::SNS::Topic", properties)


def invoke_config(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  values of a template
    return {"FunctionName": {"Ref": "Code"}, "Qualifier": "$LATEST", **changes}


def test_an_event_invoke_config_carries_its_settings_or_lambdas_defaults(bring_up: BringUp) -> None:
    plain = bring_up("AWS::Lambda::EventInvokeConfig", invoke_config())
    full = bring_up(
        "AWS::Lambda::EventInvokeConfig",
        invoke_config(
            MaximumRetryAttempts=0,
            MaximumEventAgeInSeconds=60,
            DestinationConfig={
                "OnSuccess": {"Destination": QUEUE_ARN},
                "OnFailure": {"Destination": "arn:aws:s3:::failures"},
            },
        ),
    )

    assert plain.routes.async_configs["Code"] == AsyncConfig(2, 21_600)
    assert full.routes.async_configs["Code"] == AsyncConfig(
        0, 60, QUEUE_ARN, "arn:aws:s3:::failures"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"MaximumRetryAttempts": 3}, "3 is not within 0 and 2"),
        ({"MaximumEventAgeInSeconds": 59}, "59 is not within 60 and 21600"),
        ({"MaximumEventAgeInSeconds": 21_601}, "21601 is not within 60 and 21600"),
        (
            {"DestinationConfig": {"OnSuccess": {"Destination": "arn:aws:s3:::any"}}},
            "OnSuccess: arn:aws:s3:::any is none of events, lambda, sns, sqs",
        ),
        (
            {"DestinationConfig": {"OnFailure": {"Destination": f"{QUEUE_ARN}.fifo"}}},
            "takes no FIFO queue",
        ),
        ({"FunctionName": "nobody"}, "the stack has no function 'nobody'"),
    ],
)
def test_an_event_invoke_config_that_lambda_refuses_is_refused(
    bring_up: BringUp, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(TemplateError, match=message):
        bring_up("AWS::Lambda::EventInvokeConfig", invoke_config(**changes))


def test_a_policy_without_a_version_is_taken(bring_up: BringUp, endpoint: Endpoint) -> None:
    policy = {
        "PolicyName": "write",
        "PolicyDocument": {
            "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}]
        },
    }
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }

    bring_up("AWS::IAM::Role", {"AssumeRolePolicyDocument": trust, "Policies": [policy]})

    kept = endpoint.client("iam").get_role_policy(RoleName="asynchronous-One", PolicyName="write")
    assert kept["PolicyDocument"]["Version"] == "2012-10-17"
