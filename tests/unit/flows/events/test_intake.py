import gzip
import json

from pipeline.flows.events.intake import take_in
from pipeline.records import KinesisRecord

ARRIVAL = 1_790_000_000.0  # 2026-09-21T14:13:20Z


def metric(value: float | str = 1.5, **more: str) -> bytes:
    event = {
        "event_type": "system_metric",
        "metric_name": "cpu_usage",
        "value": value,
        "source": "web-7",
        "timestamp": "2026-09-21T14:13:00Z",
    }
    return json.dumps(event | more).encode()


def record(data: bytes, number: int = 1, key: str = "web-7") -> KinesisRecord:
    return KinesisRecord("shard-0", number, key, ARRIVAL, data)


def test_an_event_without_an_id_is_named_by_shard_and_sequence_number() -> None:
    intake = take_in([record(metric(), number=42)])

    assert [item.event_id for item in intake.accepted] == ["shard-0:42"]


def test_a_poison_record_fails_alone_and_names_its_json_path() -> None:
    intake = take_in([record(metric(), 1), record(metric("high"), 2), record(metric(), 3)])

    assert [item.event_id for item in intake.accepted] == ["shard-0:1", "shard-0:3"]
    assert [(item.path, item.reason) for item in intake.refused] == [
        ("$.value", "Expected `float`, got `str`")
    ]


def test_a_repetition_within_a_batch_collapses() -> None:
    same = metric(event_id="e-1")

    intake = take_in([record(same, 1), record(same, 2)])

    assert [item.event_id for item in intake.accepted] == ["e-1"]
    assert intake.collapsed == 1


def test_an_event_id_with_other_content_is_refused() -> None:
    intake = take_in([record(metric(1.0, event_id="e"), 1), record(metric(2.0, event_id="e"), 2)])

    assert len(intake.accepted) == 1
    assert [(item.path, item.reason) for item in intake.refused] == [
        ("$.event_id", "the event id stands for other content earlier in the same batch")
    ]


def test_an_event_under_another_key_than_its_source_is_stray_and_still_accepted() -> None:
    intake = take_in([record(metric(), key="shuffled")])

    assert len(intake.accepted) == 1
    assert [item.user_record.partition_key for item in intake.stray] == ["shuffled"]


def test_a_gzip_payload_is_accepted_as_what_it_holds() -> None:
    intake = take_in([record(gzip.compress(metric(event_id="e-1")))])

    assert [item.payload for item in intake.accepted] == [metric(event_id="e-1")]


def test_an_event_from_the_far_future_is_refused_by_its_arrival_time() -> None:
    intake = take_in([record(metric(timestamp="2026-09-21T16:13:00Z"))])

    assert [item.path for item in intake.refused] == ["$.timestamp"]
