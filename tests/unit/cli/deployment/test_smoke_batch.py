from datetime import UTC, datetime

from pipeline.adapters.event_items import EventTables
from pipeline.cli.deployment.smoke_batch import make_batch

BATCH = make_batch("7f", datetime(2026, 11, 21, 10, 0, tzinfo=UTC))
TABLES = EventTables(activities="a", metrics="m", transactions="t", ttl_s=86_400)


def test_a_batch_has_an_event_of_each_type_and_a_test_page_that_opens_and_ends() -> None:
    types = [event["event_type"] for event in BATCH.events]
    values = [event["value"] for event in BATCH.events if "value" in event]

    assert types == ["user_activity", "transaction", "fraud_report", *["system_metric"] * 2]
    assert values == [1.0, 0.0]
    assert {event["metric_name"] for event in BATCH.events if "value" in event} == {
        "streamwarden_page_test"
    }


def test_all_events_bear_the_mark_and_go_to_one_shard() -> None:
    keys = {put.partition_key for put in BATCH.puts()}

    assert BATCH.mark == "streamwarden-smoke-7f"
    assert keys == {"streamwarden-smoke-7f"}
    assert sorted(BATCH.event_ids) == [f"streamwarden-smoke-7f-{n}" for n in range(1, 6)]


def test_each_event_must_become_a_row() -> None:
    rows = BATCH.rows(TABLES, with_activities=True)

    assert [row.table for row in rows] == ["a", "t", "t", "m", "m"]
    assert rows[0].key == {
        "user_id": {"S": "streamwarden-smoke-7f"},
        "event_key": {"S": "2026-11-21T10:00:00.000000Z#streamwarden-smoke-7f-1"},
    }
    assert rows[1].item["amount"] == {"N": "1"}


def test_activities_have_no_rows_where_the_lake_alone_keeps_them() -> None:
    rows = BATCH.rows(TABLES, with_activities=False)

    assert [row.table for row in rows] == ["t", "t", "m", "m"]
