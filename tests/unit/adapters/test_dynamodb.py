import random
from typing import TYPE_CHECKING, cast

import pytest

from pipeline.adapters.dynamodb import BatchTables, Put
from pipeline.adapters.parallel import Parallel
from pipeline.errors import RetryableError
from tests.fakes.aws import FakeAws, Fault

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def tables(aws: FakeAws, waits: list[float] | None = None) -> BatchTables:
    waits = [] if waits is None else waits
    client = cast("DynamoDBClient", aws)
    return BatchTables(client, Parallel(1), waits.append, random.Random(7))


def put(number: int, note: str = "") -> Put:
    key = ("user", f"key-{number:03}")
    item = {"user_id": {"S": key[0]}, "event_key": {"S": key[1]}, "note": {"S": note}}
    return Put("activities", key, item)


def key(number: int) -> dict[str, dict[str, str]]:
    return {"user_id": {"S": "user"}, "event_key": {"S": f"key-{number:03}"}}


def test_items_are_written_in_requests_of_25() -> None:
    aws = FakeAws()

    tables(aws).write([put(number) for number in range(51)], lambda: 10.0)

    assert aws.calls == ["BatchWriteItem", "BatchWriteItem", "BatchWriteItem"]
    assert len(aws.tables["activities"]) == 51


def test_of_two_items_with_one_key_the_last_is_written() -> None:
    aws = FakeAws()

    tables(aws).write([put(1, "first"), put(1, "last")], lambda: 10.0)

    notes = [item["note"]["S"] for item in aws.tables["activities"].values()]
    assert notes == ["last"]


def test_unprocessed_items_are_written_after_a_wait() -> None:
    waits: list[float] = []
    faults: dict[int, Fault] = {1: "unprocessed", 2: "unprocessed"}
    aws = FakeAws(faults.get)

    tables(aws, waits).write([put(number) for number in range(10)], lambda: 10.0)

    assert len(aws.tables["activities"]) == 10
    assert aws.calls == ["BatchWriteItem"] * 3
    assert len(waits) == 2
    assert 0 <= waits[0] <= 0.05
    assert 0 <= waits[1] <= 0.1


def test_throttling_beyond_the_remaining_time_is_retryable() -> None:
    aws = FakeAws(lambda _: "unprocessed")

    with pytest.raises(RetryableError, match="throttled until the time was up"):
        tables(aws).write([put(1)], lambda: 0.0)


def test_items_are_read_in_requests_of_100_and_absent_ones_left_out() -> None:
    aws = FakeAws()
    tables(aws).write([put(number) for number in range(120)], lambda: 10.0)
    aws.calls.clear()

    items = tables(aws).read("activities", [key(number) for number in range(130)], lambda: 10.0)

    assert aws.calls == ["BatchGetItem", "BatchGetItem"]
    assert len(items) == 120


def test_unprocessed_keys_are_read_again() -> None:
    faults: dict[int, Fault] = {2: "unprocessed"}
    aws = FakeAws(faults.get)
    tables(aws).write([put(1)], lambda: 10.0)

    items = tables(aws).read("activities", [key(1)], lambda: 10.0)

    assert [item["event_key"]["S"] for item in items] == ["key-001"]


def test_a_refused_request_is_no_retryable_error() -> None:
    aws = FakeAws(lambda _: "throttle")

    with pytest.raises(RetryableError, match="ThrottlingException"):
        tables(aws).write([put(1)], lambda: 10.0)
