import json
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from pipeline.local.deploy import deploy
from pipeline.local.deployment import Deployment, EventSourceMapping
from pipeline.local.endpoint import Endpoint
from pipeline.local.intrinsics import TemplateError
from pipeline.local.own_services import OwnServices
from pipeline.local.resources.handler import DeployError

EVERYTHING = Path(__file__).with_name("templates") / "everything.yaml"
OWN_TEMPLATE = Path(__file__).parents[2] / "template.yaml"
ACCOUNT = "123456789012"


@pytest.fixture(scope="module")
def everything(endpoint: Endpoint) -> Deployment:
    return deploy(EVERYTHING, endpoint, stack_name="every", parameters={})


def test_a_second_deployment_gives_the_same_and_keeps_what_is_stored(
    everything: Deployment, endpoint: Endpoint
) -> None:
    table = endpoint.client("dynamodb")
    table.put_item(TableName="every-Table", Item={"pk": {"S": "kept"}})
    endpoint.client("kinesis").put_record(StreamName="every-Stream", Data=b"x", PartitionKey="k")

    again = deploy(EVERYTHING, endpoint, stack_name="every", parameters={})

    assert again == everything
    assert "Item" in table.get_item(TableName="every-Table", Key={"pk": {"S": "kept"}})
    assert endpoint.client("kms").list_aliases()["Aliases"] != []
    assert (
        len(
            endpoint.client("sns").list_subscriptions_by_topic(
                TopicArn=everything.physical_ids["Topic"]
            )["Subscriptions"]
        )
        == 1
    )


def test_what_the_local_run_cannot_do_is_named(everything: Deployment) -> None:
    assert everything.unhandled == {
        "Machine": "AWS::StepFunctions::StateMachine",
    }
    assert everything.ignored_properties == {
        "BucketPolicy": ("PolicyDocument.TlsOnly",),
        "Role": ("ManagedPolicyArns.AWSLambdaBasicExecutionRole",),
        "Worker": ("Layers",),
    }
    assert "Machine" not in everything.physical_ids


def test_a_resource_that_a_condition_excludes_is_not_there(everything: Deployment) -> None:
    assert "MailSubscription" not in everything.physical_ids


def test_outputs_are_resolved_under_their_conditions(everything: Deployment) -> None:
    assert everything.outputs == {
        "StreamName": "every-Stream",
        "GroupArn": f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule-group/every-ScheduleGroup",
        "MachineArn": f"arn:aws:stepfunctions:us-east-1:{ACCOUNT}:every-Machine",
    }


def test_a_function_is_described_and_registered_nowhere(
    everything: Deployment, endpoint: Endpoint
) -> None:
    function = everything.functions["Worker"]

    assert function.name == "every-Worker"
    assert function.arn == f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:every-Worker"
    assert function.handler == "app.handler"
    assert function.code_directory == EVERYTHING.parent.resolve()
    assert function.environment == {
        "TABLE": "every-Table",
        "IS_ON": "true",
        "DAYS": "7",
        "GROUP": "every-ScheduleGroup",
    }
    assert (function.timeout_s, function.memory_mb) == (20, 512)
    assert function.reserved_concurrency == 0
    assert function.role_arn == f"arn:aws:iam::{ACCOUNT}:role/every-Role"
    assert endpoint.client("lambda").list_functions()["Functions"] == []
    assert endpoint.client("lambda").list_event_source_mappings()["EventSourceMappings"] == []


def test_mappings_carry_their_settings_or_lambdas_defaults(
    everything: Deployment, endpoint: Endpoint
) -> None:
    stream_arn = endpoint.client("dynamodb").describe_table(TableName="every-Table")["Table"][
        "LatestStreamArn"
    ]
    mappings = {mapping.logical_id: mapping for mapping in everything.mappings}

    assert mappings == {
        "WorkerFromStream": EventSourceMapping(
            logical_id="WorkerFromStream",
            uuid=everything.physical_ids["WorkerFromStream"],
            function="Worker",
            source_arn=f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/every-Stream",
            batch_size=100,
            batching_window_s=0,
            starting_position="TRIM_HORIZON",
            maximum_retry_attempts=-1,
            maximum_record_age_s=-1,
            bisect_on_error=False,
            report_batch_item_failures=False,
            filters=(),
            on_failure_arn=None,
        ),
        "WorkerFromTable": EventSourceMapping(
            logical_id="WorkerFromTable",
            uuid=everything.physical_ids["WorkerFromTable"],
            function="Worker",
            source_arn=stream_arn,
            batch_size=7,
            batching_window_s=3,
            starting_position="LATEST",
            maximum_retry_attempts=2,
            maximum_record_age_s=600,
            bisect_on_error=True,
            report_batch_item_failures=True,
            filters=('{"eventName": ["INSERT"]}',),
            on_failure_arn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:every-DeadLetters",
            parallelization_factor=2,
        ),
    }


@pytest.mark.usefixtures("everything")
def test_a_stream_has_its_shards_mode_and_retention(endpoint: Endpoint) -> None:
    client = endpoint.client("kinesis")

    own = client.describe_stream_summary(StreamName="every-Stream")["StreamDescriptionSummary"]
    other = client.describe_stream_summary(StreamName="named-stream")["StreamDescriptionSummary"]

    assert (own["OpenShardCount"], own["RetentionPeriodHours"]) == (3, 48)
    assert other["StreamModeDetails"]["StreamMode"] == "ON_DEMAND"


@pytest.mark.usefixtures("everything")
def test_a_table_has_its_index_stream_expiry_and_protection(endpoint: Endpoint) -> None:
    client = endpoint.client("dynamodb")

    table = client.describe_table(TableName="every-Table")["Table"]
    ttl = client.describe_time_to_live(TableName="every-Table")["TimeToLiveDescription"]
    backups = client.describe_continuous_backups(TableName="every-Table")
    tags = client.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]

    assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == ["by_sk"]
    assert table["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    assert table["SSEDescription"]["Status"] == "ENABLED"
    assert table["DeletionProtectionEnabled"] is True
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
    assert (
        backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"][
            "PointInTimeRecoveryStatus"
        ]
        == "ENABLED"
    )
    assert tags == [{"Key": "owner", "Value": "tests"}]


def test_a_bucket_has_its_configuration(everything: Deployment, endpoint: Endpoint) -> None:
    client = endpoint.client("s3")
    name = everything.physical_ids["Bucket"]

    (rule,) = client.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    (encryption,) = client.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"][
        "Rules"
    ]

    assert name == f"every-bucket-{ACCOUNT}"
    assert rule["ID"] == "old"
    assert rule["Expiration"]["Days"] == 7
    assert rule["Filter"] == {"Prefix": "events/"}
    assert rule["Transitions"] == [{"Days": 30, "StorageClass": "STANDARD_IA"}]
    assert encryption["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert client.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"


def test_a_bucket_tells_eventbridge_of_its_objects(
    everything: Deployment, endpoint: Endpoint
) -> None:
    events, queue = endpoint.client("events"), everything.physical_ids["DeadLetters"]
    pattern = json.dumps({"source": ["aws.s3"]})
    target = {"Id": "1", "Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:every-DeadLetters"}
    events.put_rule(Name="every-objects", EventPattern=pattern)
    events.put_targets(Rule="every-objects", Targets=[target])

    endpoint.client("s3").put_object(
        Bucket=everything.physical_ids["Bucket"], Key="events/told", Body=b"x"
    )

    events.remove_targets(Rule="every-objects", Ids=["1"])
    (message,) = endpoint.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(message["Body"])["detail"]["object"]["key"] == "events/told"


def test_the_part_of_a_bucket_policy_that_moto_can_judge_is_in_force(
    everything: Deployment, endpoint: Endpoint
) -> None:
    client = endpoint.client("s3")
    name = everything.physical_ids["Bucket"]

    client.put_object(Bucket=name, Key="events/allowed", Body=b"x")
    with pytest.raises(ClientError, match="403"):
        client.put_object(Bucket=name, Key="forbidden/x", Body=b"x")


def test_a_subscribed_queue_gets_what_its_filter_lets_through(
    everything: Deployment, endpoint: Endpoint
) -> None:
    topic, queue = everything.physical_ids["Topic"], everything.physical_ids["Queue"]
    for severity in ("low", "critical"):
        endpoint.client("sns").publish(
            TopicArn=topic,
            Message=severity,
            MessageAttributes={"severity": {"DataType": "String", "StringValue": severity}},
        )

    messages = endpoint.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)

    # The first one is what S3 sends to a new target of its notifications.
    assert [message["Body"] for message in messages["Messages"]][1:] == ["critical"]


def test_queues_have_their_attributes(everything: Deployment, endpoint: Endpoint) -> None:
    client = endpoint.client("sqs")

    queue = client.get_queue_attributes(
        QueueUrl=everything.physical_ids["Queue"], AttributeNames=["All"]
    )["Attributes"]
    ordered = client.get_queue_attributes(
        QueueUrl=everything.physical_ids["Ordered"], AttributeNames=["All"]
    )["Attributes"]

    assert queue["VisibilityTimeout"] == "120"
    assert json.loads(queue["RedrivePolicy"]) == {
        "deadLetterTargetArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:every-DeadLetters",
        "maxReceiveCount": 5,
    }
    assert "sns.amazonaws.com" in queue["Policy"]
    assert ordered["QueueArn"].endswith(":every-Ordered.fifo")
    assert ordered["ContentBasedDeduplication"] == "true"


def test_keys_roles_logs_alarms_and_settings_are_kept(
    everything: Deployment, endpoint: Endpoint
) -> None:
    key = endpoint.client("kms").describe_key(KeyId="alias/every")["KeyMetadata"]
    iam = endpoint.client("iam")
    (group,) = endpoint.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/every/")[
        "logGroups"
    ]
    (alarm,) = endpoint.client("cloudwatch").describe_alarms(AlarmNames=["every-Alarm"])[
        "MetricAlarms"
    ]
    setting = endpoint.client("ssm").get_parameter(Name="every-Setting")["Parameter"]

    assert key["KeyId"] == everything.physical_ids["Key"]
    assert iam.list_role_policies(RoleName="every-Role")["PolicyNames"] == ["write", "publish"]
    assert [
        policy["PolicyName"]
        for policy in iam.list_attached_role_policies(RoleName="every-Role")["AttachedPolicies"]
    ] == ["every-Managed"]
    assert group["retentionInDays"] == 7
    assert alarm["AlarmActions"] == [everything.physical_ids["Topic"]]
    assert (setting["Value"], setting["Version"]) == ("7", 1)
    assert (
        endpoint.client("cloudwatch").get_dashboard(DashboardName="every-Board")["DashboardBody"]
        == '{"widgets": []}'
    )


def test_resources_that_wait_for_each_other_are_named(bring_up: Callable[..., Deployment]) -> None:
    with pytest.raises(TemplateError, match=r"wait for each other: (One -> Two|Two -> One)"):
        bring_up(
            """
            Resources:
              One: { Type: AWS::SQS::Queue, DependsOn: Two }
              Two: { Type: AWS::SQS::Queue, Properties: { Tags: [{ Key: k, Value: !Ref One }] } }
            """
        )


def test_resources_are_made_in_the_order_of_their_dependencies(
    tmp_path: Path, endpoint: Endpoint
) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(
        """
        Resources:
          Policy:
            Type: AWS::SQS::QueuePolicy
            Properties: { Queues: [!Ref Jobs], PolicyDocument: { Statement: [] } }
          Jobs: { Type: AWS::SQS::Queue }
        """
    )

    deployment = deploy(path, endpoint, stack_name="ordered", parameters={})

    assert list(deployment.physical_ids) == ["Jobs", "Policy"]


def test_a_resource_that_the_endpoint_refuses_is_named(bring_up: Callable[..., Deployment]) -> None:
    with pytest.raises(DeployError, match=r"Mirror \(AWS::SNS::Subscription\): .*NotFound"):
        bring_up(
            """
            Resources:
              Mirror:
                Type: AWS::SNS::Subscription
                Properties:
                  Protocol: email
                  Endpoint: a@b.example
                  TopicArn: arn:aws:sns:us-east-1:123456789012:nowhere
            """
        )


def test_a_change_that_the_local_run_cannot_make_is_refused(
    bring_up: Callable[..., Deployment],
) -> None:
    text = """
        Parameters: { Mode: { Type: String } }
        Resources:
          Flow:
            Type: AWS::Kinesis::Stream
            Properties: { StreamModeDetails: { StreamMode: !Ref Mode } }
        """
    bring_up(text, Mode="PROVISIONED")

    with pytest.raises(DeployError, match="small-Flow is PROVISIONED and cannot become ON_DEMAND"):
        bring_up(text, Mode="ON_DEMAND")


def test_another_shard_count_reshards_the_stream(
    bring_up: Callable[..., Deployment], endpoint: Endpoint
) -> None:
    text = """
        Parameters: { Shards: { Type: Number } }
        Resources:
          Flow: { Type: AWS::Kinesis::Stream, Properties: { ShardCount: !Ref Shards } }
        """
    name = bring_up(text, Shards="1").physical_ids["Flow"]

    bring_up(text, Shards="2")

    found = endpoint.client("kinesis").describe_stream_summary(StreamName=name)
    assert found["StreamDescriptionSummary"]["OpenShardCount"] == 2


def test_a_missing_property_is_named(bring_up: Callable[..., Deployment]) -> None:
    with pytest.raises(TemplateError, match=r"Resources\.Name\.Properties\.TargetKeyId is missing"):
        bring_up(
            "Resources: { Name: { Type: AWS::KMS::Alias, Properties: { AliasName: alias/x } } }"
        )


def test_a_long_bucket_name_is_cut_and_stays_unique(bring_up: Callable[..., Deployment]) -> None:
    one, two = "Keeps" * 12 + "One", "Keeps" * 12 + "Two"

    names = bring_up(
        f"Resources: {{ {one}: {{Type: AWS::S3::Bucket}}, {two}: {{Type: AWS::S3::Bucket}} }}"
    ).physical_ids

    assert len(names[one]) == len(names[two]) == 63
    assert names[one] != names[two]


def test_the_projects_own_template_leaves_out_tls_only_policies_and_nothing_else() -> None:
    with Endpoint() as endpoint, OwnServices(endpoint) as services:
        deployment = deploy(
            OWN_TEMPLATE,
            endpoint,
            stack_name="own",
            parameters={"OnCallEmail": "on@call.example"},
            on_services=services.start,
        )

    assert deployment.unhandled == {}
    # moto denies every call to a bucket whose policy has a condition.
    assert deployment.ignored_properties == {
        "AccessLogsBucketPolicy": (
            "PolicyDocument.S3DeliversAccessLogs",
            "PolicyDocument.TlsOnly",
        ),
        "ContentBucketPolicy": ("PolicyDocument.TlsOnly",),
        "FailuresBucketPolicy": ("PolicyDocument.TlsOnly",),
        "LakeBucketPolicy": ("PolicyDocument.TlsOnly",),
    }
    fed = {mapping.function for mapping in deployment.mappings}
    fed |= {mapping.function for mapping in deployment.queue_mappings}
    assert fed == {
        "DynamodbAlertsFunction",
        "DynamodbUsersFunction",
        "KinesisEventsFunction",
        "SqsOnboardingFunction",
        "SqsThumbnailsFunction",
    }
    assert {"AthenaAnalyticsFunction", "S3UploadsFunction", "ScheduleAnalyticsFunction"} <= (
        deployment.functions.keys() - fed
    )
