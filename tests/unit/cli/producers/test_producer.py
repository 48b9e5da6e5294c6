from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline.cli.producers.producer import Producer, PutError
from pipeline.cli.producers.puts import StreamPut, UserPut, plain

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


class FakeKinesis:
    """Takes records but for those whose data it is told to refuse, once for each time given."""

    def __init__(self, refuse: Sequence[bytes] = (), *, missing: bool = False) -> None:
        self.refuse = list(refuse)
        self.missing = missing
        self.requests: list[list[bytes]] = []
        self.taken = 0

    def put_records(self, *, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803  boto3's
        assert StreamName == "events"
        if self.missing:
            error: Any = {"Error": {"Code": "ResourceNotFoundException", "Message": "no stream"}}
            raise ClientError(error, "PutRecords")
        self.requests.append([record["Data"] for record in Records])
        return {"Records": [self._put(record["Data"]) for record in Records]}

    def _put(self, data: bytes) -> dict[str, str]:
        if data in self.refuse:
            self.refuse.remove(data)
            return {"ErrorCode": "ProvisionedThroughputExceededException"}
        self.taken += 1
        return {"ShardId": "shardId-0", "SequenceNumber": str(self.taken)}


def _put(data: bytes) -> StreamPut:
    return plain(AT, "key", UserPut("system_metric", "", data))


def _producer(kinesis: FakeKinesis, pauses: list[float] | None = None) -> Producer:
    pause = [] if pauses is None else pauses
    client: Any = kinesis
    return Producer(client, "events", pause.append)


def test_every_record_gets_its_receipt() -> None:
    kinesis = FakeKinesis()

    (receipts,) = _producer(kinesis).send([_put(b"a"), _put(b"b")])

    assert [(r.put.data, r.shard_id, r.sequence_number) for r in receipts] == [
        (b"a", "shardId-0", "1"),
        (b"b", "shardId-0", "2"),
    ]


def test_a_request_has_at_most_500_records() -> None:
    kinesis = FakeKinesis()

    portions = list(_producer(kinesis).send([_put(b"%d" % number) for number in range(1001)]))

    assert [len(request) for request in kinesis.requests] == [500, 500, 1]
    assert [len(receipts) for receipts in portions] == [500, 500, 1]


def test_a_request_has_at_most_five_mebibytes() -> None:
    kinesis = FakeKinesis()
    megabyte = b"x" * (1024 * 1024 - 3)  # and three bytes of key

    list(_producer(kinesis).send([_put(megabyte)] * 6))

    assert [len(request) for request in kinesis.requests] == [5, 1]


def test_a_record_that_no_stream_takes_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="1048577 bytes, the limit is 1048576"):
        list(_producer(FakeKinesis()).send([_put(b"x" * (1024 * 1024 - 2))]))


def test_records_are_read_no_further_than_the_request_they_travel_in() -> None:
    read = 0

    def endless() -> Iterator[StreamPut]:
        nonlocal read
        while True:
            read += 1
            yield _put(b"a")

    next(_producer(FakeKinesis()).send(endless()))

    assert read == 501


def test_only_the_refused_part_comes_again() -> None:
    kinesis = FakeKinesis(refuse=[b"b", b"b"])
    pauses: list[float] = []

    (receipts,) = _producer(kinesis, pauses).send([_put(b"a"), _put(b"b"), _put(b"c")])

    assert kinesis.requests == [[b"a", b"b", b"c"], [b"b"], [b"b"]]
    assert [receipt.put.data for receipt in receipts] == [b"a", b"c", b"b"]
    assert len(pauses) == 2


def test_pauses_grow_and_stay_within_their_bound() -> None:
    kinesis = FakeKinesis(refuse=[b"a"] * 7)
    pauses: list[float] = []

    list(_producer(kinesis, pauses).send([_put(b"a")]))

    bounds = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4]
    assert all(0 <= pause <= bound for pause, bound in zip(pauses, bounds, strict=True))


def test_a_stream_that_goes_on_refusing_is_an_error() -> None:
    kinesis = FakeKinesis(refuse=[b"a"] * 8)

    with pytest.raises(
        PutError,
        match="events refused 1 records 8 times, the first with ProvisionedThroughputExceeded",
    ):
        list(_producer(kinesis).send([_put(b"a")]))


def test_progress_starts_the_count_of_attempts_anew() -> None:
    kinesis = FakeKinesis(refuse=[b"a"] * 7 + [b"b"] * 14)

    (receipts,) = _producer(kinesis).send([_put(b"a"), _put(b"b")])

    assert [receipt.put.data for receipt in receipts] == [b"a", b"b"]
    assert len(kinesis.requests) == 15


def test_a_failure_tells_what_is_on_the_stream_already() -> None:
    kinesis = FakeKinesis(refuse=[b"b"] * 9)

    with pytest.raises(PutError) as failure:
        list(_producer(kinesis).send([_put(b"a"), _put(b"b")]))

    assert [receipt.put.data for receipt in failure.value.taken] == [b"a"]


def test_a_request_that_the_service_refuses_is_an_error_in_plain_words() -> None:
    kinesis = FakeKinesis(missing=True)

    with pytest.raises(PutError, match=r"cannot put on events: .*ResourceNotFoundException"):
        list(_producer(kinesis).send([_put(b"a")]))
