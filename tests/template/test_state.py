"""What the stack stores is encrypted, recoverable, bounded and outlives a mistake."""

from typing import Any

import pytest

from tests.template import model

KEY = {"Fn::GetAtt": ["EncryptionKey", "Arn"]}

TABLES = {
    "ActivitiesTable": ("user_id", "event_key"),
    "AlertsTable": ("dedup_key", "opened_at"),
    "AnalyticsJobsTable": ("query", "period"),
    "AnomaliesTable": ("dedup_key", "fact_key"),
    "AuditTable": ("user_id", "change_key"),
    "DetectorStateTable": ("state_key", "shard_id"),
    "IdempotencyTable": ("job_key",),
    "ImagesTable": ("image_key", "version"),
    "MetricsTable": ("series_day", "event_key"),
    "ProfilesTable": ("user_id",),
    "SilencesTable": ("scope", "silence_id"),
    "TransactionsTable": ("transaction_id", "event_key"),
    "UsersTable": ("user_id",),
}
BUCKETS = ("AccessLogsBucket", "ContentBucket", "FailuresBucket", "LakeBucket")
STATE_TYPES = {
    "AWS::DynamoDB::Table",
    "AWS::KMS::Key",
    "AWS::Kinesis::Stream",
    "AWS::S3::Bucket",
}
ON_DEMAND_CAP = {
    "MaxReadRequestUnits": {"Ref": "TableMaxReadUnits"},
    "MaxWriteRequestUnits": {"Ref": "TableMaxWriteUnits"},
}


def keys(schema: list[dict[str, str]]) -> tuple[str, ...]:
    assert [part["KeyType"] for part in schema] == ["HASH", "RANGE"][: len(schema)]
    return tuple(part["AttributeName"] for part in schema)


def test_the_tables_have_the_keys_of_the_design() -> None:
    tables = model.resources("AWS::DynamoDB::Table")

    found = {name: keys(table["KeySchema"]) for name, table in tables.items()}

    assert found == TABLES


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_encrypted_recoverable_and_bounded(name: str) -> None:
    table = model.resources("AWS::DynamoDB::Table")[name]

    assert table["SSESpecification"] == {
        "SSEEnabled": True,
        "SSEType": "KMS",
        "KMSMasterKeyId": KEY,
    }
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["OnDemandThroughput"] == ON_DEMAND_CAP
    assert table["DeletionProtectionEnabled"] == {"Fn::If": ["IsProduction", True, False]}


def test_images_are_found_by_user() -> None:
    (index,) = model.resources("AWS::DynamoDB::Table")["ImagesTable"]["GlobalSecondaryIndexes"]

    assert index["IndexName"] == "by_user"
    assert keys(index["KeySchema"]) == ("user_id", "uploaded_at")
    assert index["OnDemandThroughput"] == ON_DEMAND_CAP


def test_alerts_are_found_without_a_scan() -> None:
    indexes = model.resources("AWS::DynamoDB::Table")["AlertsTable"]["GlobalSecondaryIndexes"]

    assert {index["IndexName"]: keys(index["KeySchema"]) for index in indexes} == {
        "by_status": ("status", "due_at"),
        "by_day": ("day", "opened_at"),
        "by_rule": ("rule_id", "opened_at"),
        "by_subject": ("subject", "opened_at"),
        "by_firing_source": ("firing_source", "opened_at"),
        "by_id": ("id_start", "alert_id"),
    }
    assert [index["OnDemandThroughput"] for index in indexes] == [ON_DEMAND_CAP] * 6


def test_uploads_are_reported_to_event_bridge() -> None:
    bucket = model.resources("AWS::S3::Bucket")["ContentBucket"]

    assert bucket["NotificationConfiguration"] == {
        "EventBridgeConfiguration": {"EventBridgeEnabled": True}
    }


def test_transactions_are_found_by_user() -> None:
    (index,) = model.resources("AWS::DynamoDB::Table")["TransactionsTable"][
        "GlobalSecondaryIndexes"
    ]

    assert index["IndexName"] == "by_user"
    assert keys(index["KeySchema"]) == ("user_id", "event_key")
    assert index["OnDemandThroughput"] == ON_DEMAND_CAP


def test_anomalies_are_streamed_by_their_new_images_and_users_by_both() -> None:
    streams = {
        name: table["StreamSpecification"]
        for name, table in model.resources("AWS::DynamoDB::Table").items()
        if "StreamSpecification" in table
    }

    assert streams == {
        "AnomaliesTable": {"StreamViewType": "NEW_IMAGE"},
        "UsersTable": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
    }


def test_the_event_stream_is_encrypted() -> None:
    stream = model.resources("AWS::Kinesis::Stream")["EventStream"]

    assert stream["StreamEncryption"] == {"EncryptionType": "KMS", "KeyId": KEY}


def test_the_key_rotates() -> None:
    assert model.resources("AWS::KMS::Key")["EncryptionKey"]["EnableKeyRotation"] is True


def test_all_topics_are_encrypted() -> None:
    topics = model.resources("AWS::SNS::Topic")

    assert {name: topic["KmsMasterKeyId"] for name, topic in topics.items()} == {
        "AlertsTopic": KEY,
        "DeadManTopic": {"Fn::GetAtt": ["DeadManKey", "Arn"]},  # see test_alarms.py
        "NotificationsTopic": KEY,
        "OnCallTopic": KEY,
    }


QUEUES = sorted(model.resources("AWS::SQS::Queue"))


@pytest.mark.parametrize("name", QUEUES)
def test_a_queue_is_encrypted(name: str) -> None:
    assert model.resources("AWS::SQS::Queue")[name]["KmsMasterKeyId"] == KEY


@pytest.mark.parametrize("name", [name for name in QUEUES if "DeadLetter" not in name])
def test_a_queue_waits_out_its_function_and_gives_up_into_its_dead_letter_queue(name: str) -> None:
    queues = model.resources("AWS::SQS::Queue")

    queue = queues[name]

    target = name.removesuffix("Queue") + "DeadLetterQueue"
    name_of_queue = queue["QueueName"]["Fn::Sub"]
    assert queue["VisibilityTimeout"] == 6 * 60
    assert queue["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": [target, "Arn"]},
        "maxReceiveCount": 5,
    }
    assert queues[target]["RedriveAllowPolicy"]["redrivePermission"] == "byQueue"
    (source,) = queues[target]["RedriveAllowPolicy"]["sourceQueueArns"]
    assert source["Fn::Sub"].endswith(f":{name_of_queue}")
    assert queues[target]["MessageRetentionPeriod"] == 14 * 86_400
    assert queue["MessageRetentionPeriod"] == 4 * 86_400


def test_these_are_all_buckets() -> None:
    assert sorted(model.resources("AWS::S3::Bucket")) == list(BUCKETS)


@pytest.mark.parametrize("name", BUCKETS)
def test_a_bucket_is_private_versioned_and_forgets(name: str) -> None:
    bucket = model.resources("AWS::S3::Bucket")[name]

    rules = bucket["LifecycleConfiguration"]["Rules"]

    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert all(rule["Status"] == "Enabled" for rule in rules)
    # What users upload stays until it is deleted; then its last marker goes.
    forgets = "ExpiredObjectDeleteMarker" if name == "ContentBucket" else "ExpirationInDays"
    assert any(forgets in rule for rule in rules)
    assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)
    assert any("NoncurrentVersionExpiration" in rule for rule in rules)


def test_buckets_are_encrypted_with_the_key_but_for_the_access_logs_which_cannot_be() -> None:
    encryption = {
        name: bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0][
            "ServerSideEncryptionByDefault"
        ]
        for name, bucket in model.resources("AWS::S3::Bucket").items()
    }

    assert encryption == {
        "AccessLogsBucket": {"SSEAlgorithm": "AES256"},
        "ContentBucket": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY},
        "FailuresBucket": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY},
        "LakeBucket": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY},
    }


def test_everything_that_holds_state_outlives_stack_and_replacement() -> None:
    policies = {
        name: (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy"))
        for name, resource in model.expansion()["Resources"].items()
        if resource["Type"] in STATE_TYPES
    }

    assert len(policies) == 20
    assert set(policies.values()) == {("RetainExceptOnCreate", "Retain")}


@pytest.mark.parametrize(
    "kind", ["AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy"]
)
def test_buckets_topics_and_queues_take_tls_only(kind: str) -> None:
    owners: dict[str, Any] = model.resources(kind)

    denials = {
        name: [
            statement
            for statement in model.statements(name)
            if statement["Effect"] == "Deny"
            and statement["Principal"] == "*"
            and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        ]
        for name in owners
    }

    protected = kind.removesuffix("Policy")
    assert sorted(denials) == sorted(f"{name}Policy" for name in model.resources(protected))
    assert all(len(found) == 1 for found in denials.values())
