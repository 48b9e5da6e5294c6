"""The upload consumer with its real adapters, on moto and on the local Rekognition."""

import json
import logging
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import boto3
import pytest
from moto import mock_aws

from consumers import s3_uploads
from pipeline.errors import InvalidRecordError, RetryableError
from pipeline.local.rekognition import Declared, DeclaredImage, DeclaredLabel, Rekognition
from pipeline.metrics import Metric
from tests.fakes.image_account import (
    ENVIRONMENT,
    TEST_EVENT,
    Account,
    forget_environment,
    image_account,
    notification,
    object_created,
)
from tests.fakes.pictures import BLUE, bomb, encoded, jpeg, picture

CONTEXT: Any = None
UNSAFE = jpeg(401, 300)
ALLOWED = jpeg(402, 300)
KEY = "uploads/u1/holiday/beach.jpg"

MODERATION = Declared(
    (
        DeclaredImage(
            sha256(UNSAFE).hexdigest(),
            (
                DeclaredLabel("Weapons", 97.25, "Violence", 2),
                DeclaredLabel("Violence", 97.25),
                DeclaredLabel("Rude Gestures", 61.0),
            ),
        ),
        DeclaredImage(
            sha256(ALLOWED).hexdigest(),
            (
                DeclaredLabel("Alcoholic Beverages", 99.0, "Alcohol", 2),
                DeclaredLabel("Alcohol", 99.0),
            ),
        ),
    )
)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    environment = ENVIRONMENT | {
        "POWERTOOLS_SERVICE_NAME": "s3_uploads",
        "THUMBNAIL_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/thumbnails",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    forget_environment()
    s3_uploads.flow.cache_clear()
    with mock_aws():
        account = image_account()
        with Rekognition(boto3.client("s3"), MODERATION) as rekognition:
            monkeypatch.setenv("AWS_ENDPOINT_URL_REKOGNITION", rekognition.url)
            yield account
    forget_environment()
    s3_uploads.flow.cache_clear()


def upload(account: Account, body: bytes, key: str = KEY, **changes: Any) -> dict[str, Any]:  # noqa: ANN401  an event's own fields
    """Put an object and return the event of it."""
    version_id = account.put(key, body)
    return object_created(key, len(body), version_id, **changes)


def test_an_image_gets_a_row_with_its_labels_and_a_thumbnail_job(account: Account) -> None:
    event = upload(account, jpeg())

    s3_uploads.handler(event, CONTEXT)

    (row,) = account.rows()
    (job,) = account.jobs()
    labels = {
        label["M"]["name"]["S"]: float(label["M"]["confidence"]["N"])
        for label in row["labels"]["L"]
    }
    version_id = event["detail"]["object"]["version-id"]
    assert row["image_key"] == {"S": "content/uploads/u1/holiday/beach.jpg"}
    assert row["version"] == {"S": f"0064D3901D00059242#{version_id}"}
    assert (row["status"]["S"], row["user_id"]["S"]) == ("labelled", "u1")
    assert row["uploaded_at"] == {"S": "2026-03-01T12:00:00.000000Z"}
    assert row["model"] == {"S": "labels local-pixels-1, moderation local-declared-1"}
    assert labels["Dominant colour: blue"] > 80
    assert "expires_at" not in row
    assert job["job_id"] == row["job_id"]["S"]
    assert job["image"]["key"] == KEY
    assert account.rows("anomalies") == []


def test_the_notification_of_s3_itself_is_understood_with_its_encoded_key(account: Account) -> None:
    key = "uploads/u1/ä & b+c 100%.jpg"
    version_id = account.put(key, jpeg())

    s3_uploads.handler({"Records": [notification(key, len(jpeg()), version_id)]}, CONTEXT)

    (row,) = account.rows()
    assert row["image_key"] == {"S": "content/uploads/u1/ä & b+c 100%.jpg"}
    assert row["status"] == {"S": "labelled"}


def test_the_key_of_event_bridge_is_taken_as_it_is(account: Account) -> None:
    event = upload(account, jpeg(), key="uploads/u1/100%25+1.jpg")

    s3_uploads.handler(event, CONTEXT)

    assert [row["image_key"]["S"] for row in account.rows()] == ["content/uploads/u1/100%25+1.jpg"]


def test_an_object_without_a_version_is_read_as_it_is(account: Account) -> None:
    account.put(KEY, jpeg())

    s3_uploads.handler(object_created(KEY, len(jpeg())), CONTEXT)

    assert [row["status"]["S"] for row in account.rows()] == ["labelled"]


def test_the_test_event_of_s3_is_logged_and_changes_nothing(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    s3_uploads.handler(dict(TEST_EVENT), CONTEXT)

    assert account.rows() == []
    assert "S3 tests the notification" in caplog.messages


def test_an_event_that_comes_again_asks_rekognition_no_second_time(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = upload(account, jpeg())
    s3_uploads.handler(event, CONTEXT)
    (row,), (job,) = account.rows(), account.jobs()
    monkeypatch.setenv("AWS_ENDPOINT_URL_REKOGNITION", "http://127.0.0.1:9")

    forget_environment()
    s3_uploads.flow.cache_clear()
    s3_uploads.handler(event, CONTEXT)

    assert account.rows() == [row]
    assert account.jobs() == [job]


def test_an_image_that_is_done_is_not_worked_on_again(account: Account) -> None:
    event = upload(account, jpeg())
    s3_uploads.handler(event, CONTEXT)
    account.jobs()
    (row,) = account.rows()
    account.dynamodb.put_item(TableName="images", Item=row | {"status": {"S": "ready"}})

    s3_uploads.handler(event, CONTEXT)

    assert account.rows() == [row | {"status": {"S": "ready"}}]
    assert account.jobs() == []


def test_versions_of_an_object_have_rows_in_the_order_of_s3(account: Account) -> None:
    older = upload(account, jpeg(), sequencer="0064D3901D0005")
    newer = upload(account, jpeg(410, 300), sequencer="0064D3901D00059")

    s3_uploads.handler(newer, CONTEXT)
    s3_uploads.handler(older, CONTEXT)

    answer = account.dynamodb.query(
        TableName="images",
        KeyConditionExpression="image_key = :key",
        ExpressionAttributeValues={":key": {"S": f"content/{KEY}"}},
        ScanIndexForward=False,
        Limit=1,
    )
    assert len(account.rows()) == 2
    assert answer["Items"][0]["version_id"]["S"] == newer["detail"]["object"]["version-id"]


def test_a_webp_which_rekognition_refuses_is_converted_first(account: Account) -> None:
    s3_uploads.handler(upload(account, encoded(picture(), "WEBP")), CONTEXT)

    (row,) = account.rows()
    assert row["status"] == {"S": "labelled"}
    assert row["labels"]["L"]


@pytest.mark.parametrize(
    "body",
    [jpeg(40, 30), encoded(picture(10_400, 90), "PNG"), encoded(picture(mode="CMYK"), "JPEG")],
    ids=["smaller than 80 pixels", "wider than 10,000 pixels", "CMYK"],
)
def test_a_jpeg_or_png_beyond_rekognitions_limits_is_converted(
    account: Account, body: bytes
) -> None:
    s3_uploads.handler(upload(account, body), CONTEXT)

    assert [row["status"]["S"] for row in account.rows()] == ["labelled"]


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (b"", "empty"),
        (b"<html><script>alert(1)</script></html>", "not_an_image"),
        (encoded(picture(), "GIF"), "not_an_image"),
        (jpeg()[:2000], "broken"),
        (bomb(), "too_many_pixels"),
    ],
    ids=["empty", "markup", "GIF", "truncated", "bomb"],
)
def test_what_is_no_image_is_recorded_with_the_reason_and_not_retried(
    account: Account, body: bytes, failure: str
) -> None:
    event = upload(account, body)

    s3_uploads.handler(event, CONTEXT)

    (row,) = account.rows()
    assert (row["status"]["S"], row["failure"]["S"]) == ("refused", failure)
    assert row["expires_at"] == {"N": "1774958400"}
    assert account.jobs() == []


def test_an_object_that_is_too_large_is_not_even_read(account: Account) -> None:
    event = upload(account, jpeg())
    event["detail"]["object"]["size"] = 15 * 1024 * 1024 + 1

    s3_uploads.handler(event, CONTEXT)

    assert [row["failure"]["S"] for row in account.rows()] == ["too_large"]


@pytest.mark.parametrize("is_versioned", [True, False])
def test_an_object_that_is_gone_is_recorded_as_gone(account: Account, is_versioned: bool) -> None:  # noqa: FBT001  a parameter of the test
    version_id = account.put(KEY, jpeg())
    account.s3.delete_object(Bucket="content", Key=KEY, VersionId=version_id)

    s3_uploads.handler(object_created(KEY, 500, version_id if is_versioned else ""), CONTEXT)

    assert [row["failure"]["S"] for row in account.rows()] == ["gone"]


def test_a_key_without_a_user_is_recorded_and_stays_out_of_the_index(account: Account) -> None:
    s3_uploads.handler(upload(account, jpeg(), key="uploads/logo.jpg"), CONTEXT)

    (row,) = account.rows()
    assert row["failure"] == {"S": "no_user"}
    assert "user_id" not in row


def test_throttling_is_raised_so_that_lambda_invokes_again(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = upload(account, jpeg())
    monkeypatch.setenv("AWS_ENDPOINT_URL_REKOGNITION", "http://127.0.0.1:9")

    with pytest.raises(RetryableError, match="look at an image"):
        s3_uploads.handler(event, CONTEXT)

    assert account.rows() == []
    assert account.jobs() == []


def test_objects_of_one_notification_are_taken_each_for_itself(account: Account) -> None:
    first, second = account.put("uploads/u1/a", b"text"), account.put("uploads/u2/b", jpeg())

    s3_uploads.handler(
        {
            "Records": [
                notification("uploads/u1/a", 4, first),
                notification("uploads/u2/b", len(jpeg()), second),
            ]
        },
        CONTEXT,
    )

    statuses = {row["user_id"]["S"]: row["status"]["S"] for row in account.rows()}
    assert statuses == {"u1": "refused", "u2": "labelled"}


def test_a_foreign_object_fails_and_holds_up_no_other_of_its_notification(
    account: Account,
) -> None:
    foreign, good = notification(KEY, 4), notification(KEY, len(jpeg()), account.put(KEY, jpeg()))
    foreign["s3"]["bucket"]["name"] = "somebody-elses"

    with pytest.raises(InvalidRecordError, match="somebody-elses"):
        s3_uploads.handler({"Records": [foreign, good]}, CONTEXT)

    assert [row["status"]["S"] for row in account.rows()] == ["labelled"]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"Records": [{"eventName": "ObjectRemoved:Delete"}]},
        object_created(KEY, 4) | {"detail-type": "Object Deleted"},
        object_created(KEY, 4, bucket="somebody-elses"),
        object_created("uploads/u1/\ud800", 4),
    ],
    ids=["nothing", "removal", "removal of EventBridge", "foreign bucket", "half a character"],
)
def test_what_is_no_upload_of_ours_fails_for_good_and_touches_nothing(
    account: Account, event: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRecordError):
        s3_uploads.handler(event, CONTEXT)

    assert account.rows() == []


def test_unsafe_content_is_an_anomaly_of_its_user(account: Account) -> None:
    s3_uploads.handler(upload(account, UNSAFE), CONTEXT)

    (fact,) = account.rows("anomalies")
    (row,) = account.rows()
    assert fact["dedup_key"] == {"S": "unsafe_content#u1"}
    assert fact["fact_key"] == {"S": f"2026-03-01T12:00:00.000000Z#{row['job_id']['S']}#opened"}
    assert (fact["severity"]["S"], fact["observed"]["N"]) == ("high", "97.2")
    assert [reason["S"] for reason in fact["reasons"]["L"]] == [
        "Violence: 97.2 % confidence",
        "Weapons: 97.2 % confidence",
    ]
    assert row["status"] == {"S": "labelled"}


def test_an_unsafe_image_that_comes_again_is_the_same_fact(account: Account) -> None:
    event = upload(account, UNSAFE)
    s3_uploads.handler(event, CONTEXT)
    (fact,) = account.rows("anomalies")

    s3_uploads.handler(event, CONTEXT)

    assert account.rows("anomalies") == [fact]


def test_what_the_product_permits_is_no_anomaly(account: Account) -> None:
    s3_uploads.handler(upload(account, ALLOWED), CONTEXT)

    assert account.rows("anomalies") == []


def broken_uploads(account: Account, count: int) -> list[dict[str, Any]]:
    return [
        upload(account, b"no image", key=f"uploads/u1/{n}.jpg", time=f"2026-03-01T12:0{n}:00Z")
        for n in range(count)
    ]


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 2, 0, 3, 1]], ids=["in order", "shuffled"])
def test_five_broken_images_of_a_user_within_a_day_are_one_anomaly(
    account: Account, order: list[int]
) -> None:
    events = broken_uploads(account, 5)

    for number in order:
        s3_uploads.handler(events[number], CONTEXT)
        s3_uploads.handler(events[number], CONTEXT)

    (fact,) = account.rows("anomalies")
    assert fact["dedup_key"] == {"S": "hostile_images#u1"}
    assert fact["opened_at"] == {"S": "2026-03-01T12:04:00.000000Z"}
    assert fact["observed"] == {"N": "5"}


def test_four_broken_images_delivered_twice_are_no_anomaly(account: Account) -> None:
    for event in broken_uploads(account, 4) * 2:
        s3_uploads.handler(event, CONTEXT)

    assert account.rows("anomalies") == []


def test_an_invocation_leaves_its_metrics_in_one_line(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    s3_uploads.handler(upload(account, UNSAFE), CONTEXT)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [line for line in lines if "_aws" in line]
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert (line["ImagesLabelled"], line["ImagesRefused"]) == ([1], [0])
    assert line["ImageAnomaliesFound"] == [1]
    assert {metric["Name"] for metric in directive["Metrics"]} == {
        metric.title for metric in Metric if "s3_uploads" in metric.services
    }


def test_the_picture_of_these_tests_is_mostly_blue() -> None:
    assert picture().getpixel((399, 299)) == BLUE
