import gzip
import json
from datetime import UTC, datetime

from pipeline.cli.producers.puts import UserPut, aggregated, plain, user_put, zipped
from pipeline.records import KinesisRecord, user_records

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
FIELDS = {"event_type": "user_activity", "event_id": "e-1", "user_id": "u-1"}


def test_a_user_record_is_compact_json_with_its_identity() -> None:
    record = user_put(FIELDS)

    assert record == UserPut(
        "user_activity",
        "e-1",
        b'{"event_type":"user_activity","event_id":"e-1","user_id":"u-1"}',
    )


def test_without_an_event_id_the_identity_is_left_to_the_stream() -> None:
    assert user_put({"event_type": "user_activity"}).event_id == ""


def test_a_plain_record_carries_its_data_as_it_is() -> None:
    put = plain(AT, "u-1", user_put(FIELDS))

    assert json.loads(put.data) == FIELDS
    assert not put.is_aggregate


def test_a_zipped_record_is_remembered_as_it_travels() -> None:
    put = zipped(AT, "u-1", user_put(FIELDS))

    assert json.loads(gzip.decompress(put.data)) == FIELDS
    assert put.user_records[0].data == put.data


def test_an_aggregate_carries_its_user_records_in_order() -> None:
    first, second = user_put(FIELDS), user_put(FIELDS | {"event_id": "e-2"})

    put = aggregated(AT, "u-1", [first, second])

    found = user_records(KinesisRecord("shardId-0", 1, "u-1", AT.timestamp(), put.data))
    assert [(record.partition_key, record.data) for record in found] == [
        ("u-1", first.data),
        ("u-1", second.data),
    ]
    assert put.is_aggregate
