"""Functions and their event source mappings are set as the design says."""

import dataclasses

import pytest

import pipeline.settings
from tests.template import model

SETTINGS = {
    "kinesis_events": pipeline.settings.KinesisEventsSettings,
    "dynamodb_alerts": pipeline.settings.DynamodbAlertsSettings,
    "schedule_alerts": pipeline.settings.ScheduleAlertsSettings,
    "dynamodb_users": pipeline.settings.DynamodbUsersSettings,
    "sqs_onboarding": pipeline.settings.SqsOnboardingSettings,
    "s3_uploads": pipeline.settings.S3UploadsSettings,
    "sqs_thumbnails": pipeline.settings.SqsThumbnailsSettings,
    "schedule_analytics": pipeline.settings.ScheduleAnalyticsSettings,
    "athena_analytics": pipeline.settings.AthenaAnalyticsSettings,
}


def test_each_settings_type_belongs_to_a_function() -> None:
    types = {
        kind
        for name, kind in vars(pipeline.settings).items()
        if name.endswith("Settings") and dataclasses.is_dataclass(kind)
    }

    consumers = {model.consumer(function) for function in model.functions().values()}

    assert consumers == set(SETTINGS)
    assert types == set(SETTINGS.values())


@pytest.mark.parametrize("logical_id", sorted(model.functions()))
def test_a_function_gets_the_settings_that_its_consumer_reads_and_no_others(
    logical_id: str,
) -> None:
    function = model.functions()[logical_id]

    given = sorted(model.settings_of(function))

    kind = SETTINGS[model.consumer(function)]
    assert given == sorted(field.name.upper() for field in dataclasses.fields(kind))


@pytest.mark.parametrize("logical_id", sorted(model.functions()))
def test_a_function_runs_as_the_design_says(logical_id: str) -> None:
    function = model.functions()[logical_id]

    assert function["Runtime"] == "python3.13"
    assert function["Architectures"] == ["arm64"]
    assert function["TracingConfig"] == {"Mode": "Active"}
    assert function["RecursiveLoop"] == "Terminate"
    assert function["KmsKeyArn"] == {"Fn::GetAtt": ["EncryptionKey", "Arn"]}
    assert (
        function["Timeout"] == 60
    )  # longer than the 36 s of a call that hangs in all its attempts
    assert function["MemorySize"] in {512, 1024}
    assert function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] == model.consumer(
        function
    )


@pytest.mark.parametrize("logical_id", sorted(model.functions()))
def test_concurrency_is_reserved_only_when_its_parameter_says_so(logical_id: str) -> None:
    parameter = logical_id.removesuffix("Function") + "ReservedConcurrency"

    condition, reserved, otherwise = model.functions()[logical_id]["ReservedConcurrentExecutions"][
        "Fn::If"
    ]

    assert model.source()["Parameters"][parameter]["Default"] == 0
    assert reserved == {"Ref": parameter}
    assert otherwise == {"Ref": "AWS::NoValue"}
    assert model.source()["Conditions"][condition] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, 0]}]
    }


@pytest.mark.parametrize("logical_id", sorted(model.functions()))
def test_a_function_logs_json_into_a_group_that_forgets_and_is_encrypted(logical_id: str) -> None:
    logging = model.functions()[logical_id]["LoggingConfig"]

    group = model.resources("AWS::Logs::LogGroup")[logging["LogGroup"]["Ref"]]

    assert logging["LogFormat"] == "JSON"
    assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert group["KmsKeyId"] == {"Fn::GetAtt": ["EncryptionKey", "Arn"]}


def test_each_function_has_a_role_of_its_own() -> None:
    roles = sorted(function["Role"]["Fn::GetAtt"][0] for function in model.functions().values())

    of_services = {"AlertsSchedulerRole", "AnalyticsSchedulerRole", "DeploymentRole"}
    assert roles == sorted(model.resources("AWS::IAM::Role").keys() - of_services)


def test_the_event_stream_is_delivered_as_the_design_says() -> None:
    mapping = model.resources("AWS::Lambda::EventSourceMapping")["KinesisEventsFunctionRecords"]

    assert mapping == {
        "EventSourceArn": {
            "Fn::If": [
                "MakesStream",
                {"Fn::GetAtt": ["EventStream", "Arn"]},
                {"Ref": "ExistingStreamArn"},
            ]
        },
        "FunctionName": {"Ref": "KinesisEventsFunctionAliaslive"},
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": 500,
        "MaximumBatchingWindowInSeconds": 1,
        "ParallelizationFactor": 1,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": -1,
        "MaximumRecordAgeInSeconds": {
            "Fn::FindInMap": [
                "StreamRetention",
                {"Ref": "StreamRetentionHours"},
                "MaximumRecordAgeInSeconds",
            ]
        },
        "DestinationConfig": {
            "OnFailure": {"Destination": {"Fn::GetAtt": ["FailuresBucket", "Arn"]}}
        },
        "MetricsConfig": {"Metrics": ["EventCount"]},
    }


def test_anomalies_are_delivered_as_the_design_says() -> None:
    mapping = model.resources("AWS::Lambda::EventSourceMapping")["DynamodbAlertsFunctionAnomalies"]

    assert mapping == {
        "EventSourceArn": {"Fn::GetAtt": ["AnomaliesTable", "StreamArn"]},
        "FunctionName": {"Ref": "DynamodbAlertsFunctionAliaslive"},
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": 10,
        "ParallelizationFactor": 1,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": -1,
        "MaximumRecordAgeInSeconds": 79_200,
        "FilterCriteria": {"Filters": [{"Pattern": '{"eventName": ["INSERT"]}'}]},
        "DestinationConfig": {
            "OnFailure": {"Destination": {"Fn::GetAtt": ["FailuresBucket", "Arn"]}}
        },
        "MetricsConfig": {"Metrics": ["EventCount"]},
    }


def test_changes_of_users_are_delivered_as_the_design_says() -> None:
    mapping = model.resources("AWS::Lambda::EventSourceMapping")["DynamodbUsersFunctionChanges"]

    assert mapping == {
        "EventSourceArn": {"Fn::GetAtt": ["UsersTable", "StreamArn"]},
        "FunctionName": {"Ref": "DynamodbUsersFunctionAliaslive"},
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": 50,
        "ParallelizationFactor": 1,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": -1,
        "MaximumRecordAgeInSeconds": 79_200,
        "DestinationConfig": {
            "OnFailure": {"Destination": {"Fn::GetAtt": ["FailuresBucket", "Arn"]}}
        },
        "MetricsConfig": {"Metrics": ["EventCount"]},
    }


def test_onboarding_jobs_are_delivered_as_the_design_says() -> None:
    mapping = model.resources("AWS::Lambda::EventSourceMapping")["SqsOnboardingFunctionJobs"]

    assert mapping == {
        "EventSourceArn": {"Fn::GetAtt": ["OnboardingQueue", "Arn"]},
        "FunctionName": {"Ref": "SqsOnboardingFunctionAliaslive"},
        "BatchSize": 10,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 5},
        "MetricsConfig": {"Metrics": ["EventCount"]},
    }


def test_uploads_are_delivered_as_the_design_says() -> None:
    rule = model.resources("AWS::Events::Rule")["S3UploadsFunctionUploads"]
    (target,) = rule["Targets"]
    (invocation,) = [
        config
        for config in model.resources("AWS::Lambda::EventInvokeConfig").values()
        if config["FunctionName"] == {"Ref": "S3UploadsFunction"}
    ]

    set_aside = {"Fn::GetAtt": ["UploadsDeadLetterQueue", "Arn"]}
    assert rule["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {
                "name": [
                    {
                        "Fn::If": [
                            "MakesContentBucket",
                            {"Ref": "ContentBucket"},
                            {"Ref": "ExistingContentBucketName"},
                        ]
                    }
                ]
            },
            "object": {"key": [{"prefix": "uploads/"}]},
        },
    }
    assert target["RetryPolicy"] == {
        "MaximumRetryAttempts": 185,
        "MaximumEventAgeInSeconds": 86_400,
    }
    assert target["DeadLetterConfig"] == {"Arn": set_aside}
    assert (invocation["MaximumRetryAttempts"], invocation["MaximumEventAgeInSeconds"]) == (
        2,
        21_600,
    )
    assert invocation["DestinationConfig"] == {"OnFailure": {"Destination": set_aside}}


@pytest.mark.parametrize(
    ("name", "expression", "attempts", "age_s"),
    [("Hourly", "cron(10 * * * ? *)", 10, 3_000), ("Daily", "cron(40 1 * * ? *)", 50, 43_200)],
)
def test_schedules_fire_as_the_design_says(
    name: str, expression: str, attempts: int, age_s: int
) -> None:
    schedule = model.resources("AWS::Scheduler::Schedule")[f"ScheduleAnalyticsFunction{name}"]

    assert schedule["ScheduleExpression"] == expression
    assert schedule["ScheduleExpressionTimezone"] == "UTC"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert schedule["Target"] == {
        "Arn": {"Ref": "ScheduleAnalyticsFunctionAliaslive"},
        "RoleArn": {"Fn::GetAtt": ["AnalyticsSchedulerRole", "Arn"]},
        "Input": (
            f'{{"schedule": "{name.lower()}", "scheduled_time": "<aws.scheduler.scheduled-time>"}}'
        ),
        "RetryPolicy": {"MaximumRetryAttempts": attempts, "MaximumEventAgeInSeconds": age_s},
        "DeadLetterConfig": {"Arn": {"Fn::GetAtt": ["AnalyticsDeadLetterQueue", "Arn"]}},
    }


@pytest.mark.parametrize("name", sorted(model.resources("AWS::Scheduler::Schedule")))
def test_a_schedules_name_begins_with_the_stacks_so_that_two_stacks_fit_an_account(
    name: str,
) -> None:
    schedule = model.resources("AWS::Scheduler::Schedule")[name]

    assert schedule["Name"]["Fn::Sub"].startswith("${AWS::StackName}-")


def test_ends_of_queries_of_the_own_workgroup_are_delivered() -> None:
    rule = model.resources("AWS::Events::Rule")["AthenaAnalyticsFunctionQueryEnds"]

    assert rule["EventPattern"] == {
        "source": ["aws.athena"],
        "detail-type": ["Athena Query State Change"],
        "detail": {
            "workgroupName": [{"Ref": "AnalyticsWorkGroup"}],
            "currentState": ["SUCCEEDED", "FAILED", "CANCELLED"],
        },
    }


def test_thumbnail_jobs_are_delivered_as_the_design_says() -> None:
    mapping = model.resources("AWS::Lambda::EventSourceMapping")["SqsThumbnailsFunctionJobs"]

    assert mapping == {
        "EventSourceArn": {"Fn::GetAtt": ["ThumbnailQueue", "Arn"]},
        "FunctionName": {"Ref": "SqsThumbnailsFunctionAliaslive"},
        "BatchSize": 5,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 10},
        "MetricsConfig": {"Metrics": ["EventCount"]},
    }


def test_records_are_given_up_shortly_before_each_retention_ends() -> None:
    retentions = model.source()["Parameters"]["StreamRetentionHours"]["AllowedValues"]

    left_hours = {
        hours: int(hours) - entry["MaximumRecordAgeInSeconds"] / 3600
        for hours, entry in model.source()["Mappings"]["StreamRetention"].items()
    }

    assert sorted(left_hours) == sorted(retentions)
    assert left_hours == {"24": 2, "72": 4, "168": 6}


Place = tuple[str, str]
"""Logical id and the path within it."""


def origins() -> dict[str, Place]:
    """Return what triggers each function."""
    polled = {
        model.behind(mapping["FunctionName"]): (model.place(mapping["EventSourceArn"])[0], "")
        for mapping in model.resources("AWS::Lambda::EventSourceMapping").values()
    }
    reported = {
        model.behind(target["Arn"]): (
            model.own(rule["EventPattern"]["detail"]["bucket"]["name"][0])["Ref"],
            rule["EventPattern"]["detail"]["object"]["key"][0]["prefix"],
        )
        for rule in model.resources("AWS::Events::Rule").values()
        if rule.get("EventPattern", {}).get("source") == ["aws.s3"]
        for target in rule["Targets"]
    }
    scheduled = {
        model.behind(schedule["Target"]["Arn"]): ("Scheduler", "")
        for schedule in model.resources("AWS::Scheduler::Schedule").values()
    }
    queried = {
        model.behind(target["Arn"]): ("AnalyticsWorkGroup", "")
        for rule in model.resources("AWS::Events::Rule").values()
        if rule.get("EventPattern", {}).get("source") == ["aws.athena"]
        for target in rule["Targets"]
    }
    return polled | reported | scheduled | queried


def written(function: str) -> set[Place]:
    """Return where a function's role lets it write."""
    reading = {"Con", "Get", "Des", "Det", "Lis", "Rec"}
    quiet = {
        "sqs:DeleteMessage",  # Lambda takes a message off its queue once it is done
        "s3:DeleteObjectVersion",  # the rule hears of created objects only
    }
    return {
        model.place(resource)
        for statement in model.statements(f"{function.removesuffix('Function')}Role")
        for resource in model.listed(statement.get("Resource", []))
        if any(
            action.split(":")[1][:3] not in reading and action not in quiet
            for action in model.listed(statement["Action"])
        )
    }


def followers(function: str) -> set[str]:
    """Return the functions that what a function writes can trigger."""
    return {
        other
        for other, (source, path) in origins().items()
        for place, folder in written(function)
        if place == source and (folder.startswith(path) or path.startswith(folder))
    }


@pytest.mark.parametrize("function", sorted(model.functions()))
def test_no_function_triggers_itself_not_even_through_others(function: str) -> None:
    reached: set[str] = set()
    waiting = followers(function)

    while waiting:
        reached |= waiting
        waiting = {later for one in waiting for later in followers(one)} - reached

    assert function in origins()
    assert function not in reached


def test_the_graph_of_functions_has_the_edges_that_the_design_draws() -> None:
    assert followers("S3UploadsFunction") == {"SqsThumbnailsFunction", "DynamodbAlertsFunction"}
    assert followers("SqsThumbnailsFunction") == {"DynamodbAlertsFunction"}
    assert followers("DynamodbUsersFunction") == {"SqsOnboardingFunction", "DynamodbAlertsFunction"}
    assert followers("SqsOnboardingFunction") == set()
    assert followers("ScheduleAnalyticsFunction") == {
        "AthenaAnalyticsFunction",
        "DynamodbAlertsFunction",
    }
    assert followers("AthenaAnalyticsFunction") == {"DynamodbAlertsFunction"}
