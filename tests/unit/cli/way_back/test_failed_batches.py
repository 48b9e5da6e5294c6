import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.cli.way_back.failed_batches import FailedBatches
from pipeline.cli.way_back.function_calls import Functions, NotTakenError
from pipeline.cli.way_back.records import Lost
from tests.unit.cli.returning import ARN, EVENTS, Returning, returning

FOLDER = "aws/lambda/6a0e9c7e-0000-4000-8000-000000000001/shardId-000000000000/2026/03/01/"


@pytest.fixture
def account() -> Iterator[Returning]:
    with returning() as account:
        yield account


def _give_up(account: Returning, name: str, first: int, arn: str = EVENTS) -> str:
    """Leave a batch of two records as Lambda does."""
    records = [{"eventID": f"shardId-000000000000:{number}"} for number in (first, first + 1)]
    document: dict[str, Any] = {
        "requestContext": {
            "requestId": "c1",
            "functionArn": arn,
            "condition": "RecordAgeExceeded",
            "approximateInvokeCount": 4,
        },
        "version": "1.0",
        "timestamp": "2026-03-01T12:00:01.500Z",
        "KinesisBatchInfo": {
            "shardId": "shardId-000000000000",
            "startSequenceNumber": str(first),
            "endSequenceNumber": str(first + 1),
            "approximateArrivalOfFirstRecord": "2026-03-01T11:00:00.000Z",
            "approximateArrivalOfLastRecord": "2026-03-01T11:00:00.000Z",
            "batchSize": 2,
            "streamArn": "arn:aws:kinesis:eu-central-1:123456789012:stream/events",
        },
        "payload": {"Records": records},
    }
    account.s3.put_object(Bucket="failures", Key=FOLDER + name, Body=json.dumps(document))
    return FOLDER + name


def _keys(account: Returning) -> list[str]:
    listed = account.s3.list_objects_v2(Bucket="failures").get("Contents", [])
    return [one["Key"] for one in listed]


def _batches(account: Returning) -> FailedBatches:
    return FailedBatches(account.stack, Functions(account.stack))


def test_batches_are_found_with_reason_function_and_count(account: Returning) -> None:
    key = _give_up(account, "a", 7)

    found = list(_batches(account).find())

    assert found == [
        Lost(
            place="failures",
            source="KinesisEventsFunction",
            reason="RecordAgeExceeded",
            key=key,
            records=2,
            at=datetime(2026, 3, 1, 12, 0, 1, 500_000, tzinfo=UTC),
        )
    ]


def test_batches_of_a_shard_come_in_its_order_whatever_their_names(account: Returning) -> None:
    later = _give_up(account, "a", 100)
    earlier = _give_up(account, "b", 9)

    found = [lost.key for lost in _batches(account).find()]

    assert found == [earlier, later]


def test_a_batch_goes_to_its_function_as_it_was_and_its_object_goes(account: Returning) -> None:
    _give_up(account, "a", 7)
    batches = _batches(account)
    (lost,) = batches.find()

    batches.put_back(lost)

    records = [{"eventID": "shardId-000000000000:7"}, {"eventID": "shardId-000000000000:8"}]
    assert account.functions.calls == [
        ("sw-kinesis-events", {"Records": records, "redrive": "records"})
    ]
    assert _keys(account) == []


@pytest.mark.parametrize("way", ["it raises", "it wants records again"])
def test_what_the_function_does_not_take_stays(account: Returning, way: str) -> None:
    def answer(_name: str, _event: object) -> dict[str, Any]:
        if way == "it raises":
            raise ValueError("no good")
        return {"batchItemFailures": [{"itemIdentifier": "7"}]}

    key = _give_up(account, "a", 7)
    account.functions.answer = answer
    batches = _batches(account)
    (lost,) = batches.find()

    with pytest.raises(NotTakenError):
        batches.put_back(lost)

    assert _keys(account) == [key]


def test_a_function_of_another_stack_is_never_invoked(account: Returning) -> None:
    _give_up(account, "a", 7, arn=f"{ARN}other")

    (lost,) = _batches(account).find()

    assert lost.obstacle == "it was given up by no function of this stack"


def test_what_is_no_batch_is_found_and_stays(account: Returning) -> None:
    account.s3.put_object(Bucket="failures", Key=f"{FOLDER}x", Body=b"{}")

    (lost,) = _batches(account).find()

    assert (lost.reason, lost.obstacle) == (
        "damaged",
        "no batch that Lambda gave up: KeyError('requestContext')",
    )
