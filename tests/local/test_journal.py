"""What the moto server's process writes down of objects and events, read as the run reads it."""

import json
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.local.endpoint import Endpoint
from pipeline.local.server.journal import JOURNAL_PATH

Read = Callable[[], list[dict[str, Any]]]


def read(endpoint: Endpoint, after: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"{endpoint.url}{JOURNAL_PATH}?after={after}") as answer:
        page: dict[str, Any] = json.load(answer)
    return page


@pytest.fixture
def facts(endpoint: Endpoint) -> Read:
    """Give the facts since the test began."""
    began = read(endpoint, -1)["last"]
    return lambda: read(endpoint, began)["facts"]


@pytest.fixture
def bucket(endpoint: Endpoint) -> str:
    name = f"journal-{uuid.uuid4()}"
    endpoint.client("s3").create_bucket(Bucket=name)
    return name


def versioned(endpoint: Endpoint, bucket: str) -> None:
    endpoint.client("s3").put_bucket_versioning(
        Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
    )


def test_a_put_is_told_with_all_that_events_are_made_of(
    endpoint: Endpoint, bucket: str, facts: Read
) -> None:
    endpoint.client("s3").put_object(Bucket=bucket, Key="a b/ü+@.txt", Body=b"hello")

    (fact,) = facts()
    assert len(fact["sequencer"]) == 18
    assert len(fact["request_id"]) == 16
    assert fact["time"] > 1_700_000_000
    told = ("kind", "name", "bucket", "key", "size_bytes", "etag", "version_id", "region")
    assert {name: fact[name] for name in told} == {
        "kind": "object",
        "name": "ObjectCreated:Put",
        "bucket": bucket,
        "key": "a b/ü+@.txt",
        "size_bytes": 5,
        "etag": "5d41402abc4b2a76b9719d911017c592",
        "version_id": None,
        "region": "us-east-1",
    }
    assert (fact["caller"], fact["source_ip"]) == ("test", "127.0.0.1")


def test_a_bucket_tells_event_bridge_once_it_is_told_to(
    endpoint: Endpoint, bucket: str, facts: Read
) -> None:
    s3 = endpoint.client("s3")
    s3.put_object(Bucket=bucket, Key="one", Body=b"x")
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    s3.put_object(Bucket=bucket, Key="two", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="two")

    assert [fact["tells_event_bridge"] for fact in facts()] == [False, True, True]


def test_a_multipart_upload_is_one_fact(endpoint: Endpoint, bucket: str, facts: Read) -> None:
    s3 = endpoint.client("s3")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
    part = s3.upload_part(
        Bucket=bucket, Key="big", PartNumber=1, UploadId=upload, Body=b"x" * 6_000_000
    )
    s3.complete_multipart_upload(
        Bucket=bucket,
        Key="big",
        UploadId=upload,
        MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]},
    )

    (fact,) = facts()
    assert fact["name"] == "ObjectCreated:CompleteMultipartUpload"
    assert fact["size_bytes"] == 6_000_000
    assert fact["etag"].endswith("-1")


def test_a_copy_is_one_fact_of_its_own_kind(endpoint: Endpoint, bucket: str, facts: Read) -> None:
    s3 = endpoint.client("s3")
    s3.put_object(Bucket=bucket, Key="one", Body=b"x")
    s3.copy_object(Bucket=bucket, Key="two", CopySource=f"{bucket}/one")

    assert [(fact["name"], fact["key"]) for fact in facts()] == [
        ("ObjectCreated:Put", "one"),
        ("ObjectCreated:Copy", "two"),
    ]


def test_a_put_after_a_copy_that_was_refused_is_told(
    endpoint: Endpoint, bucket: str, facts: Read
) -> None:
    s3 = endpoint.client("s3")
    s3.put_object(Bucket=bucket, Key="one", Body=b"x")
    with pytest.raises(s3.exceptions.ClientError, match="without changing"):
        s3.copy_object(Bucket=bucket, Key="one", CopySource=f"{bucket}/one")
    s3.put_object(Bucket=bucket, Key="one", Body=b"y")

    assert [fact["name"] for fact in facts()] == ["ObjectCreated:Put", "ObjectCreated:Put"]


def test_a_removal_is_told_once_for_each_key_that_was_there(
    endpoint: Endpoint, bucket: str, facts: Read
) -> None:
    s3 = endpoint.client("s3")
    for key in ("one", "two"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": key} for key in ("one", "two", "none")]}
    )

    removed = [(fact["name"], fact["key"], fact["etag"]) for fact in facts()[2:]]
    assert removed == [
        ("ObjectRemoved:Delete", "one", None),
        ("ObjectRemoved:Delete", "two", None),
    ]


def test_a_versioned_bucket_tells_versions_and_delete_markers(
    endpoint: Endpoint, bucket: str, facts: Read
) -> None:
    s3 = endpoint.client("s3")
    versioned(endpoint, bucket)
    version = s3.put_object(Bucket=bucket, Key="one", Body=b"x")["VersionId"]
    marker = s3.delete_object(Bucket=bucket, Key="one")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="one", VersionId=version)

    told = facts()
    assert [(fact["name"], fact["version_id"], fact["etag"]) for fact in told] == [
        ("ObjectCreated:Put", version, "9dd4e461268c8034f5c8564e155c67a6"),
        ("ObjectRemoved:DeleteMarkerCreated", marker, "d41d8cd98f00b204e9800998ecf8427e"),
        ("ObjectRemoved:Delete", version, None),
    ]
    sequencers = [fact["sequencer"] for fact in told]
    assert sequencers == sorted(set(sequencers))


def test_accepted_events_are_told_and_refused_ones_are_not(endpoint: Endpoint, facts: Read) -> None:
    answer = endpoint.client("events").put_events(
        Entries=[
            {"Source": "shop", "DetailType": "Sale", "Detail": '{"price": 1.50}'},
            {"Source": "shop", "DetailType": "Sale", "Detail": "no json"},
        ]
    )

    (fact,) = facts()
    assert answer["FailedEntryCount"] == 1
    assert fact["event_id"] == answer["Entries"][0]["EventId"]
    assert (fact["kind"], fact["bus"], fact["source"]) == ("event", "default", "shop")
    assert (fact["detail_type"], fact["detail"]) == ("Sale", '{"price": 1.50}')


def test_metadata_is_there_before_the_fact(endpoint: Endpoint, bucket: str, facts: Read) -> None:
    endpoint.client("s3").put_object(
        Bucket=bucket, Key="one", Body=b"x", Metadata={"who": "me"}, Tagging="a=b"
    )

    (fact,) = facts()
    head = endpoint.client("s3").head_object(Bucket=bucket, Key=fact["key"])
    assert head["Metadata"] == {"who": "me"}
