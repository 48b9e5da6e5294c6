import gzip
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipeline.cli.demo.ledgers.events import LedgerLine, Stored, draw_up, read_stored
from pipeline.cli.producers.producer import Receipt
from pipeline.cli.producers.puts import POISON, StreamPut, UserPut, aggregated, plain

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)

LOGIN = UserPut("user_activity", "e-1", b'{"event_id":"e-1"}')
NAMELESS = UserPut("user_activity", "", b'{"no":"id"}')
GARBAGE = UserPut(POISON, "", b"garbage")


def _receipt(put: StreamPut, number: int) -> Receipt:
    return Receipt(put, "shardId-000000000000", str(number))


def _stored(*event_ids: str, quarantine: tuple[bytes, ...] = ()) -> Stored:
    keys = Counter(("user_activity", event_id) for event_id in event_ids)
    return Stored(keys, keys, Counter(quarantine))


def test_a_stored_event_and_a_refused_record_balance() -> None:
    receipts = [_receipt(plain(AT, "u", LOGIN), 1), _receipt(plain(AT, "u", GARBAGE), 2)]

    lines = draw_up(receipts, _stored("e-1", quarantine=(b"garbage",)))

    assert lines == [
        LedgerLine("user_activity", put=1, stored=1, in_lake=1),
        LedgerLine("poison", put=1, quarantined=1),
    ]
    assert all(line.balances for line in lines)


def test_a_repetition_collapses_into_the_first() -> None:
    receipts = [_receipt(plain(AT, "u", LOGIN), 1), _receipt(plain(AT, "u", LOGIN), 2)]

    (line,) = draw_up(receipts, _stored("e-1"))

    assert line == LedgerLine("user_activity", put=2, stored=1, collapsed=1, in_lake=1)
    assert line.balances


def test_an_event_without_an_id_is_found_by_its_place_in_the_stream() -> None:
    receipts = [
        _receipt(plain(AT, "u", NAMELESS), 7),
        _receipt(aggregated(AT, "u", [NAMELESS, NAMELESS]), 8),
    ]
    stored = _stored(
        "shardId-000000000000:7", "shardId-000000000000:8:0", "shardId-000000000000:8:1"
    )

    (line,) = draw_up(receipts, stored)

    assert line == LedgerLine("user_activity", put=3, stored=3, in_lake=3)


def test_a_record_that_is_nowhere_is_lost() -> None:
    (line,) = draw_up([_receipt(plain(AT, "u", LOGIN), 1)], _stored())

    assert line.lost == ['e-1 b\'{"event_id":"e-1"}\'']
    assert not line.balances


def test_poison_that_is_nowhere_is_lost() -> None:
    (line,) = draw_up([_receipt(plain(AT, "u", GARBAGE), 1)], _stored())

    assert len(line.lost) == 1
    assert not line.balances


def test_a_good_event_in_quarantine_is_wrong() -> None:
    stored = _stored(quarantine=(LOGIN.data,))

    (line,) = draw_up([_receipt(plain(AT, "u", LOGIN), 1)], stored)

    assert line.wrong == ["e-1 is good and in quarantine"]
    assert not line.balances


def test_an_event_with_two_rows_is_wrong() -> None:
    (line,) = draw_up([_receipt(plain(AT, "u", LOGIN), 1)], _stored("e-1", "e-1"))

    assert line.wrong == ["e-1 has 2 rows"]
    assert not line.balances


def test_an_event_missing_in_the_lake_unbalances() -> None:
    stored = Stored(Counter([("user_activity", "e-1")]), Counter(), Counter())

    (line,) = draw_up([_receipt(plain(AT, "u", LOGIN), 1)], stored)

    assert (line.stored, line.in_lake) == (1, 0)
    assert not line.balances


@pytest.fixture
def clients() -> Iterator[tuple[Any, Any]]:
    with mock_aws():
        session: Any = boto3.Session("test", "test", region_name="us-east-1")
        dynamodb, s3 = session.client("dynamodb"), session.client("s3")
        for table in ("activities", "metrics"):
            dynamodb.create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                KeySchema=[{"AttributeName": "event_key", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "event_key", "AttributeType": "S"}],
            )
        s3.create_bucket(Bucket="lake")
        yield dynamodb, s3


def test_rows_and_lines_are_read_back(clients: tuple[Any, Any]) -> None:
    dynamodb, s3 = clients
    for table, event_type, event_id in (
        ("activities", "user_activity", "e-1"),
        ("metrics", "system_metric", "m-1"),
    ):
        item = {
            "event_key": {"S": event_id},
            "event_type": {"S": event_type},
            "event_id": {"S": event_id},
        }
        dynamodb.put_item(TableName=table, Item=item)
    event = {"event_type": "user_activity", "event_id": "e-1"}
    refused = {"record_id": "shardId-0:1", "data": "Z2FyYmFnZQ=="}
    _put_lines(s3, "events/dt=2026-11-21/hour=09/a.jsonl.gz", [event])
    # A batch that came again in other portions leaves its lines twice.
    _put_lines(s3, "quarantine/dt=2026-11-21/hour=09/a.jsonl.gz", [refused])
    _put_lines(s3, "quarantine/dt=2026-11-21/hour=09/b.jsonl.gz", [refused])

    stored = read_stored(dynamodb, s3, ["activities", "metrics"], "lake")

    assert stored == Stored(
        rows=Counter({("user_activity", "e-1"): 1, ("system_metric", "m-1"): 1}),
        lake=Counter({("user_activity", "e-1"): 1}),
        quarantine=Counter({b"garbage": 1}),
    )


def _put_lines(s3: Any, key: str, lines: list[dict[str, str]]) -> None:  # noqa: ANN401  a client
    body = gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode())
    s3.put_object(Bucket="lake", Key=key, Body=body)
