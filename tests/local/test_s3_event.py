"""S3's events to the field, as AWS documents and sends them."""

from dataclasses import replace
from urllib.parse import unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.local.semantics.s3_event import (
    NotificationFilter,
    ObjectChange,
    bus_event,
    is_later,
    notification,
    target_notice,
)

PUT = ObjectChange(
    name="ObjectCreated:Put",
    bucket="pictures",
    key="in/a b@c+ü.png",
    sequencer="00000000000000002A",
    moment=1_772_000_000.25,
    region="us-east-1",
    account_id="123456789012",
    principal="Uploader",
    source_ip="127.0.0.1",
    request_id="C3D13FE58DE4C810",
    size_bytes=5,
    etag="5d41402abc4b2a76b9719d911017c592",
)
DELETE = replace(PUT, name="ObjectRemoved:Delete", size_bytes=None, etag=None)
MARKER = replace(
    DELETE,
    name="ObjectRemoved:DeleteMarkerCreated",
    etag="d41d8cd98f00b204e9800998ecf8427e",
    version_id="v2",
)


def test_a_notification_has_every_field_of_s3() -> None:
    event = notification(PUT, "config-1")

    (record,) = event["Records"]
    extended = record["responseElements"].pop("x-amz-id-2")
    assert len(extended) == 64
    assert record == {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-02-25T06:13:20.250Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:Uploader"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "config-1",
            "bucket": {
                "name": "pictures",
                "ownerIdentity": {"principalId": "123456789012"},
                "arn": "arn:aws:s3:::pictures",
            },
            "object": {
                "key": "in/a+b%40c%2B%C3%BC.png",
                "size": 5,
                "eTag": "5d41402abc4b2a76b9719d911017c592",
                "sequencer": "00000000000000002A",
            },
        },
    }


def test_a_removed_object_has_a_key_and_a_sequencer_alone() -> None:
    told = notification(DELETE, "c")["Records"][0]["s3"]["object"]
    marked = notification(MARKER, "c")["Records"][0]["s3"]["object"]

    assert sorted(told) == ["key", "sequencer"]
    assert sorted(marked) == ["eTag", "key", "sequencer", "versionId"]


def test_the_event_bus_gets_the_key_as_it_is() -> None:
    event = bus_event(replace(PUT, version_id="v1"), "id-1")

    assert event == {
        "version": "0",
        "id": "id-1",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "123456789012",
        "time": "2026-02-25T06:13:20Z",
        "region": "us-east-1",
        "resources": ["arn:aws:s3:::pictures"],
        "detail": {
            "version": "0",
            "bucket": {"name": "pictures"},
            "object": {
                "key": "in/a b@c+ü.png",
                "size": 5,
                "etag": "5d41402abc4b2a76b9719d911017c592",
                "version-id": "v1",
                "sequencer": "00000000000000002A",
            },
            "request-id": "C3D13FE58DE4C810",
            "requester": "123456789012",
            "source-ip-address": "127.0.0.1",
            "reason": "PutObject",
        },
    }


@pytest.mark.parametrize(
    ("change", "deletion_type", "fields"),
    [
        (DELETE, "Permanently Deleted", ["key", "sequencer"]),
        (MARKER, "Delete Marker Created", ["etag", "key", "sequencer", "version-id"]),
    ],
)
def test_the_event_bus_is_told_how_an_object_was_deleted(
    change: ObjectChange, deletion_type: str, fields: list[str]
) -> None:
    event = bus_event(change, "id-1")

    assert event["detail-type"] == "Object Deleted"
    assert event["detail"]["deletion-type"] == deletion_type
    assert event["detail"]["reason"] == "DeleteObject"
    assert sorted(event["detail"]["object"]) == fields


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ObjectCreated:Post", "POST Object"),
        ("ObjectCreated:Copy", "CopyObject"),
        ("ObjectCreated:CompleteMultipartUpload", "CompleteMultipartUpload"),
    ],
)
def test_the_reason_is_the_call(name: str, reason: str) -> None:
    assert bus_event(replace(PUT, name=name), "id-1")["detail"]["reason"] == reason


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (NotificationFilter(("s3:ObjectCreated:*",)), True),
        (NotificationFilter(("s3:ObjectCreated:Put",)), True),
        (NotificationFilter(("s3:ObjectCreated:Copy",)), False),
        (NotificationFilter(("s3:ObjectRemoved:*",)), False),
        (NotificationFilter(("s3:ObjectCreated:*",), prefix="in/a b"), True),
        (NotificationFilter(("s3:ObjectCreated:*",), prefix="in/a+b"), False),
        (NotificationFilter(("s3:ObjectCreated:*",), prefix="in/", suffix=".png"), True),
        (NotificationFilter(("s3:ObjectCreated:*",), prefix="in/", suffix=".jpg"), False),
    ],
)
def test_a_filter_looks_at_the_type_and_at_the_key_as_it_is(
    wanted: NotificationFilter, *, matches: bool
) -> None:
    assert wanted.matches(PUT) is matches


def test_a_new_target_is_told_so() -> None:
    notice = target_notice("pictures", 1_772_000_000.25, "C3D13FE58DE4C810")

    assert notice.pop("HostId")
    assert notice == {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2026-02-25T06:13:20.250Z",
        "Bucket": "pictures",
        "RequestId": "C3D13FE58DE4C810",
    }


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_every_key_comes_back_from_its_form_encoding(key: str) -> None:
    encoded = notification(replace(PUT, key=key), "c")["Records"][0]["s3"]["object"]["key"]

    assert unquote_plus(encoded) == key
    assert encoded.isascii()


def test_sequencers_are_compared_by_padding_on_the_right() -> None:
    assert is_later("0055B", "0055AED6DCD90281E5")
    assert not is_later("0055AED6", "0055AED600")
    assert not is_later("0055AED6", "0055AED601")
