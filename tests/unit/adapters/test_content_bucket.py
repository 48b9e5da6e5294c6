"""The content bucket as an adopted one may be: without versions, or with those of before."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipeline.adapters.content_bucket import ContentBucket
from pipeline.images import Image, ImageRefusedError

KEY = "uploads/u1/a.jpg"


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client: Any = boto3.Session("test", "test", region_name="us-east-1").client("s3")
        client.create_bucket(Bucket="product-pictures")
        yield client


def set_versioning(s3: Any, status: str) -> None:  # noqa: ANN401  boto3 client
    s3.put_bucket_versioning(Bucket="product-pictures", VersioningConfiguration={"Status": status})


def put(s3: Any, body: bytes = b"image") -> None:  # noqa: ANN401  boto3 client
    s3.put_object(Bucket="product-pictures", Key=KEY, Body=body)


def left(s3: Any) -> list[str]:  # noqa: ANN401  boto3 client
    page = s3.list_object_versions(Bucket="product-pictures")
    return [one["Key"] for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]]


def test_an_erasure_reaches_objects_of_a_bucket_that_never_had_versions(s3: Any) -> None:  # noqa: ANN401  boto3 client
    put(s3)

    ContentBucket(s3, "product-pictures").erase("uploads/u1/")

    assert left(s3) == []
    assert s3.list_objects_v2(Bucket="product-pictures")["KeyCount"] == 0


def test_an_erasure_reaches_all_of_a_bucket_whose_versions_are_suspended(s3: Any) -> None:  # noqa: ANN401  boto3 client
    put(s3)
    set_versioning(s3, "Enabled")
    put(s3)
    set_versioning(s3, "Suspended")
    put(s3)

    ContentBucket(s3, "product-pictures").erase("uploads/u1/")

    assert left(s3) == []


def test_an_event_without_a_version_is_about_the_object_that_is_there_now(s3: Any) -> None:  # noqa: ANN401  boto3 client
    image = Image(bucket="product-pictures", key=KEY, version_id="", sequencer="0064D3")
    bucket = ContentBucket(s3, "product-pictures")
    put(s3, b"reported")
    put(s3, b"replaced")

    body = bucket.read(image)
    bucket.erase("uploads/u1/")

    assert body == b"replaced"
    with pytest.raises(ImageRefusedError, match="gone"):
        bucket.read(image)
