"""What watching the producers finds, and what it costs."""

from collections import Counter

import msgspec
import pytest

from pipeline.detection.heartbeats import Heartbeats
from pipeline.detection.rules import default_rules
from pipeline.flows.events.intake import take_in
from pipeline.flows.events.watches import MAX_SAMPLES, DriftWatch, HeartbeatWatch, watches
from pipeline.records import KinesisRecord
from tests.fakes.aws import FakeAws
from tests.unit.flows.events.batches import (
    ARRIVAL,
    PerKey,
    account,
    activity,
    flow,
    metric,
    mix,
    seconds,
)
from tests.write_units import write_units

HEALTH = default_rules().health


def at(records: list[KinesisRecord], later_s: float) -> list[KinesisRecord]:
    return [record._replace(arrived_at=ARRIVAL + later_s) for record in records]


def rows(aws: FakeAws, name: str) -> list[str]:
    keys = [item["state_key"]["S"] for table, item in aws.written if table == "states"]
    return [key for key in keys if key.startswith(f"{name}#")]


def units(aws: FakeAws) -> int:
    return sum(write_units(table, item) for table, item in aws.written)


def drift_facts(aws: FakeAws) -> list[tuple[str, list[str]]]:
    return [
        (item["subject"]["S"], [reason["S"] for reason in item["reasons"]["L"]])
        for item in aws.tables["anomalies"].values()
        if item["rule_id"]["S"] == "pipeline_schema_drift"
    ]


def test_a_batch_writes_at_most_eight_rows_of_heartbeats() -> None:
    aws = account()
    batch = mix(metrics=300, activities=200, keys=300)

    flow(aws, [PerKey()], watching_producers=watches(HEALTH)).process(batch, seconds)

    assert Counter(rows(aws, "heartbeats")) == {f"heartbeats#1#{n}": 1 for n in range(8)}
    assert units(aws) == 500 + 300 + 1 + 8  # rows, states, cursor, heartbeats


def test_within_a_minute_heartbeats_cost_nothing() -> None:
    aws = account()
    warm = flow(aws, [], watching_producers=watches(HEALTH))
    warm.process([metric(10, "web-7"), metric(11, "web-7")], seconds)
    aws.written.clear()
    aws.calls.clear()

    warm.process(at([metric(12, "web-7"), metric(13, "web-7")], 59.0), seconds)

    assert units(aws) == 2 + 1  # rows, cursor
    assert Counter(aws.calls) == {"GetItem": 1, "BatchWriteItem": 1, "PutObject": 1, "PutItem": 1}


def test_a_source_costs_a_write_unit_a_minute() -> None:
    aws = account()
    warm = flow(aws, [], watching_producers=watches(HEALTH))

    for second in range(0, 600, 10):
        batch = [metric(10 + second, "web-7"), metric(11 + second, "web-7")]
        warm.process(at(batch, float(second)), seconds)

    assert len(rows(aws, "heartbeats")) == 10


def test_events_without_a_source_or_a_producer_touch_no_row() -> None:
    aws = account()
    batch = mix(activities=20, transactions=20, reports=10, keys=50)

    flow(aws, [], watching_producers=watches(HEALTH)).process(batch, seconds)

    assert {item["state_key"]["S"] for table, item in aws.written if table == "states"} == {
        "cursor"
    }


def test_source_and_producer_of_one_event_both_beat_even_in_one_row() -> None:
    heard = HeartbeatWatch(HEALTH)
    records = [metric(n, "web-7", producer=f"p-{n}") for n in range(10, 60)]

    looks = list(heard.looks(take_in(records).accepted))
    aws = account()
    flow(aws, [], watching_producers=[heard]).process(records, seconds)

    states = [
        msgspec.msgpack.decode(item["state"]["B"], type=Heartbeats)
        for (key, _), item in aws.tables["states"].items()
        if key.startswith("heartbeats#")
    ]
    names = {beat.name for state in states for beat in state.beats}
    assert len(looks) == 51
    assert names == {"source web-7", *(f"producer p-{n}" for n in range(10, 60))}


def test_a_new_field_is_told_once_for_all_batches_of_a_shard() -> None:
    aws = account()

    for start in range(10, 60, 10):
        cold = flow(aws, [], watching_producers=watches(HEALTH))
        cold.process(
            [metric(n, "web-7", colour="red", producer="agent") for n in range(start, start + 10)],
            seconds,
        )

    assert drift_facts(aws) == [
        (
            "system_metric of agent",
            ["field colour new since 2026-09-21 14:13 UTC, from agent"],
        )
    ]


def test_a_stream_without_unknown_fields_pays_nothing_for_the_watch() -> None:
    aws = account()
    batch = mix(activities=300, metrics=125, transactions=75, keys=150)

    flow(aws, [], watching_producers=[DriftWatch(HEALTH)]).process(batch, seconds)

    assert rows(aws, "schema_drift") == []
    assert Counter(aws.calls)["BatchGetItem"] == 0


def test_unknown_fields_that_go_on_cost_one_write_unit_a_day() -> None:
    aws = account()
    warm = flow(aws, [], watching_producers=[DriftWatch(HEALTH)])

    for hour in range(36):
        batch = [metric(10 + 2 * hour + n, "web-7", colour="red") for n in (0, 1)]
        warm.process(at(batch, 3600.0 * hour), seconds)

    assert len(rows(aws, "schema_drift")) == 3


def test_a_batch_is_sampled_by_producer_and_type_in_bounds() -> None:
    drift = DriftWatch(HEALTH)
    few = [metric(n, "web-7", colour="red", producer="one") for n in range(10, 60)]
    many = [metric(n, "web-7", colour="red", producer=f"p-{n}") for n in range(10, 110)]

    assert [look.place for look in drift.looks(take_in(few).accepted)] == [0, 1]
    assert len(list(drift.looks(take_in(many).accepted))) == MAX_SAMPLES


def test_a_child_shard_knows_what_its_parent_has_told() -> None:
    aws = account()
    aws.shards = [
        {"ShardId": "shard-0"},
        {"ShardId": "shard-1", "ParentShardId": "shard-0"},
    ]
    flow(aws, [], watching_producers=watches(HEALTH)).process(
        [metric(10, "web-7", colour="red"), metric(11, "web-7")], seconds
    )
    child = [
        metric(number, "web-7", colour="red")._replace(shard_id="shard-1") for number in (5, 6)
    ]

    flow(aws, [], watching_producers=watches(HEALTH)).process(child, seconds)

    assert len(drift_facts(aws)) == 1


@pytest.mark.parametrize("bad", [19, 20])
def test_a_trickle_of_refused_records_is_told_once_it_is_one_in_twenty(bad: int) -> None:
    aws = account()
    broken = activity(0, "u-1", user_id=7)
    warm = flow(aws, [])

    for number in range(bad):
        batch = [activity(100 + 20 * number + n, "u-1") for n in range(18)]
        batch.append(broken._replace(sequence_number=119 + 20 * number))
        warm.process(batch, seconds)

    told = [item["title"]["S"] for item in aws.tables["anomalies"].values()]
    assert told == (["20 of 382 records of 10 min of shard-0 refused"] if bad == 20 else [])


def test_a_cursor_tells_up_to_when_its_shard_is_processed() -> None:
    aws = account()

    flow(aws, []).process(at([metric(10, "web-7"), metric(11, "web-7")], 7.5), seconds)

    assert aws.tables["states"]["cursor", "shard-0"]["arrived_at"] == {"N": "1790000007.5"}
