"""What a batch costs and how the warm cache is trusted; for delivery see tests/delivery."""

from collections import Counter

import pytest

from pipeline.errors import RetryableError
from pipeline.records import KinesisRecord
from tests.fakes.aws import FakeAws, Fault
from tests.unit.flows.events.batches import ARRIVAL, flow, seconds


def batch(first: int, size: int = 10) -> list[KinesisRecord]:
    """Return one metric each of ten hosts per ten records."""
    return [record(number) for number in range(first, first + size)]


def record(number: int) -> KinesisRecord:
    source = f"web-{number % 10}"
    data = (
        '{"event_type":"system_metric","metric_name":"cpu_usage","value":20,'
        f'"source":"{source}","timestamp":"2026-09-21T14:{number // 60:02}:{number % 60:02}Z"}}'
    )
    return KinesisRecord("shard-0", number, source, ARRIVAL, data.encode())


def test_a_batch_costs_its_cursor_its_cold_states_and_the_fewest_requests() -> None:
    aws = FakeAws()

    flow(aws).process(batch(1, 60), seconds)

    assert Counter(aws.calls) == {
        "GetItem": 1,  # the cursor
        "ListShards": 1,  # the parents of a shard that is new
        "BatchGetItem": 1,  # ten cold states
        "BatchWriteItem": 3 + 1,  # 60 rows, ten states
        "PutObject": 1,  # the lake
        "PutItem": 1,  # the cursor
    }


def test_a_warm_environment_reads_no_states() -> None:
    aws = FakeAws()
    warm = flow(aws)
    warm.process(batch(1), seconds)
    aws.calls.clear()

    warm.process(batch(11), seconds)

    assert Counter(aws.calls) == {"GetItem": 1, "BatchWriteItem": 2, "PutObject": 1, "PutItem": 1}


def test_a_warm_environment_reads_what_it_lacks_beside_the_cursor_and_only_once() -> None:
    aws = FakeAws()
    warm = flow(aws)
    warm.process(batch(1, 5), seconds)
    aws.calls.clear()

    warm.process(batch(6, 5), seconds)  # five hosts that have no row yet

    assert Counter(aws.calls)["GetItem"] == 1
    assert Counter(aws.calls)["BatchGetItem"] == 1


def test_an_environment_reads_again_after_another_one_moved_the_cursor() -> None:
    aws = FakeAws()
    first, second = flow(aws), flow(aws)
    first.process(batch(1), seconds)
    second.process(batch(11), seconds)
    aws.calls.clear()

    first.process(batch(21), seconds)

    assert Counter(aws.calls)["BatchGetItem"] == 1


def test_a_failed_batch_advances_neither_states_nor_cursor() -> None:
    faults: dict[int, Fault] = {4: "throttle"}  # the first request of phase one
    aws = FakeAws(faults.get)

    with pytest.raises(RetryableError):
        flow(aws).process(batch(1), seconds)

    assert aws.tables["states"] == {}


def test_a_report_accounts_for_every_user_record() -> None:
    aws = FakeAws()
    records = [
        record(1),
        record(2)._replace(data=b"not json"),
        record(3),
        record(3)._replace(sequence_number=4, partition_key="stray"),
    ]

    report = flow(aws).process(records, seconds)

    assert (report.records, report.stored, report.quarantined) == (4, 3, 1)
    assert report.stray == 1
    assert report.anomalies == 1


def test_a_batch_of_one_is_marked_before_it_is_tried() -> None:
    aws = FakeAws()

    flow(aws).process([record(1)], seconds)

    assert [call for call in aws.calls if call != "ListShards"] == [
        "GetItem",
        "PutItem",  # the mark
        "BatchGetItem",
        "PutObject",
        "BatchWriteItem",
        "BatchWriteItem",
        "PutItem",
    ]
    assert aws.tables["states"]["cursor", "shard-0"]["attempts"] == {"N": "0"}
