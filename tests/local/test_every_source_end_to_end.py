"""Each source from its outside door to what must come out, alert included, on one local run."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.inbox import Inbox, Notification
from pipeline.local.lambda_service import LambdaSettings
from pipeline.local.rekognition import Declared, DeclaredImage, DeclaredLabel
from pipeline.local.run import LocalRun
from tests.fakes.pictures import encoded, jpeg, picture

ROOT = Path(__file__).resolve().parent.parent.parent
UNSAFE = encoded(picture(300, 200), "PNG")
DECLARED = Declared(
    image=(
        DeclaredImage(
            sha256=sha256(UNSAFE).hexdigest(),
            labels=(DeclaredLabel(name="Violence", confidence=97.5),),
        ),
    )
)

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    settings = LambdaSettings(poll_interval_s=0.05, visibility_scale=0.003)
    directory = tmp_path_factory.mktemp("run")
    with LocalRun(
        ROOT / "template.yaml", directory=directory, settings=settings, moderation=DECLARED
    ) as running:
        yield running


@pytest.fixture(scope="module")
def alerts(run: LocalRun) -> Inbox:
    return inbox(run, "AlertsTopic")


def inbox(run: LocalRun, topic: str) -> Inbox:
    names = run.deployment.physical_ids
    clients = run.endpoint.client("sns"), run.endpoint.client("sqs")
    return Inbox(*clients, names[topic], f"test-{topic}")


def dedup_keys(notifications: Iterator[Notification]) -> list[str]:
    return [json.loads(one.body)["dedup_key"] for one in notifications]


def put_user(run: LocalRun, **fields: str) -> None:
    run.endpoint.client("dynamodb").put_item(
        TableName=run.deployment.physical_ids["UsersTable"],
        Item={name: {"S": text} for name, text in fields.items()},
    )


def rows(run: LocalRun, table: str) -> list[dict[str, Any]]:
    name = run.deployment.physical_ids[table]
    found: list[dict[str, Any]] = run.endpoint.client("dynamodb").scan(TableName=name)["Items"]
    return found


def test_a_sign_up_gets_a_profile_and_a_welcome_and_a_take_over_pages(
    run: LocalRun, alerts: Inbox
) -> None:
    welcomes = inbox(run, "NotificationsTopic")
    ada = {"user_id": "ada", "email": "ada@firm.example", "phone": "+1-202-555-0101"}

    put_user(run, **ada)
    put_user(run, **{**ada, "email": "else@where.example", "phone": "+1-202-555-0102"})
    run.wait_until_drained(60)

    assert [row["user_id"]["S"] for row in rows(run, "ProfilesTable")] == ["ada"]
    assert [json.loads(one.body)["user_id"] for one in welcomes.read()] == ["ada"]
    (audited,) = rows(run, "AuditTable")
    assert "else@where.example" not in json.dumps(audited)
    assert dedup_keys(alerts.read()) == ["account_takeover#ada"]


def test_an_upload_gets_labels_and_thumbnails_and_an_unsafe_one_pages(
    run: LocalRun, alerts: Inbox
) -> None:
    s3, bucket = run.endpoint.client("s3"), run.deployment.physical_ids["ContentBucket"]

    s3.put_object(Bucket=bucket, Key="uploads/ada/photo.jpg", Body=jpeg(1600, 1200))
    s3.put_object(Bucket=bucket, Key="uploads/eve/party.png", Body=UNSAFE)
    s3.put_object(Bucket=bucket, Key="uploads/eve/text.jpg", Body=b"no picture at all")
    run.wait_until_drained(60)

    found = {row["image_key"]["S"].rpartition("/")[2]: row for row in rows(run, "ImagesTable")}
    assert {name: row["status"]["S"] for name, row in found.items()} == {
        "photo.jpg": "ready",
        "party.png": "ready",
        "text.jpg": "refused",
    }
    assert found["text.jpg"]["failure"]["S"] == "not_an_image"
    made = [one["M"] for one in found["photo.jpg"]["thumbnails"]["L"]]
    sizes = [(int(one["width"]["N"]), int(one["height"]["N"])) for one in made]
    assert sizes == [(1024, 768), (512, 384), (128, 96)]
    for one in made:
        body = s3.get_object(Bucket=bucket, Key=one["key"]["S"])["Body"].read()
        assert len(body) == int(one["size_bytes"]["N"])
    assert dedup_keys(alerts.read()) == ["unsafe_content#eve"]


def test_a_poison_job_is_a_dead_letter_and_a_good_one_beside_it_is_done(run: LocalRun) -> None:
    names, sqs = run.deployment.physical_ids, run.endpoint.client("sqs")
    put_user(run, user_id="ben", email="ben@firm.example")

    sqs.send_message(QueueUrl=names["OnboardingQueue"], MessageBody="poison")
    sqs.send_message(QueueUrl=names["ThumbnailQueue"], MessageBody="poison")
    run.wait_until_drained(60)

    for queue in ("OnboardingDeadLetterQueue", "ThumbnailDeadLetterQueue"):
        letters = sqs.receive_message(QueueUrl=names[queue], MaxNumberOfMessages=10)["Messages"]
        assert [letter["Body"] for letter in letters] == ["poison"]
    assert "ben" in {row["user_id"]["S"] for row in rows(run, "ProfilesTable")}


def test_a_fired_schedule_compacts_the_lake_and_the_next_computes_the_figures(
    run: LocalRun,
) -> None:
    now = datetime.now(UTC)  # noqa: TID251  the stream refuses other times
    event = {"event_type": "user_activity", "user_id": "ada", "activity_type": "login"}
    run.endpoint.client("kinesis").put_record(
        StreamName=run.deployment.physical_ids["EventStream"],
        PartitionKey="ada",
        Data=json.dumps({**event, "timestamp": now.isoformat()}).encode(),
    )
    run.wait_until_drained(60)

    run.fire("ScheduleAnalyticsFunctionHourly", now + timedelta(hours=1))
    run.wait_until_drained(60)
    run.fire("ScheduleAnalyticsFunctionDaily", now + timedelta(days=1))
    run.wait_until_drained(60)

    found = {
        (row["query"]["S"], row["period"]["S"]): row for row in rows(run, "AnalyticsJobsTable")
    }
    assert {row["status"]["S"] for row in found.values()} == {"SUCCEEDED"}
    figures = found["daily_activity", f"{now:%Y-%m-%d}"]["figures"]["M"]
    assert (figures["events"], figures["unique_users"]) == ({"N": "1"}, {"N": "1"})
    assert not run.services.activity.running


def test_a_removed_user_leaves_nothing_behind(run: LocalRun) -> None:
    names, client = run.deployment.physical_ids, run.endpoint.client("dynamodb")

    client.delete_item(TableName=names["UsersTable"], Key={"user_id": {"S": "ada"}})
    run.wait_until_drained(60)

    assert "ada" not in {row["user_id"]["S"] for row in rows(run, "ProfilesTable")}
    assert [row for row in rows(run, "ImagesTable") if row["user_id"]["S"] == "ada"] == []
    s3 = run.endpoint.client("s3")
    listed = s3.list_object_versions(Bucket=names["ContentBucket"])
    assert [one["Key"] for one in listed["Versions"] if "/ada/" in one["Key"]] == []
