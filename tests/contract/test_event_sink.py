import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from pipeline.adapters.dynamodb import BatchTables
from pipeline.adapters.event_items import EventTables
from pipeline.adapters.event_sink import AwsEventSink
from pipeline.adapters.parallel import Parallel
from pipeline.detection.anomaly import Anomaly
from pipeline.events import (
    FraudReport,
    Location,
    Money,
    SystemMetric,
    Transaction,
    UserActivity,
    decode,
)
from pipeline.ports import LakeObject, StoredEvent
from tests.contract.accounts import ACCOUNTS, Account, account
from tests.fakes.aws import FakeAws

NOON = datetime(2026, 9, 21, 12, 0, 0, 250_000, UTC)
OPENED = Anomaly(
    rule_id="static_limit",
    rule_version=1,
    detector="threshold",
    kind="state",
    severity="high",
    edge="opened",
    subject="web-7/cpu_usage",
    source="web-7",
    opened_at=NOON,
    occurred_at=NOON,
    event_id="e-1",
    observed=97.3,
    title="cpu_usage 97.3% > 90% on web-7",
)


@pytest.fixture(params=ACCOUNTS)
def opened(request: pytest.FixtureRequest) -> Iterator[Account]:
    with account(request.param) as an_account:
        yield an_account


def sink(opened: Account) -> AwsEventSink:
    parallel = Parallel(1)
    tables = BatchTables(opened.dynamodb, parallel, lambda _: None, random.Random(1))
    return AwsEventSink(
        tables,
        opened.s3,
        parallel,
        event_tables=EventTables("activities", "metrics", "transactions", 86_400),
        anomalies_table="anomalies",
        bucket="lake",
    )


def write(opened: Account, events: Sequence[StoredEvent]) -> None:
    sink(opened).write(events, [], [], lambda: 10.0)


def item(opened: Account, table: str, **key: str) -> dict[str, Any]:
    wanted = {name: {"S": value} for name, value in key.items()}
    found: dict[str, Any] = opened.dynamodb.get_item(TableName=table, Key=wanted)["Item"]
    return found


def test_an_activity_is_keyed_by_user_time_and_event(opened: Account) -> None:
    payload = (
        b'{"event_type":"user_activity","user_id":"u-1","activity_type":"login",'
        b'"timestamp":"2026-09-21T14:00:00.25+02:00","details":{"page": 1.50},'
        b'"location":{"latitude":52.5,"longitude":-1e-99,"city":"Berlin"}}'
    )

    write(opened, [StoredEvent("e-1", decode(payload))])

    assert item(
        opened, "activities", user_id="u-1", event_key="2026-09-21T12:00:00.250000Z#e-1"
    ) == {
        "user_id": {"S": "u-1"},
        "event_key": {"S": "2026-09-21T12:00:00.250000Z#e-1"},
        "event_type": {"S": "user_activity"},
        "event_id": {"S": "e-1"},
        "timestamp": {"S": "2026-09-21T12:00:00.250000Z"},
        "activity_type": {"S": "login"},
        "details": {"S": '{"page": 1.50}'},
        "location": {
            "M": {"latitude": {"N": "52.5"}, "longitude": {"N": "-1e-99"}, "city": {"S": "Berlin"}}
        },
        "expires_at": {"N": "1790078400"},
    }


def test_a_metric_partition_is_bounded_by_its_day_and_names_cannot_collide(opened: Account) -> None:
    first = SystemMetric(source="a#b", metric_name="c", value=1.0, timestamp=NOON)
    second = SystemMetric(source="a", metric_name="b#c", value=2.0, timestamp=NOON)

    write(opened, [StoredEvent("e-1", first), StoredEvent("e-1", second)])

    key = "2026-09-21T12:00:00.250000Z#e-1"
    assert item(opened, "metrics", series_day="a%23b#c#2026-09-21", event_key=key)["value"] == {
        "N": "1"
    }
    assert item(opened, "metrics", series_day="a#b%23c#2026-09-21", event_key=key)["value"] == {
        "N": "2"
    }


def test_status_changes_and_reports_are_rows_beside_their_transaction(opened: Account) -> None:
    payment = Transaction(
        transaction_id="t-1", user_id="u-1", amount=Money("10.10"), currency="EUR", timestamp=NOON
    )
    report = FraudReport(
        transaction_id="t-1",
        user_id="u-1",
        transaction_timestamp=NOON,
        is_fraud=True,
        timestamp=NOON,
    )

    write(opened, [StoredEvent("e-1", payment), StoredEvent("e-2", report)])

    stamp = "2026-09-21T12:00:00.250000Z"
    paid = item(opened, "transactions", transaction_id="t-1", event_key=f"{stamp}#e-1")
    reported = item(opened, "transactions", transaction_id="t-1", event_key=f"{stamp}#e-2")
    assert Decimal(paid["amount"]["N"]) == Decimal("10.10")
    assert reported["is_fraud"] == {"BOOL": True}
    assert (paid["event_type"]["S"], reported["event_type"]["S"]) == ("transaction", "fraud_report")


def test_writing_again_changes_nothing(opened: Account) -> None:
    activity = UserActivity(
        user_id="u-1",
        activity_type="login",
        timestamp=NOON,
        location=Location(latitude=1.0, longitude=2.0),
    )
    key = {"user_id": "u-1", "event_key": "2026-09-21T12:00:00.250000Z#e-1"}
    write(opened, [StoredEvent("e-1", activity)])
    first = item(opened, "activities", **key)

    write(opened, [StoredEvent("e-1", activity)])

    assert item(opened, "activities", **key) == first


def test_anomalies_and_objects_are_written_with_the_events(opened: Account) -> None:
    sink(opened).write([], [OPENED], [LakeObject("events/x.gz", b"body")], lambda: 10.0)

    found = item(
        opened,
        "anomalies",
        dedup_key="static_limit#web-7/cpu_usage",
        fact_key="2026-09-21T12:00:00.250000Z#e-1#opened",
    )
    stored = opened.s3.get_object(Bucket="lake", Key="events/x.gz")["Body"].read()
    assert found["expires_at"] == {"N": "1790078400"}
    assert stored == b"body"


def test_facts_of_one_incident_are_written_one_after_the_other() -> None:
    aws = FakeAws()
    cleared = msgspec.structs.replace(OPENED, edge="cleared", event_id="e-9")
    elsewhere = msgspec.structs.replace(OPENED, subject="web-8/cpu_usage")

    sink(Account(aws, aws, aws)).write([], [OPENED, cleared, elsewhere], [], lambda: 10.0)

    written = [item["fact_key"]["S"] for item in aws.tables["anomalies"].values()]
    assert aws.calls == ["BatchWriteItem", "BatchWriteItem"]
    assert written[-1] == cleared.fact_key
