from collections import Counter
from datetime import UTC, datetime

import pytest

from pipeline.cli.producers.puts import POISON
from pipeline.cli.traffic.records import MIN_RECORDS, make_traffic
from pipeline.errors import InvalidRecordError
from pipeline.events import check_timestamps, decode, partition_key
from pipeline.records import KinesisRecord, unpack, user_records

UNTIL = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("records", [MIN_RECORDS, 1401, 3000])
def test_the_traffic_has_as_many_user_records_as_asked_for(records: int) -> None:
    traffic = make_traffic(records=records, seed=7, until=UNTIL)

    assert traffic.user_records == records


def test_too_few_records_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1400 records, not 1399"):
        make_traffic(records=1399, seed=7, until=UNTIL)


def test_the_same_seed_gives_the_same_traffic() -> None:
    first = make_traffic(records=2000, seed=7, until=UNTIL)

    second = make_traffic(records=2000, seed=7, until=UNTIL)

    assert first == second


def test_another_seed_gives_other_records_and_the_same_incidents() -> None:
    first = make_traffic(records=2000, seed=7, until=UNTIL)

    second = make_traffic(records=2000, seed=8, until=UNTIL)

    assert first.puts != second.puts
    assert first.incidents == second.incidents


def test_all_event_types_and_poison_are_there() -> None:
    traffic = make_traffic(records=3000, seed=7, until=UNTIL)

    types = Counter(record.event_type for put in traffic.puts for record in put.user_records)

    assert set(types) == {
        "user_activity",
        "system_metric",
        "transaction",
        "fraud_report",
        POISON,
    }
    assert types[POISON] == 3 * 11


def test_what_is_meant_to_be_good_keeps_the_contract_and_poison_breaks_it() -> None:
    traffic = make_traffic(records=3000, seed=7, until=UNTIL)

    wrong = [
        record
        for put in traffic.puts
        for record in put.user_records
        if _keeps_the_contract(record.data, put.partition_key) != (record.event_type != POISON)
    ]

    # A conflicting event id is seen only beside the record that it contradicts.
    assert [record.event_type for record in wrong] == [POISON] * 3
    assert all(b"queue_depth" in record.data for record in wrong)


def test_aggregates_hold_the_user_records_they_say() -> None:
    traffic = make_traffic(records=3000, seed=7, until=UNTIL)

    aggregates = [put for put in traffic.puts if put.is_aggregate]

    assert len(aggregates) > 10
    for put in aggregates:
        record = KinesisRecord("shardId-0", 1, put.partition_key, UNTIL.timestamp(), put.data)
        found = [user_record.data for user_record in user_records(record)]
        assert found == [user_record.data for user_record in put.user_records]


def test_no_event_lies_in_the_future() -> None:
    traffic = make_traffic(records=2000, seed=7, until=UNTIL)

    latest = max(put.at for put in traffic.puts)

    assert latest < UNTIL


def _keeps_the_contract(data: bytes, key: str) -> bool:
    try:
        event = decode(unpack(data))
        check_timestamps(event, UNTIL.timestamp())
    except InvalidRecordError:
        return False
    return partition_key(event) == key
