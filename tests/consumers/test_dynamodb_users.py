"""The users consumer with its real adapters on moto, fed with events in AWS's own shape."""

import gzip
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import pytest
from moto import mock_aws

from consumers import dynamodb_users
from pipeline.adapters.aws import CLIENT_CONFIG
from pipeline.bootstrap import dynamodb_users as bootstrap
from pipeline.bootstrap import shared
from pipeline.metrics import Metric
from tests.fakes.image_account import create_content
from tests.golden_events import golden
from tests.log_lines import log_lines
from tests.recorded_calls import Call

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

CONTEXT: Any = SimpleNamespace(
    aws_request_id="request-1", get_remaining_time_in_millis=lambda: 60_000
)
TABLES = {
    "audit": ("user_id", "change_key"),
    "profiles": ("user_id",),
    "states": ("state_key", "shard_id"),
    "anomalies": ("dedup_key", "fact_key"),
}


class Account(NamedTuple):
    """What a test looks at."""

    dynamodb: "DynamoDBClient"
    sqs: "SQSClient"
    s3: "S3Client"
    queue_url: str

    def rows(self, table: str) -> list[dict[str, Any]]:
        return list(self.dynamodb.scan(TableName=table)["Items"])

    def jobs(self) -> list[dict[str, Any]]:
        answer = self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    def quarantined(self) -> list[dict[str, Any]]:
        listing = self.s3.list_objects_v2(Bucket="lake", Prefix="quarantine/").get("Contents", [])
        bodies = [self.s3.get_object(Bucket="lake", Key=one["Key"])["Body"] for one in listing]
        return [
            json.loads(line)
            for body in bodies
            for line in gzip.decompress(body.read()).splitlines()
        ]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    environment = {
        "AUDIT_TABLE": "audit",
        "PROFILES_TABLE": "profiles",
        "DETECTOR_STATE_TABLE": "states",
        "ANOMALIES_TABLE": "anomalies",
        "LAKE_BUCKET": "lake",
        "CONTENT_BUCKET": "content",
        "IMAGES_TABLE": "images",
        "EVENT_TTL_DAYS": "30",
        "AUDIT_TTL_DAYS": "365",
        "ENVIRONMENT": "prod",
        "RULES_PARAMETER": "/streamwarden/rules",
        "BUCKET_OWNER": "123456789012",
        "POWERTOOLS_METRICS_NAMESPACE": "Streamwarden",
        "POWERTOOLS_SERVICE_NAME": "dynamodb_users",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    forget_environment()
    with mock_aws():
        account = _account()
        monkeypatch.setenv("ONBOARDING_QUEUE_URL", account.queue_url)
        yield account
    forget_environment()


def _account() -> Account:
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="onboarding")["QueueUrl"]
    account = Account(boto3.client("dynamodb"), sqs, boto3.client("s3"), url)
    account.s3.create_bucket(Bucket="lake")
    create_content(account.s3, account.dynamodb)
    for name, keys in TABLES.items():
        schema: Any = [
            {"AttributeName": key, "KeyType": role}
            for key, role in zip(keys, ("HASH", "RANGE"), strict=False)
        ]
        account.dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=schema,
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        )
    return account


def forget_environment() -> None:
    """Start over as a new execution environment."""
    for function in [*vars(bootstrap).values(), shared.parameter_rules]:
        if hasattr(function, "cache_clear"):
            function.cache_clear()


def handle(*records: dict[str, Any]) -> list[str]:
    """Return the sequence numbers that the function reports."""
    answer = dynamodb_users.handler({"Records": list(records)}, CONTEXT)
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


INSERTED, MODIFIED, REMOVED, EXPIRED = range(4)


def test_a_sign_up_queues_a_profile_and_a_welcome_without_anything_personal(
    account: Account,
) -> None:
    failed = handle(golden("dynamodb_users")[INSERTED])

    assert failed == []
    jobs = account.jobs()
    assert sorted(jobs, key=lambda job: str(job["job_type"])) == [
        {
            "job_type": "send_welcome",
            "job_id": "send_welcome-c4ca4238a0b923820dcc509a6f75849b",
            "user_id": "u-1001",
            "registration": "0000000000004421584500000000017450439091",
            "signed_up_at": "2026-11-21T10:00:00Z",
        },
        {
            "job_type": "setup_user_profile",
            "job_id": "setup_user_profile-c4ca4238a0b923820dcc509a6f75849b",
            "user_id": "u-1001",
            "registration": "0000000000004421584500000000017450439091",
            "signed_up_at": "2026-11-21T10:00:00Z",
        },
    ]


def test_a_change_leaves_a_masked_audit_row(account: Account) -> None:
    handle(golden("dynamodb_users")[MODIFIED])

    (row,) = account.rows("audit")
    assert row == {
        "user_id": {"S": "u-1001"},
        "change_key": {"S": "2026-11-21T10:10:00.000000Z#c81e728d9d4c2f636f067f89cc14862c"},
        "changed_at": {"S": "2026-11-21T10:10:00.000000Z"},
        "changes": {
            "M": {
                "email": {
                    "M": {"before": {"S": "m***@example.com"}, "after": {"S": "m***@example.org"}}
                },
                "logins": {"M": {"before": {"S": "***"}, "after": {"S": "***"}}},
                "password_hash": {"M": {"before": {"S": "***"}, "after": {"S": "***"}}},
                "status": {"M": {"before": {"S": "active"}, "after": {"S": "locked"}}},
            }
        },
        "expires_at": {"N": "1826791800"},
    }


def test_e_mail_and_password_replaced_at_once_are_a_take_over(account: Account) -> None:
    handle(golden("dynamodb_users")[MODIFIED])

    (fact,) = account.rows("anomalies")
    assert fact["dedup_key"] == {"S": "account_takeover#u-1001"}
    assert fact["title"] == {"S": "E-mail and password of u-1001 replaced within 1 h"}
    assert "example" not in json.dumps(fact)


def test_a_removed_user_leaves_neither_profile_nor_detector_state(account: Account) -> None:
    handle(golden("dynamodb_users")[MODIFIED])
    for shard in ("shardId-1", "shardId-2"):
        account.dynamodb.put_item(
            TableName="states",
            Item={"state_key": {"S": "payment#1#u-1001"}, "shard_id": {"S": shard}},
        )
    account.dynamodb.put_item(
        TableName="states",
        Item={"state_key": {"S": "payment#1#u-10010"}, "shard_id": {"S": "shardId-1"}},
    )
    account.dynamodb.put_item(TableName="profiles", Item={"user_id": {"S": "u-1001"}})

    failed = handle(golden("dynamodb_users")[REMOVED])

    assert failed == []
    assert account.rows("profiles") == []
    assert {row["state_key"]["S"] for row in account.rows("states")} == {
        "payment#1#u-10010",
        "deletion#1#users",
    }


def test_a_removed_user_leaves_no_image(account: Account) -> None:
    account.s3.put_object(Bucket="content", Key="uploads/u-1001/cat.jpg", Body=b"cat")
    account.s3.put_object(Bucket="content", Key="thumbnails/u-1001/cat.jpg/1/128.jpg", Body=b"c")
    account.dynamodb.put_item(
        TableName="images",
        Item={
            "image_key": {"S": "content/uploads/u-1001/cat.jpg"},
            "version": {"S": "1#"},
            "user_id": {"S": "u-1001"},
            "uploaded_at": {"S": "2026-11-21T10:00:00.000000Z"},
        },
    )

    handle(golden("dynamodb_users")[REMOVED])

    assert account.rows("images") == []
    assert "Versions" not in account.s3.list_object_versions(Bucket="content")


def test_an_expired_user_is_erased_and_counts_as_no_deletion(account: Account) -> None:
    account.dynamodb.put_item(TableName="profiles", Item={"user_id": {"S": "u-1002"}})

    handle(golden("dynamodb_users")[EXPIRED])

    assert account.rows("profiles") == []
    assert account.rows("states") == []


def test_a_batch_that_comes_again_changes_nothing_but_the_queue(account: Account) -> None:
    records = golden("dynamodb_users")
    handle(*records)
    before = {table: account.rows(table) for table in TABLES}
    first = account.jobs()

    failed = handle(*records)

    assert failed == []
    assert {table: account.rows(table) for table in TABLES} == before
    assert sorted(map(str, account.jobs())) == sorted(map(str, first))


def test_a_poison_image_goes_to_quarantine_and_its_neighbours_go_on(account: Account) -> None:
    poison, good = golden("dynamodb_users")[INSERTED], golden("dynamodb_users")[INSERTED]
    poison["dynamodb"]["NewImage"]["email"] = {"N": "7"}
    poison["eventID"], poison["dynamodb"]["SequenceNumber"] = (
        "f" * 32,
        "4421584500000000017450439090",
    )

    failed = handle(poison, good)

    assert failed == []
    assert {job["job_id"].rpartition("-")[2] for job in account.jobs()} == {good["eventID"]}
    (line,) = account.quarantined()
    assert line["record_id"] == "UsersTable:4421584500000000017450439090"
    assert line["reason"] == "not a user: Expected a string"
    assert line["path"] == "$.dynamodb.NewImage.email"
    (fact,) = account.rows("anomalies")
    assert fact["rule_id"] == {"S": "pipeline_user_refused"}


def test_no_log_line_shows_what_a_user_is(account: Account) -> None:
    poison, good = golden("dynamodb_users")[INSERTED], golden("dynamodb_users")[INSERTED]
    poison["dynamodb"]["NewImage"]["email"] = {"S": "canary without an address"}

    with log_lines(dynamodb_users.logger) as logged:
        handle(poison, good)
        account.dynamodb.delete_table(TableName="audit")
        handle(*golden("dynamodb_users"))

    assert [line["message"] for line in logged.parsed()] == [
        "changes taken",
        "changes will be delivered again",
    ]
    assert [text for text in ("canary", "@", "Mara", "Lind") if text in logged.text] == []


def test_an_outage_reports_the_first_record_that_failed_and_keeps_what_came_before(
    account: Account,
) -> None:
    expired, inserted = golden("dynamodb_users")[EXPIRED], golden("dynamodb_users")[INSERTED]
    account.dynamodb.put_item(TableName="profiles", Item={"user_id": {"S": "u-1002"}})
    account.sqs.delete_queue(QueueUrl=account.queue_url)

    failed = handle(expired, inserted)

    assert failed == [inserted["dynamodb"]["SequenceNumber"]]
    assert account.rows("profiles") == []


def test_a_record_that_is_tried_alone_leaves_no_mark(account: Account) -> None:
    failed = handle(golden("dynamodb_users")[EXPIRED])

    assert failed == []
    assert account.rows("states") == []


def test_a_record_that_took_the_function_down_twice_is_set_aside_untried(account: Account) -> None:
    deadly = golden("dynamodb_users")[INSERTED]
    account.dynamodb.put_item(
        TableName="states",
        Item={
            "state_key": {"S": f"suspect#dynamodb_users#{deadly['eventID']}"},
            "shard_id": {"S": "any"},
            "tries": {"N": "2"},
        },
    )

    failed = handle(deadly)

    assert failed == []
    assert account.jobs() == []
    (line,) = account.quarantined()
    assert line["reason"] == "the function went down on it 2 times"
    (fact,) = account.rows("anomalies")
    assert fact["rule_id"] == {"S": "pipeline_poison_record"}
    assert account.rows("states") == []


def test_what_the_command_brings_back_is_answered_with_what_became_of_it(account: Account) -> None:
    poison, good = golden("dynamodb_users")[INSERTED], golden("dynamodb_users")[INSERTED]
    poison["dynamodb"]["NewImage"]["email"] = {"N": "7"}

    answer = dynamodb_users.handler({"Records": [poison, good], "redrive": "records"}, CONTEXT)

    assert answer["batchItemFailures"] == []
    assert (answer["report"]["jobs"], answer["report"]["quarantined"]) == (2, 1)
    assert len(account.jobs()) == 2


def test_no_call_of_an_erasure_begins_that_could_outlast_the_function() -> None:
    config: Any = CLIENT_CONFIG
    tries = config.retries["total_max_attempts"]

    assert tries * (config.connect_timeout + config.read_timeout) < dynamodb_users.SAFETY_MARGIN_S
    assert dynamodb_users.SAFETY_MARGIN_S < 60  # the function's timeout


def test_the_table_that_feeds_the_function_is_never_called(
    account: Account, recorded_calls: set[Call]
) -> None:
    handle(*golden("dynamodb_users"))

    assert account.jobs()
    assert {call.setting for call in recorded_calls} <= {
        "ANOMALIES_TABLE",
        "AUDIT_TABLE",
        "CONTENT_BUCKET",
        "DETECTOR_STATE_TABLE",
        "IMAGES_TABLE",
        "LAKE_BUCKET",
        "ONBOARDING_QUEUE_URL",
        "PROFILES_TABLE",
        "RULES_PARAMETER",
    }


@pytest.mark.usefixtures("account")
def test_a_batch_leaves_its_metrics_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    handle(*golden("dynamodb_users"))

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [line for line in lines if "_aws" in line]
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert (line["ChangesTaken"], line["JobsQueued"], line["UsersErased"]) == ([4], [2], [2])
    assert (line["AuditRowsWritten"], line["AnomaliesFound"]) == ([1], [1])
    assert {metric["Name"] for metric in directive["Metrics"]} == {
        metric.title for metric in Metric if "dynamodb_users" in metric.services
    }
