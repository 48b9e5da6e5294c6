"""However much trouble comes at once, it fans out into few objects and few facts."""

import gzip
from collections import Counter

import pytest

from pipeline.records import KinesisRecord
from tests.fakes.aws import CrashError, FakeAws, Fault
from tests.unit.flows.events.batches import (
    ARRIVAL,
    account,
    activity,
    cursor,
    flow,
    metric,
    seconds,
)

HOUR_S = 3600
ELEVEN = "2026-09-21T11:00:00Z"


def hosts(first: int, value: float, *, offset: int, size: int = 500) -> list[KinesisRecord]:
    """Return a point of each of that many hosts."""
    return [metric(first + number, f"web-{offset + number}", value) for number in range(size)]


def test_a_backlog_of_three_days_makes_two_lake_objects_per_batch() -> None:
    aws = account()
    batch = [
        activity(1000 + number, f"user-{number % 50}", timestamp="2026-09-18T13:00:00Z")._replace(
            arrived_at=ARRIVAL - (499 - number) * 72 * HOUR_S / 500
        )
        for number in range(500)
    ]

    report = flow(aws).process(batch, seconds)

    assert (report.stored, report.quarantined) == (500, 0)
    assert sorted(aws.objects) == [
        "events/dt=2026-09-21/hour=13/shard-0-1000.jsonl.gz",
        "events/dt=2026-09-21/hour=14/shard-0-1000.jsonl.gz",
    ]


def test_a_fact_names_the_lake_s_hour_that_has_its_event() -> None:
    aws = account()
    batch = [
        metric(
            1000 + number, f"web-{number}", 99.0, event_id=f"e-{number}", timestamp=ELEVEN
        )._replace(arrived_at=ARRIVAL - (3, 1, 0)[number] * HOUR_S)
        for number in range(3)
    ]

    flow(aws).process(batch, seconds)

    facts = {fact["event_id"]["S"]: fact for fact in aws.tables["anomalies"].values()}
    assert {event_id: fact["archived_at"]["S"] for event_id, fact in facts.items()} == {
        "e-0": "2026-09-21T13:00:00Z",
        "e-1": "2026-09-21T13:00:00Z",
        "e-2": "2026-09-21T14:00:00Z",
    }
    hour_13 = gzip.decompress(aws.objects["events/dt=2026-09-21/hour=13/shard-0-1000.jsonl.gz"])
    assert b"e-0" in hour_13
    assert b"e-1" in hour_13


def test_events_beyond_the_age_limit_share_one_quarantine_object() -> None:
    aws = account()
    ancient = [
        activity(1000 + number, "u-1", timestamp="2025-08-01T00:00:00Z") for number in range(400)
    ]
    recent = [activity(1400 + number, "u-1") for number in range(100)]

    report = flow(aws).process([*ancient, *recent], seconds)

    assert (report.stored, report.quarantined, report.anomalies) == (100, 400, 1)
    assert sorted(aws.objects) == [
        "events/dt=2026-09-21/hour=14/shard-0-1000.jsonl.gz",
        "quarantine/dt=2026-09-21/hour=14/shard-0-1000.jsonl.gz",
    ]
    assert cursor(aws) == 1499


def test_a_bad_deploy_of_a_producer_costs_one_object_a_batch_and_blocks_nobody() -> None:
    aws = account()
    environment = flow(aws)
    batches = [
        [metric(first + number, "web-7", "high") for number in range(500)]
        for first in range(1000, 11_000, 500)
    ]

    reports = [environment.process(batch, seconds) for batch in batches]

    assert [report.quarantined for report in reports] == [500] * 20
    assert Counter(aws.calls) == {
        "GetItem": 20,
        "PutObject": 20,
        "BatchWriteItem": 20,  # the one fact of the hour, written again by each batch
        "PutItem": 20,
    }
    assert len(aws.objects) == 20
    facts = [item["rule_id"]["S"] for item in aws.tables["anomalies"].values()]
    assert facts == ["pipeline_refused_records"]
    assert cursor(aws) == 10_999


def test_a_producer_that_breaks_the_key_contract_leaves_one_fact_an_hour() -> None:
    aws = account()
    environment = flow(aws)

    for first in range(1000, 11_000, 500):
        batch = [
            activity(first + number, f"u-{number}")._replace(partition_key="everybody")
            for number in range(500)
        ]
        environment.process(batch, seconds)

    assert list(aws.tables["anomalies"]) == [
        ("pipeline_stray_key#shard-0", "2026-09-21T14:00:00.000000Z#shard-0#opened")
    ]


def test_a_thousand_hosts_over_their_limit_open_a_thousand_facts_and_no_more() -> None:
    aws = account()
    environment = flow(aws)

    environment.process(hosts(1000, 99.0, offset=0), seconds)
    environment.process(hosts(1500, 99.0, offset=500), seconds)
    opening = Counter(aws.calls)
    for first in range(2000, 12_000, 1000):
        environment.process(hosts(first, 99.5, offset=0), seconds)
        environment.process(hosts(first + 500, 99.5, offset=500), seconds)

    assert opening["BatchWriteItem"] == 2 * (40 + 20)  # rows and facts together, then states
    assert len(aws.tables["anomalies"]) == 1000
    assert {fact["edge"]["S"] for fact in aws.tables["anomalies"].values()} == {"opened"}
    assert len({dedup_key for dedup_key, _ in aws.tables["anomalies"]}) == 1000


def test_a_thousand_hosts_that_are_delivered_again_open_the_same_facts() -> None:
    aws = account()
    dies: dict[int, Fault] = {}
    striking = FakeAws(dies.get)
    striking.tables = aws.tables
    batch = hosts(1000, 99.0, offset=0, size=1000)
    dies[1 + 10 + 1 + 80 + 40 + 1] = "crash before"  # the cursor's write, the last call of all
    with pytest.raises(CrashError):
        flow(striking).process(batch, seconds)
    before = dict(aws.tables["anomalies"])

    flow(aws).process(batch, seconds)

    assert striking.calls[-1] == "PutItem"
    assert len(before) == 1000
    assert aws.tables["anomalies"] == before
