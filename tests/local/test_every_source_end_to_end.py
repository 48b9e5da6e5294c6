"""Each source from its outside door to what must come out, alert included, on one local run."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.demo.inbox import Inbox, Notification
from pipeline.cli.demo.ledgers.analytics import fire_schedules
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


def put_events(run: LocalRun, *events: dict[str, Any], at: datetime) -> None:
    run.endpoint.client("kinesis").put_records(
        StreamName=run.deployment.physical_ids["EventStream"],
        Records=[
            {
                "PartitionKey": event.get("user_id") or event["source"],
                "Data": json.dumps({**event, "timestamp": at.isoformat()}).encode(),
            }
            for event in events
        ],
    )


def activity(activity_type: str) -> dict[str, Any]:
    return {"event_type": "user_activity", "user_id": "ada", "activity_type": activity_type}


def keys_of(run: LocalRun, user_id: str) -> list[str]:
    """Return the keys of all versions of a user's objects."""
    bucket = run.deployment.physical_ids["ContentBucket"]
    listed = run.endpoint.client("s3").list_object_versions(Bucket=bucket)
    return [one["Key"] for one in listed["Versions"] if f"/{user_id}/" in one["Key"]]


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


def test_a_poison_job_is_a_dead_letter_that_pages_and_a_good_one_beside_it_is_done(
    run: LocalRun, alerts: Inbox
) -> None:
    names, sqs = run.deployment.physical_ids, run.endpoint.client("sqs")
    put_user(run, user_id="ben", email="ben@firm.example")

    sqs.send_message(QueueUrl=names["OnboardingQueue"], MessageBody="poison")
    sqs.send_message(QueueUrl=names["ThumbnailQueue"], MessageBody="poison")
    run.wait_until_drained(60)
    run.fire("ScheduleAlertsFunctionEveryMinute")
    run.wait_until_drained(60)

    for queue in ("OnboardingDeadLetterQueue", "ThumbnailDeadLetterQueue"):
        letters = sqs.receive_message(QueueUrl=names[queue], MaxNumberOfMessages=10)["Messages"]
        assert [letter["Body"] for letter in letters] == ["poison"]
    assert "ben" in {row["user_id"]["S"] for row in rows(run, "ProfilesTable")}
    assert sorted(dedup_keys(alerts.read())) == [
        "pipeline_dead_letters#streamwarden-local-OnboardingDeadLetterQueue",
        "pipeline_dead_letters#streamwarden-local-ThumbnailDeadLetterQueue",
    ]


def test_a_burst_of_sign_ups_is_onboarded_and_pages(run: LocalRun, alerts: Inbox) -> None:
    address = "198.51.100.7"
    pseudonym = "e183220b699c10a8"  # the start of its SHA-256

    for number in range(12):
        email = f"s{number}@host-{number}.example"
        put_user(run, user_id=f"script-{number}", email=email, signup_ip=address)
    run.wait_until_drained(60)

    profiles = {row["user_id"]["S"] for row in rows(run, "ProfilesTable")}
    assert {f"script-{number}" for number in range(12)} <= profiles
    assert dedup_keys(alerts.read()) == [f"signup_address#{pseudonym}"]


def test_thumbnails_of_pictures_that_are_cut_off_are_refused_and_page(
    run: LocalRun, alerts: Inbox
) -> None:
    s3, bucket = run.endpoint.client("s3"), run.deployment.physical_ids["ContentBucket"]
    whole = jpeg(640, 480)

    for number in range(6):
        half = whole[: len(whole) // 2 + number]
        s3.put_object(Bucket=bucket, Key=f"uploads/mallory/{number}.jpg", Body=half)
    run.wait_until_drained(60)

    failures = [
        row["failure"]["S"] for row in rows(run, "ImagesTable") if row["user_id"]["S"] == "mallory"
    ]
    assert failures == ["broken"] * 6
    assert dedup_keys(alerts.read()) == ["hostile_images#mallory"]


def test_metrics_payments_and_sign_ins_on_the_stream_page(run: LocalRun, alerts: Inbox) -> None:
    now = datetime.now(UTC)  # noqa: TID251  the stream refuses other times
    before_all_figures = now - timedelta(days=15)
    metric = {"metric_name": "disk_usage", "source": "web-7", "value": 95.2, "unit": "%"}
    payment = {"transaction_id": "tx-1", "user_id": "cleo", "amount": "14500.00"}
    paid = {"currency": "EUR", "merchant": "shop-1", "status": "authorized"}

    put_events(
        run,
        {"event_type": "system_metric", **metric},
        {"event_type": "transaction", **payment, **paid},
        *([activity("login_failed")] * 11),
        at=before_all_figures,
    )
    run.wait_until_drained(60)

    assert sorted(dedup_keys(alerts.read())) == [
        "failed_login_user#ada",
        "static_limit#web-7/disk_usage",
        "transaction_amount#cleo",
    ]


def test_fired_schedules_compact_the_lake_and_compute_figures_and_an_unusual_day_pages(
    run: LocalRun, alerts: Inbox
) -> None:
    now = datetime.now(UTC)  # noqa: TID251  the stream refuses other times
    for back in range(10, 0, -1):
        put_events(run, activity("view"), at=now - timedelta(days=back))
    put_events(run, *([activity("view")] * 3), at=now)
    run.wait_until_drained(60)

    def fire(logical_id: str, at: datetime) -> None:
        run.fire(logical_id, at)
        run.wait_until_drained(60)

    arrived = datetime.now(UTC)  # noqa: TID251  the hour that is compacted
    fire_schedules(fire, arrived, unsettled=list)

    found = {
        (row["query"]["S"], row["period"]["S"]): row for row in rows(run, "AnalyticsJobsTable")
    }
    assert {row["status"]["S"] for row in found.values()} == {"SUCCEEDED"}
    assert "compaction" in {query for query, _ in found}
    figures = found["daily_activity", f"{now:%Y-%m-%d}"]["figures"]["M"]
    assert (figures["events"], figures["unique_users"]) == ({"N": "3"}, {"N": "1"})
    drifted = [key for key in dedup_keys(alerts.read()) if key.startswith("kpi_drift#")]
    assert drifted == ["kpi_drift#daily_activity.events"]
    assert not run.services.activity.running


def test_a_removed_user_leaves_nothing_behind(run: LocalRun) -> None:
    names, client, s3 = (
        run.deployment.physical_ids,
        run.endpoint.client("dynamodb"),
        run.endpoint.client("s3"),
    )
    put_user(run, user_id="zoe", email="zoe@firm.example")
    s3.put_object(Bucket=names["ContentBucket"], Key="uploads/zoe/photo.jpg", Body=jpeg(640, 480))
    run.wait_until_drained(60)
    made = keys_of(run, "zoe")

    client.delete_item(TableName=names["UsersTable"], Key={"user_id": {"S": "zoe"}})
    run.wait_until_drained(60)

    assert len(made) == 4
    assert "zoe" not in {row["user_id"]["S"] for row in rows(run, "ProfilesTable")}
    assert [row for row in rows(run, "ImagesTable") if row["user_id"]["S"] == "zoe"] == []
    assert keys_of(run, "zoe") == []
