"""What a batch of valid records costs, to the call and to the write unit."""

from collections import Counter

import pytest

from pipeline.events import UserActivity
from tests.unit.flows.events.batches import (
    ARRIVAL,
    TTL_S,
    PerKey,
    account,
    activity,
    flow,
    metric,
    mix,
    seconds,
)
from tests.write_units import write_units


@pytest.mark.parametrize(
    ("events", "keys", "row_calls", "state_calls", "state_reads"),
    [
        ({"metrics": 2}, 1, 1, 1, 1),
        ({"activities": 25}, 25, 1, 1, 1),
        ({"activities": 26}, 26, 2, 2, 1),
        ({"transactions": 99, "reports": 1}, 100, 4, 4, 1),
        ({"metrics": 101}, 101, 5, 5, 2),
        ({"activities": 300, "metrics": 125, "transactions": 75}, 150, 20, 6, 2),
        ({"activities": 200, "metrics": 100, "transactions": 100, "reports": 100}, 500, 20, 20, 5),
    ],
    ids=lambda value: (
        "+".join(f"{n} {kind}" for kind, n in value.items())
        if isinstance(value, dict)
        else str(value)
    ),
)
def test_a_cold_batch_makes_the_fewest_calls_and_no_others(
    events: dict[str, int], keys: int, row_calls: int, state_calls: int, state_reads: int
) -> None:
    aws = account()

    flow(aws, [PerKey()]).process(mix(**events, keys=keys), seconds)

    assert Counter(aws.calls) == {
        "GetItem": 1,  # the cursor
        "BatchGetItem": state_reads,  # a hundred cold keys each
        "BatchWriteItem": row_calls + state_calls,  # 25 items each
        "PutObject": 1,  # the lake
        "PutItem": 1,  # the cursor
    }


def test_a_batch_across_the_hour_makes_two_lake_objects() -> None:
    aws = account()
    before = [metric(number, "web-7")._replace(arrived_at=ARRIVAL - 3600) for number in (10, 11)]

    flow(aws, [PerKey()]).process([*before, metric(12, "web-7")], seconds)

    assert sorted(aws.objects) == [
        "events/dt=2026-09-21/hour=13/shard-0-10.jsonl.gz",
        "events/dt=2026-09-21/hour=14/shard-0-10.jsonl.gz",
    ]


@pytest.mark.parametrize(
    ("events", "keys", "units"),
    [
        ({"metrics": 2}, 1, 2 + 1 + 1),
        ({"activities": 300}, 100, 300 + 100 + 1),
        # a transaction is written once more into the index by user
        ({"transactions": 75, "reports": 5}, 80, 2 * 80 + 80 + 1),
        ({"activities": 300, "metrics": 125, "transactions": 75}, 150, 575 + 150 + 1),
    ],
)
def test_a_batch_costs_a_write_unit_per_row_index_entry_state_and_cursor(
    events: dict[str, int], keys: int, units: int
) -> None:
    aws = account()

    flow(aws, [PerKey()]).process(mix(**events, keys=keys), seconds)

    assert sum(write_units(table, item) for table, item in aws.written) == units


def test_activities_of_the_lake_alone_cost_no_write_unit_and_no_call() -> None:
    aws = account()
    batch = mix(activities=300, metrics=125, transactions=75, keys=150)

    flow(aws, [PerKey()], lake_only=[UserActivity]).process(batch, seconds)

    assert Counter(aws.calls)["BatchWriteItem"] == 8 + 6  # 200 rows, 150 states
    assert sum(write_units(table, item) for table, item in aws.written) == 275 + 150 + 1


def test_an_item_is_paid_by_the_kilobyte() -> None:
    aws = account()
    large = activity(10, "u-1", details={"text": "x" * 3000})

    flow(aws, []).process([large, activity(11, "u-1")], seconds)

    assert sum(write_units(table, item) for table, item in aws.written) == 4 + 1 + 1


def test_a_record_tried_alone_costs_one_write_more_for_its_mark() -> None:
    aws = account()

    flow(aws, [PerKey()]).process([metric(10, "web-7")], seconds)

    assert Counter(aws.calls) == {
        "GetItem": 1,
        "BatchGetItem": 1,
        "BatchWriteItem": 2,
        "PutObject": 1,
        "PutItem": 2,
    }
    assert sum(write_units(table, item) for table, item in aws.written) == 4


def test_every_row_but_the_cursor_expires() -> None:
    aws = account()
    batch = mix(activities=3, metrics=3, transactions=3, reports=3, keys=12)
    breach = metric(1012, "web-7", 99.0)  # leaves an anomaly

    flow(aws).process([*batch, breach], seconds)

    rows = [
        (table, item) for table, item in aws.written if item.get("state_key") != {"S": "cursor"}
    ]
    kept = {table for table, _ in rows}
    assert kept == {"activities", "metrics", "transactions", "states", "anomalies"}
    assert [item for _, item in rows if "expires_at" not in item] == []
    # 13:16:40 to 13:16:52 for what is dated, 14:13:20 for what is folded
    assert {int(item["expires_at"]["N"]) - TTL_S for table, item in rows if table == "states"} == {
        1_790_000_000
    }
    assert {int(item["expires_at"]["N"]) - TTL_S for table, item in rows if table != "states"} == (
        set(range(1_789_996_600, 1_789_996_613))
    )
