from typing import Any

import boto3
from moto import mock_aws

from pipeline.adapters.aws import CLIENT_CONFIG
from pipeline.adapters.bucket_owner import own_buckets_only

BUCKET = "lake"


def test_every_call_names_the_account_that_the_bucket_must_belong_to() -> None:
    with mock_aws():
        client: Any = boto3.Session("test", "test", region_name="us-east-1").client(
            "s3", config=CLIENT_CONFIG
        )
        named: list[bytes | None] = []
        client.meta.events.register(
            "before-send.s3",
            lambda request, **_: named.append(request.headers.get("x-amz-expected-bucket-owner")),
        )
        client.create_bucket(Bucket=BUCKET)
        own_buckets_only(client, "123456789012")

        client.put_object(Bucket=BUCKET, Key="a", Body=b"x")
        client.get_object(Bucket=BUCKET, Key="a")
        client.list_objects_v2(Bucket=BUCKET)
        client.list_object_versions(Bucket=BUCKET)
        client.delete_object(Bucket=BUCKET, Key="a")
        client.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "a"}]})

    assert named == [None, *[b"123456789012"] * 6]
