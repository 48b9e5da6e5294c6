"""The account of the image consumers on moto, and the events of S3 and SQS in their shapes."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote_plus

import boto3

from pipeline.bootstrap import images, s3_uploads, shared, sqs_thumbnails

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

BUCKET: Final = "content"
UPLOADED_AT: Final = "2026-03-01T12:00:00Z"
ENVIRONMENT: Final = {
    "IMAGES_TABLE": "images",
    "ANOMALIES_TABLE": "anomalies",
    "CONTENT_BUCKET": BUCKET,
    "EVENT_TTL_DAYS": "30",
    "ENVIRONMENT": "prod",
    "RULES_PARAMETER": "/streamwarden/rules",
    "BUCKET_OWNER": "123456789012",
    "POWERTOOLS_METRICS_NAMESPACE": "Streamwarden",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}


class Account(NamedTuple):
    """What a test looks at."""

    s3: "S3Client"
    dynamodb: "DynamoDBClient"
    sqs: "SQSClient"
    queue_url: str

    def put(self, key: str, body: bytes) -> str:
        """Upload an object and return the id of its version."""
        return self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)["VersionId"]

    def rows(self, table: str = "images") -> list[dict[str, Any]]:
        """Return all items of a table."""
        return list(self.dynamodb.scan(TableName=table)["Items"])

    def jobs(self) -> list[dict[str, Any]]:
        """Take the messages out of the queue."""
        answer = self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    def keys(self, prefix: str) -> list[str]:
        """Return the keys of the objects under a prefix."""
        answer = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [found["Key"] for found in answer.get("Contents", [])]

    def versions(self, prefix: str) -> list[str]:
        """Return the key of every version and delete marker under a prefix."""
        page = self.s3.list_object_versions(Bucket=BUCKET, Prefix=prefix)
        found: list[Any] = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        return sorted(one["Key"] for one in found)


def create_content(s3: "S3Client", dynamodb: "DynamoDBClient") -> None:
    """Create the bucket of images with its versions, and the table of their rows."""
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    dynamodb.create_table(
        TableName="images",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "image_key", "KeyType": "HASH"},
            {"AttributeName": "version", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"}
            for name in ("image_key", "version", "user_id", "uploaded_at")
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_user",
                "KeySchema": [
                    {"AttributeName": "user_id", "KeyType": "HASH"},
                    {"AttributeName": "uploaded_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )


def image_account() -> Account:
    """Create what the template creates, as far as the image consumers touch it."""
    dynamodb, sqs, s3 = boto3.client("dynamodb"), boto3.client("sqs"), boto3.client("s3")
    create_content(s3, dynamodb)
    dynamodb.create_table(
        TableName="anomalies",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "dedup_key", "KeyType": "HASH"},
            {"AttributeName": "fact_key", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "dedup_key", "AttributeType": "S"},
            {"AttributeName": "fact_key", "AttributeType": "S"},
        ],
    )
    queue_url = sqs.create_queue(QueueName="thumbnails")["QueueUrl"]
    return Account(s3, dynamodb, sqs, queue_url)


def forget_environment() -> None:
    """Start over as a new execution environment."""
    for module in (images, s3_uploads, shared, sqs_thumbnails):
        for function in vars(module).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()


def object_created(
    key: str,
    size: int,
    version_id: str = "",
    *,
    sequencer: str = "0064D3901D00059242",
    bucket: str = BUCKET,
    time: str = UPLOADED_AT,
) -> dict[str, Any]:
    """Return EventBridge's event; its key is as it is, its etag has no quotes."""
    version = {"version-id": version_id} if version_id else {}
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "123456789012",
        "time": time,
        "region": "us-east-1",
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket},
            "object": {
                "key": key,
                "size": size,
                "etag": "b1946ac92492d2347c6235b4d2611184",
                **version,
                "sequencer": sequencer,
            },
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "123456789012",
            "source-ip-address": "203.0.113.7",
            "reason": "PutObject",
        },
    }


def notification(key: str, size: int, version_id: str = "") -> dict[str, Any]:
    """Return S3's own record; its key is form-encoded but for the slashes."""
    version = {"versionId": version_id} if version_id else {}
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-03-01T12:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:AIDAEXAMPLE"},
        "requestParameters": {"sourceIPAddress": "203.0.113.7"},
        "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "FMyUVURIY8"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "uploads",
            "bucket": {
                "name": BUCKET,
                "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                "arn": f"arn:aws:s3:::{BUCKET}",
            },
            "object": {
                "key": quote_plus(key, safe="/"),
                "size": size,
                "eTag": "b1946ac92492d2347c6235b4d2611184",
                **version,
                "sequencer": "0064D3901D00059242",
            },
        },
    }


TEST_EVENT: Final[Mapping[str, str]] = {
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2026-03-01T12:00:00.000Z",
    "Bucket": BUCKET,
    "RequestId": "5582815E1AEA5ADF",
    "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE",
}


def message(body: str, number: int = 1) -> dict[str, Any]:
    """Return a record of the queue's event source mapping."""
    return {
        "messageId": f"{number:0>8}-0000-4000-8000-000000000000",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1772366400000",
            "SenderId": "AIDAEXAMPLE",
            "ApproximateFirstReceiveTimestamp": "1772366400001",
        },
        "messageAttributes": {},
        "md5OfBody": "098f6bcd4621d373cade4e832627b4f6",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:thumbnails",
        "awsRegion": "us-east-1",
    }
