"""Roles grant what is used, nothing more: compared with every call that the tests recorded."""

from typing import Final

import pytest

from tests.recorded_calls import calls_of
from tests.template import model

Grant = tuple[str, str, str]
"""IAM action, logical id, path within it."""

ON_FAILURE: Final[set[Grant]] = {
    # Source: AWS Lambda Developer Guide, "Retain discarded batch records": permissions for S3.
    ("s3:PutObject", "FailuresBucket", "aws/lambda/"),
    ("s3:ListBucket", "FailuresBucket", ""),
}
LOG_TRACE_KEY: Final[set[Grant]] = {
    # Source: AWS X-Ray Developer Guide, "AWS Lambda and AWS X-Ray": what active tracing sends.
    ("xray:PutTelemetryRecords", "*", ""),
    ("xray:PutTraceSegments", "*", ""),
    # Source: AWS KMS Developer Guide: reading what the key encrypts (stream, tables, environment)
    # needs Decrypt, writing to S3 and SNS needs GenerateDataKey, both with the caller's rights.
    ("kms:Decrypt", "EncryptionKey", ""),
    ("kms:GenerateDataKey", "EncryptionKey", ""),
}
DONE_BY_LAMBDA: Final[dict[str, set[Grant]]] = {
    "kinesis_events": {
        *ON_FAILURE,
        *LOG_TRACE_KEY,
        # Source: AWS managed policy AWSLambdaBasicExecutionRole, without CreateLogGroup.
        ("logs:CreateLogStream", "KinesisEventsLogGroup", ""),
        ("logs:PutLogEvents", "KinesisEventsLogGroup", ""),
        # Source: AWS managed policy AWSLambdaKinesisExecutionRole; ListStreams and
        # SubscribeToShard are for consoles and enhanced fan-out.
        ("kinesis:DescribeStream", "EventStream", ""),
        ("kinesis:DescribeStreamSummary", "EventStream", ""),
        ("kinesis:GetRecords", "EventStream", ""),
        ("kinesis:GetShardIterator", "EventStream", ""),
        ("kinesis:ListShards", "EventStream", ""),
    },
    "dynamodb_alerts": {
        *ON_FAILURE,
        *LOG_TRACE_KEY,
        ("logs:CreateLogStream", "DynamodbAlertsLogGroup", ""),
        ("logs:PutLogEvents", "DynamodbAlertsLogGroup", ""),
        # Source: Amazon DynamoDB Developer Guide, "IAM policy to allow a Lambda function to access
        # DynamoDB stream records".
        ("dynamodb:DescribeStream", "AnomaliesTable", "stream/"),
        ("dynamodb:GetRecords", "AnomaliesTable", "stream/"),
        ("dynamodb:GetShardIterator", "AnomaliesTable", "stream/"),
        ("dynamodb:ListStreams", "AnomaliesTable", "stream/"),
    },
    "schedule_alerts": {
        *LOG_TRACE_KEY,
        ("logs:CreateLogStream", "ScheduleAlertsLogGroup", ""),
        ("logs:PutLogEvents", "ScheduleAlertsLogGroup", ""),
        # The consumer sends there, too; a failed invocation needs it as well.
        ("sqs:SendMessage", "AlertsDeadLetterQueue", ""),
    },
    "dynamodb_users": {
        *ON_FAILURE,
        *LOG_TRACE_KEY,
        ("logs:CreateLogStream", "DynamodbUsersLogGroup", ""),
        ("logs:PutLogEvents", "DynamodbUsersLogGroup", ""),
        ("dynamodb:DescribeStream", "UsersTable", "stream/"),
        ("dynamodb:GetRecords", "UsersTable", "stream/"),
        ("dynamodb:GetShardIterator", "UsersTable", "stream/"),
        ("dynamodb:ListStreams", "UsersTable", "stream/"),
    },
    "sqs_onboarding": {
        *LOG_TRACE_KEY,
        ("logs:CreateLogStream", "SqsOnboardingLogGroup", ""),
        ("logs:PutLogEvents", "SqsOnboardingLogGroup", ""),
        # Source: AWS managed policy AWSLambdaSQSQueueExecutionRole.
        ("sqs:DeleteMessage", "OnboardingQueue", ""),
        ("sqs:GetQueueAttributes", "OnboardingQueue", ""),
        ("sqs:ReceiveMessage", "OnboardingQueue", ""),
    },
    "s3_uploads": {
        *LOG_TRACE_KEY,
        ("logs:CreateLogStream", "S3UploadsLogGroup", ""),
        ("logs:PutLogEvents", "S3UploadsLogGroup", ""),
        # Source: AWS Lambda Developer Guide, "Capturing records of Lambda asynchronous
        # invocations": permissions for an SQS destination.
        ("sqs:SendMessage", "UploadsDeadLetterQueue", ""),
        # Source: Amazon S3 API Reference, GetObject, permissions: 404 instead of 403.
        ("s3:ListBucket", "ContentBucket", ""),
    },
    "sqs_thumbnails": {
        *LOG_TRACE_KEY,
        ("logs:CreateLogStream", "SqsThumbnailsLogGroup", ""),
        ("logs:PutLogEvents", "SqsThumbnailsLogGroup", ""),
        ("sqs:DeleteMessage", "ThumbnailQueue", ""),
        ("sqs:GetQueueAttributes", "ThumbnailQueue", ""),
        ("sqs:ReceiveMessage", "ThumbnailQueue", ""),
        ("s3:ListBucket", "ContentBucket", ""),
    },
    "schedule_analytics": {
        *LOG_TRACE_KEY,
        ("logs:CreateLogStream", "ScheduleAnalyticsLogGroup", ""),
        ("logs:PutLogEvents", "ScheduleAnalyticsLogGroup", ""),
        ("sqs:SendMessage", "AnalyticsDeadLetterQueue", ""),
        # Source: Amazon Athena User Guide, "Configure access to databases and tables in the AWS
        # Glue Data Catalog" and "Control access to Amazon S3 from Athena": what Athena does with
        # the rights of who starts a query. A new partition is told to the catalog.
        *(
            (f"glue:{action}", *place)
            for action in (
                "BatchCreatePartition",
                "GetDatabase",
                "GetPartition",
                "GetPartitions",
                "GetTable",
            )
            for place in (("catalog", ""), ("AnalyticsDatabase", ""), ("AnalyticsDatabase", "*"))
        ),
        ("s3:GetBucketLocation", "LakeBucket", ""),
        ("s3:GetObject", "LakeBucket", "events/"),
        *(
            (f"s3:{action}", "LakeBucket", folder)
            for action in ("AbortMultipartUpload", "GetObject", "PutObject")
            for folder in ("compacted/", "query-results/")
        ),
    },
    "athena_analytics": {
        *LOG_TRACE_KEY,
        ("logs:CreateLogStream", "AthenaAnalyticsLogGroup", ""),
        ("logs:PutLogEvents", "AthenaAnalyticsLogGroup", ""),
        ("sqs:SendMessage", "AnalyticsDeadLetterQueue", ""),
        # Source: Amazon Athena API Reference, GetQueryResults: needs s3:GetObject of the result.
        ("s3:GetObject", "LakeBucket", "query-results/"),
    },
}

CONSUMER_TESTS: Final = model.ROOT / "tests" / "consumers"
ROLES = {model.consumer(function): function for function in model.functions().values()}


def granted(consumer: str) -> set[Grant]:
    role = ROLES[consumer]["Role"]["Fn::GetAtt"][0]
    return {
        (action, *model.place(resource))
        for policy in model.resources("AWS::IAM::Role")[role]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in model.listed(statement["Action"])
        for resource in model.listed(statement["Resource"])
    }


def recorded(consumer: str) -> set[Grant]:
    settings = model.settings_of(ROLES[consumer])
    return {
        (call.action, "*" if call.setting == "*" else _named(settings[call.setting]), call.place)
        for call in calls_of(consumer)
    }


def _named(setting: dict[str, str]) -> str:
    if setting == {"Fn::Sub": model.RULES_PARAMETER}:
        return model.RULES_PARAMETER
    name: str = model.own(setting)["Ref"]
    return name


@pytest.mark.parametrize("consumer", sorted(ROLES))
def test_a_role_grants_what_its_consumer_calls_and_what_lambda_does_for_it(
    consumer: str, request: pytest.FixtureRequest
) -> None:
    recorders = {path.name for path in CONSUMER_TESTS.glob(f"test_{consumer}*.py")}
    missing = recorders - {item.path.name for item in request.session.items}
    if missing:
        pytest.skip(f"needs the calls of {', '.join(sorted(missing))}, not among this run's tests")

    used = recorded(consumer) | DONE_BY_LAMBDA[consumer]

    assert f"test_{consumer}.py" in recorders
    assert recorded(consumer)
    hint = f"is all of {', '.join(sorted(recorders))} selected?"
    assert sorted(granted(consumer) - used) == [], hint
    assert sorted(used - granted(consumer)) == []


OF_SERVICES: Final[dict[str, dict[str, str]]] = {
    # Source: EventBridge Scheduler User Guide, "Setting up the execution role", and "Configuring a
    # dead-letter queue", whose key needs both of KMS's.
    "AlertsSchedulerRole": {
        "lambda:InvokeFunction": "ScheduleAlertsFunctionAliaslive",
        "sqs:SendMessage": "AlertsDeadLetterQueue",
        "kms:Decrypt": "EncryptionKey",
        "kms:GenerateDataKey": "EncryptionKey",
    },
    "AnalyticsSchedulerRole": {
        "lambda:InvokeFunction": "ScheduleAnalyticsFunctionAliaslive",
        "sqs:SendMessage": "AnalyticsDeadLetterQueue",
        "kms:Decrypt": "EncryptionKey",
        "kms:GenerateDataKey": "EncryptionKey",
    },
    # Source: AWS managed policy AWSCodeDeployRoleForLambdaLimited, without hooks, triggers and the
    # application specification in a bucket, none of which SAM uses here.
    "DeploymentRole": {
        "cloudwatch:DescribeAlarms": "alarm:${AWS::StackName}-*",
        "lambda:GetAlias": "function:${AWS::StackName}-*",
        "lambda:GetProvisionedConcurrencyConfig": "function:${AWS::StackName}-*",
        "lambda:UpdateAlias": "function:${AWS::StackName}-*",
    },
}


@pytest.mark.parametrize("role", OF_SERVICES)
def test_a_role_of_a_service_grants_what_the_service_does_with_it(role: str) -> None:
    given = {
        (action, _resource(statement["Resource"]))
        for policy in model.resources("AWS::IAM::Role")[role]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in model.listed(statement["Action"])
    }

    assert given == set(OF_SERVICES[role].items())


def _resource(arn: dict[str, str]) -> str:
    if "Fn::Sub" in arn:
        return arn["Fn::Sub"].rpartition("${AWS::AccountId}:")[2]
    return model.place(arn)[0]


def test_no_statement_allows_a_wildcard_action_but_the_key_s_own_account() -> None:
    wildcards = [
        (logical_id, statement["Sid"])
        for logical_id, statement in model.all_statements()
        for action in model.listed(statement["Action"])
        if "*" in action and statement["Effect"] == "Allow"
    ]

    # AWS's default key policy; without it no one could ever administer the key.
    assert sorted(wildcards) == [
        ("DeadManKey", "AccountDecidesByIam"),
        ("EncryptionKey", "AccountDecidesByIam"),
    ]


def test_roles_name_each_resource_but_for_services_which_have_none() -> None:
    unbounded = {
        action
        for role in model.resources("AWS::IAM::Role")
        for statement in model.statements(role)
        for action in model.listed(statement["Action"])
        if statement.get("Resource") == "*"
    }

    assert unbounded == {
        "rekognition:DetectLabels",
        "rekognition:DetectModerationLabels",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    }


def test_each_statement_for_a_service_says_on_whose_behalf() -> None:
    sources = ("aws:SourceAccount", "aws:SourceArn", "kms:EncryptionContext:aws:logs:arn")
    for_services = [
        (logical_id, statement)
        for logical_id, statement in model.all_statements()
        if isinstance(statement.get("Principal"), dict) and "Service" in statement["Principal"]
    ]

    unbound = [
        logical_id
        for logical_id, statement in for_services
        if not any(
            source in test for test in statement.get("Condition", {}).values() for source in sources
        )
    ]

    assert len(for_services) == 12 + len(ROLES)
    assert unbound == []


def test_statements_for_everybody_only_deny() -> None:
    effects = {
        statement["Effect"]
        for _, statement in model.all_statements()
        if statement.get("Principal") == "*"
    }

    assert effects == {"Deny"}


def test_sam_adds_no_permission_but_for_the_rules_that_invoke() -> None:
    kinds = {resource["Type"] for resource in model.expansion()["Resources"].values()}

    managed = [
        role
        for role, properties in model.resources("AWS::IAM::Role").items()
        if "ManagedPolicyArns" in properties
    ]

    assert managed == []
    assert "AWS::IAM::Policy" not in kinds
    assert model.resources("AWS::Lambda::Permission") == {
        "AthenaAnalyticsFunctionQueryEndsPermission": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": {"Ref": "AthenaAnalyticsFunctionAliaslive"},
            "Principal": "events.amazonaws.com",
            "SourceArn": {"Fn::GetAtt": ["AthenaAnalyticsFunctionQueryEnds", "Arn"]},
        },
        "S3UploadsFunctionUploadsPermission": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": {"Ref": "S3UploadsFunctionAliaslive"},
            "Principal": "events.amazonaws.com",
            "SourceArn": {"Fn::GetAtt": ["S3UploadsFunctionUploads", "Arn"]},
        },
    }
