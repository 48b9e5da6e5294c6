"""The thumbnail consumer with its real adapters on moto."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from threading import Thread
from typing import Any

import pytest
from moto import mock_aws
from PIL import Image as Pillow

from consumers import sqs_thumbnails
from pipeline.bootstrap import shared
from pipeline.bootstrap import sqs_thumbnails as bootstrap
from pipeline.detection.anomaly import timestamp_text
from pipeline.flows.thumbnails.keys import source_key
from pipeline.images import Image, ThumbnailJob, encode_job
from pipeline.metrics import Metric
from tests.fakes.image_account import (
    ENVIRONMENT,
    Account,
    forget_environment,
    image_account,
    message,
)
from tests.fakes.pictures import bomb, encoded, jpeg, picture
from tests.hostile_texts import HOSTILE_TEXTS
from tests.log_lines import log_lines

CONTEXT: Any = None
KEY = "uploads/u1/holiday/beach 1.jpg"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name, value in {**ENVIRONMENT, "POWERTOOLS_SERVICE_NAME": "sqs_thumbnails"}.items():
        monkeypatch.setenv(name, value)
    forget_environment()
    sqs_thumbnails.flow.cache_clear()
    with mock_aws():
        yield image_account()
    forget_environment()
    sqs_thumbnails.flow.cache_clear()


def labelled(
    account: Account,
    body: bytes,
    *,
    key: str = KEY,
    sequencer: str = "0064D3",
    minute: int = 0,
    is_versioned: bool = True,
) -> str:
    """Put an image whose labels are known, and return the body of its job."""
    version_id = account.put(key, body)
    image = Image(
        bucket="content",
        key=key,
        version_id=version_id if is_versioned else "",
        sequencer=sequencer,
    )
    uploaded_at = NOON.replace(minute=minute)
    account.dynamodb.put_item(
        TableName="images",
        Item={
            "image_key": {"S": image.image_key},
            "version": {"S": image.version},
            "job_id": {"S": image.job_id},
            "user_id": {"S": image.user_id},
            "uploaded_at": {"S": timestamp_text(uploaded_at)},
            "status": {"S": "labelled"},
        },
    )
    return encode_job(ThumbnailJob(job_id=image.job_id, image=image, uploaded_at=uploaded_at))


def handle(*bodies: str) -> list[str]:
    """Deliver messages and return the numbers of those that failed."""
    records = [message(body, number) for number, body in enumerate(bodies, start=1)]
    answer = sqs_thumbnails.handler({"Records": records}, CONTEXT)
    return [item["itemIdentifier"][:8].lstrip("0") for item in answer["batchItemFailures"]]


def thumbnail(account: Account, key: str) -> Pillow.Image:
    body = account.s3.get_object(Bucket="content", Key=key)["Body"].read()
    return Pillow.open(io.BytesIO(body))


def test_an_image_gets_three_thumbnails_and_its_row_says_so(account: Account) -> None:
    body = labelled(account, jpeg(3000, 1500))

    failed = handle(body)

    (row,) = account.rows()
    made = [entry["M"] for entry in row["thumbnails"]["L"]]
    folder = "thumbnails/u1/holiday/beach_201.jpg/0064D3"
    assert failed == []
    assert account.keys("thumbnails/") == [
        f"{folder}/1024.jpg",
        f"{folder}/128.jpg",
        f"{folder}/512.jpg",
    ]
    assert row["status"] == {"S": "ready"}
    assert [(entry["size"]["N"], entry["width"]["N"], entry["height"]["N"]) for entry in made] == [
        ("1024", "1024", "512"),
        ("512", "512", "256"),
        ("128", "128", "64"),
    ]
    for entry in made:
        head = account.s3.head_object(Bucket="content", Key=entry["key"]["S"])
        assert head["ContentType"] == entry["content_type"]["S"] == "image/jpeg"
        assert str(head["ContentLength"]) == entry["size_bytes"]["N"]
        assert source_key(entry["key"]["S"]) == KEY
        assert thumbnail(account, entry["key"]["S"]).format == "JPEG"


def test_what_shines_through_becomes_webp_with_its_content_type(account: Account) -> None:
    see_through = picture(mode="RGBA")
    see_through.putalpha(120)

    handle(labelled(account, encoded(see_through, "PNG")))

    (key, *_) = account.keys("thumbnails/")
    assert key.endswith("/1024.webp")
    assert account.s3.head_object(Bucket="content", Key=key)["ContentType"] == "image/webp"


def test_a_message_that_comes_again_does_nothing(account: Account) -> None:
    body = labelled(account, jpeg())
    handle(body)
    (row,), keys = account.rows(), account.keys("thumbnails/")
    account.s3.delete_object(Bucket="content", Key=KEY)

    failed = handle(body, body)

    assert failed == []
    assert (account.rows(), account.keys("thumbnails/")) == ([row], keys)


def test_an_older_version_that_comes_later_is_not_worked_on(account: Account) -> None:
    older = labelled(account, jpeg(600, 600), sequencer="0064D3")
    newer = labelled(account, jpeg(500, 500), sequencer="0064D4")

    failed = handle(newer, older)

    statuses = {row["version"]["S"][:6]: row["status"]["S"] for row in account.rows()}
    assert failed == []
    assert statuses == {"0064D3": "superseded", "0064D4": "ready"}
    assert {key.split("/")[4] for key in account.keys("thumbnails/")} == {"0064D4"}


def test_versions_made_one_after_the_other_do_not_share_an_object(account: Account) -> None:
    older = labelled(account, jpeg(600, 600), sequencer="0064D3")
    handle(older)
    newer = labelled(account, jpeg(500, 500), sequencer="0064D4")

    handle(newer, older)

    assert len(account.keys("thumbnails/")) == 6


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (bomb(), "too_many_pixels"),
        (jpeg(2000, 2000)[:-3000], "broken"),
        (b"\xff\xd8\xff" + b"<script>alert(1)</script>" * 9, "not_an_image"),
        (encoded(picture(), "GIF"), "not_an_image"),
    ],
    ids=["bomb", "truncated", "polyglot", "format that is not allowed"],
)
def test_a_hostile_image_is_recorded_with_the_reason_and_not_retried(
    account: Account, body: bytes, failure: str
) -> None:
    failed = handle(labelled(account, body))

    (row,) = account.rows()
    assert failed == []
    assert (row["status"]["S"], row["failure"]["S"]) == ("refused", failure)
    assert row["detail"]["S"]
    assert account.keys("thumbnails/") == []


def test_an_object_that_is_gone_is_recorded_as_gone(account: Account) -> None:
    body = labelled(account, jpeg())
    version_id = json.loads(body)["image"]["version_id"]
    account.s3.delete_object(Bucket="content", Key=KEY, VersionId=version_id)

    failed = handle(body)

    assert failed == []
    (row,) = account.rows()
    assert row["failure"]["S"] == "gone"
    assert row["expires_at"] == {"N": "1774958400"}  # 30 days after the upload


def test_an_object_that_has_become_too_large_is_not_read(account: Account) -> None:
    body = labelled(account, jpeg(), is_versioned=False)
    account.put(KEY, bytes(15 * 1024 * 1024 + 1))

    failed = handle(body)

    assert failed == []
    (row,) = account.rows()
    assert row["failure"]["S"] == "too_large"
    assert row["detail"]["S"] == "15728641 bytes, the limit is 15728640"
    assert "expires_at" not in row


def test_a_key_whose_thumbnails_would_have_too_long_keys_is_recorded(account: Account) -> None:
    failed = handle(labelled(account, jpeg(), key="uploads/u1/" + "ä" * 170))

    (row,) = account.rows()
    assert failed == []
    assert row["detail"]["S"] == "its thumbnails would have keys of 1050 bytes"


def test_a_job_whose_row_is_gone_leaves_nothing_behind(account: Account) -> None:
    body = labelled(account, jpeg())
    (row,) = account.rows()
    account.put("thumbnails/u1/holiday/beach_201.jpg/0064D3/512.jpg", b"of an attempt that died")
    account.put("thumbnails/u1/holiday/beach_202.jpg/0064D3/512.jpg", b"of another image")
    account.dynamodb.delete_item(
        TableName="images", Key={name: row[name] for name in ("image_key", "version")}
    )

    failed = handle(body)

    assert failed == []
    assert account.rows() == []
    assert account.versions("thumbnails/") == ["thumbnails/u1/holiday/beach_202.jpg/0064D3/512.jpg"]


def test_a_user_who_is_erased_meanwhile_leaves_no_thumbnail(account: Account) -> None:
    body = labelled(account, jpeg())
    (row,) = account.rows()
    key = {name: row[name] for name in ("image_key", "version")}
    client = bootstrap.image_objects(bootstrap.thumbnail_settings())._client  # type: ignore[attr-defined]  # S3's

    def erase(**_: object) -> None:
        erasure = Thread(  # not a call of the consumer's
            target=account.dynamodb.delete_item, kwargs={"TableName": "images", "Key": key}
        )
        erasure.start()
        erasure.join()

    client.meta.events.register("after-call.s3.PutObject", erase)

    failed = handle(body)

    assert failed == []
    assert (account.rows(), account.versions("thumbnails/")) == ([], [])


def test_an_image_of_a_bucket_without_versions_is_read_as_it_is(account: Account) -> None:
    failed = handle(labelled(account, jpeg(), is_versioned=False))

    assert failed == []
    assert [row["status"]["S"] for row in account.rows()] == ["ready"]


def test_the_rest_of_a_batch_does_not_suffer_from_one_message(account: Account) -> None:
    good = labelled(account, jpeg())
    foreign = labelled(account, jpeg(), key="uploads/u2/x").replace('"content"', '"foreign"')

    failed = handle("no job", good, foreign, '{"job":"else"}')

    assert failed == ["1", "3", "4"]
    assert sorted(row["status"]["S"] for row in account.rows()) == ["labelled", "ready"]


@pytest.mark.usefixtures("account")
def test_no_hostile_message_forges_a_log_line() -> None:
    with log_lines(sqs_thumbnails.logger) as logged:
        failed = handle(*HOSTILE_TEXTS, *(json.dumps({"job": text}) for text in HOSTILE_TEXTS))

    assert len(failed) == 2 * len(HOSTILE_TEXTS)
    assert [line["message"] for line in logged.parsed()] == ["job failed"] * len(failed)


def test_a_job_about_a_foreign_bucket_calls_nothing(account: Account) -> None:
    body = labelled(account, jpeg()).replace('"content"', '"foreign"')
    called: list[str] = []
    clients: tuple[Any, ...] = (shared.s3(), shared.dynamodb())
    for client in clients:
        client.meta.events.register("before-call", lambda model, **_: called.append(model.name))

    failed = handle(body)

    assert failed == ["1"]
    assert called == []


def test_an_outage_sends_the_message_back_and_leaves_the_row(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = labelled(account, jpeg())
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")

    failed = handle(body)

    assert failed == ["1"]
    assert [row["status"]["S"] for row in account.rows()] == ["labelled"]


def test_five_hostile_images_of_a_user_are_one_anomaly_however_often_they_come(
    account: Account,
) -> None:
    bodies = [labelled(account, bomb(), key=f"uploads/u1/{n}.png", minute=n) for n in range(5)]

    handle(*reversed(bodies))
    handle(*bodies)

    (fact,) = account.rows("anomalies")
    assert fact["dedup_key"] == {"S": "hostile_images#u1"}
    assert fact["occurred_at"] == {"S": "2026-03-01T12:04:00.000000Z"}
    assert [reason["S"] for reason in fact["reasons"]["L"]] == ["too_many_pixels: 5 of 5"]


def test_hostile_images_of_many_users_are_no_anomaly(account: Account) -> None:
    handle(*(labelled(account, bomb(), key=f"uploads/u{n}/x.png") for n in range(6)))

    assert account.rows("anomalies") == []


def test_a_batch_leaves_its_metrics_in_one_line(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = labelled(account, jpeg()), labelled(account, b"", key="uploads/u1/empty")

    handle(good, good, bad, "no job")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [line for line in lines if "_aws" in line]
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert (line["ImagesWithThumbnails"], line["ImagesSkipped"]) == ([1], [1])
    assert (line["ImagesRefused"], line["ThumbnailJobsFailed"]) == ([1], [1])
    assert {metric["Name"] for metric in directive["Metrics"]} == {
        metric.title for metric in Metric if "sqs_thumbnails" in metric.services
    }
