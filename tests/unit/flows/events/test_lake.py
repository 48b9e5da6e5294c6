import base64
import gzip
import json

from pipeline.flows.events.intake import take_in
from pipeline.flows.events.lake import lake_objects, quarantine_objects
from pipeline.records import KinesisRecord

HOUR_13 = 1_789_999_100.0  # 2026-09-21T13:58:20Z
HOUR_14 = 1_790_000_000.0  # 2026-09-21T14:13:20Z
HOUR_15 = 1_790_003_000.0  # 2026-09-21T15:03:20Z
EVENT = b'{ "event_type": "user_activity", "user_id": "u", "activity_type": "login",\n %s}'


def record(number: int, arrived_at: float, more: bytes = b"") -> KinesisRecord:
    data = EVENT % (more + b'"timestamp": "2026-09-21T13:50:00Z"')
    return KinesisRecord("shard-0", number, "u", arrived_at, data)


def test_an_object_lies_under_the_arrival_hour_and_is_named_by_shard_and_first_number() -> None:
    batch = [record(7, HOUR_14), record(8, HOUR_14)]

    objects = lake_objects(take_in(batch).accepted, batch)

    assert [item.key for item in objects] == ["events/dt=2026-09-21/hour=14/shard-0-7.jsonl.gz"]


def test_a_line_is_the_original_event_with_its_id_in_front() -> None:
    batch = [record(7, HOUR_14, b'"unknown": 1e5, ')]

    (item,) = lake_objects(take_in(batch).accepted, batch)

    assert gzip.decompress(item.body) == (
        b'{"event_id":"shard-0:7", "event_type": "user_activity", "user_id": "u", '
        b'"activity_type": "login",  "unknown": 1e5, "timestamp": "2026-09-21T13:50:00Z"}\n'
    )


def test_an_event_with_an_id_of_its_own_is_kept_as_it_is() -> None:
    batch = [record(7, HOUR_14, b'"event_id": "e-1", ')]

    (item,) = lake_objects(take_in(batch).accepted, batch)

    assert gzip.decompress(item.body).count(b"event_id") == 1


def test_a_batch_over_three_hours_makes_two_objects_none_before_its_arrival() -> None:
    batch = [record(1, HOUR_13), record(2, HOUR_14), record(3, HOUR_15)]

    objects = lake_objects(take_in(batch).accepted, batch)

    assert [(item.key, gzip.decompress(item.body).count(b"\n")) for item in objects] == [
        ("events/dt=2026-09-21/hour=14/shard-0-1.jsonl.gz", 2),
        ("events/dt=2026-09-21/hour=15/shard-0-1.jsonl.gz", 1),
    ]


def test_the_same_batch_makes_the_same_bytes() -> None:
    batch = [record(1, HOUR_14)]

    first = lake_objects(take_in(batch).accepted, batch)
    again = lake_objects(take_in(batch).accepted, batch)

    assert first == again


def test_a_refused_record_keeps_its_bytes_its_place_and_its_reason() -> None:
    batch = [record(1, HOUR_14), KinesisRecord("shard-0", 2, "key", HOUR_14, b"\xff\x00 no json")]

    (item,) = quarantine_objects(take_in(batch).refused, batch)

    line = json.loads(gzip.decompress(item.body))
    assert item.key == "quarantine/dt=2026-09-21/hour=14/shard-0-1.jsonl.gz"
    assert base64.b64decode(line.pop("data")) == b"\xff\x00 no json"
    assert "utf-8" in line.pop("reason").lower()
    assert line == {
        "record_id": "shard-0:2",
        "shard_id": "shard-0",
        "sequence_number": "2",
        "partition_key": "key",
        "arrived_at": "2026-09-21T14:13:20.000000Z",
        "path": "$",
    }


def test_a_batch_without_refusals_makes_no_quarantine_object() -> None:
    assert quarantine_objects([], [record(1, HOUR_14)]) == []
