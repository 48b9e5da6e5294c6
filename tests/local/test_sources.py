"""Pollers on a stream in memory."""

import json
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline.local.checkpoints import Checkpoints
from pipeline.local.deployment import Function
from pipeline.local.execution.outcome import FunctionError, Outcome, Success
from pipeline.local.on_failure import TimeUnit
from pipeline.local.semantics.stream_types import StreamRecord
from pipeline.local.sources.mapping_source import MappingSource
from pipeline.local.sources.shard_poller import MappingContext
from pipeline.local.sources.stream import Fetched, Position, Shard
from tests.local.mappings import ROLE_ARN, a_mapping
from tests.local.stream_harness import policy


def key(number: int) -> str:
    return "odd" if number % 2 else "even"


class MemoryStream:
    """A stream whose records are their sequence numbers; an iterator is the last one read.

    A record arrives at the second that its number says, and there are two keys.
    """

    arrival_unit: TimeUnit = "milliseconds"
    batch_info_key = "KinesisBatchInfo"

    def __init__(self, **shards: list[int]) -> None:
        self.records = shards
        self.listed = [Shard(name) for name in shards]
        self.broken_reads = 0
        self._lock = threading.Lock()

    def identity(self) -> str:
        return "memory"

    def shards(self) -> list[Shard]:
        with self._lock:
            return list(self.listed)

    def retention_s(self) -> float:
        return 86_400

    def iterator(self, shard_id: str, after: str | None, position: Position) -> str:
        with self._lock:
            last = max(self.records[shard_id], default=0)
            return after or (str(last) if position.kind == "LATEST" else "0")

    def fetch(self, shard_id: str, iterator: str, limit: int) -> Fetched:
        with self._lock:
            if self.broken_reads:
                self.broken_reads -= 1
                error = {"Error": {"Code": "ExpiredIteratorException", "Message": "too old"}}
                raise ClientError(error, "GetRecords")  # type: ignore[arg-type]  # enough of it
            fresh = [n for n in self.records[shard_id] if n > int(iterator)][:limit]
            records = [StreamRecord(str(n), float(n), str(n).encode(), key(n)) for n in fresh]
            return Fetched(records, str(fresh[-1]) if fresh else iterator)

    def put(self, shard_id: str, number: int) -> None:
        with self._lock:
            self.records[shard_id].append(number)

    def list_shards(self, *shards: Shard) -> None:
        with self._lock:
            self.listed = list(shards)


class Reader:
    """The function: hands each event over, and fails when told."""

    def __init__(self) -> None:
        self.events: queue.Queue[str] = queue.Queue()
        self.failures: queue.Queue[None] = queue.Queue()
        self.permits = threading.Semaphore(1000)
        self.answer = b"null"

    def invoke(self, event: bytes) -> Outcome:
        self.events.put(event.decode())
        self.permits.acquire(timeout=60)
        if not self.failures.empty():
            self.failures.get()
            return FunctionError("request", "unhandled", "ValueError", "told so")
        return Success("request", self.answer)

    def next_event(self) -> str:
        return self.events.get(timeout=60)


Start = Callable[..., MappingSource]


class Problems:
    def __init__(self) -> None:
        self.texts: queue.Queue[str] = queue.Queue()

    def next_text(self) -> str:
        return self.texts.get(timeout=60)


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def problems() -> Problems:
    return Problems()


@pytest.fixture
def start(reader: Reader, problems: Problems, tmp_path: Path) -> Iterator[Start]:
    started: list[MappingSource] = []

    def start_source(
        stream: MemoryStream,
        *,
        position: str = "TRIM_HORIZON",
        timestamp: float | None = None,
        checkpoints: Checkpoints | None = None,
        **settings: Any,  # noqa: ANN401  what a policy has
    ) -> MappingSource:
        context = MappingContext(
            mapping=a_mapping(starting_position=position, starting_timestamp=timestamp),
            function=Function(
                "Reader", "reader", "arn:reader", "reader.handler", tmp_path, {}, 3, 128, ROLE_ARN
            ),
            policy=replace(
                policy(batch_size=3, **settings), backoff_s=lambda _: 0.01, window_grace_s=0
            ),
            reader=stream,
            stream_identity=stream.identity(),
            checkpoints=checkpoints or Checkpoints(None),
            invoke=reader.invoke,
            client=lambda service: pytest.fail(f"nobody asked for {service}"),
            on_problem=problems.texts.put,
            clock=lambda: datetime.now(UTC).timestamp(),  # noqa: TID251  pollers wait in real time
            poll_interval_s=0.005,
        )
        source = MappingSource(context)
        started.append(source)
        source.start()
        return source

    yield start_source
    for source in started:
        source.stop()
        reader.permits.release(1000)
        assert source.join(60)


def test_batches_are_invoked_in_order(start: Start, reader: Reader) -> None:
    start(MemoryStream(a=[1, 2, 3, 4]))

    assert reader.next_event() == '{"Records":[1,2,3]}'
    assert reader.next_event() == '{"Records":[4]}'


def test_a_failed_batch_is_delivered_again(start: Start, reader: Reader) -> None:
    reader.failures.put(None)

    start(MemoryStream(a=[1, 2]))

    assert reader.next_event() == '{"Records":[1,2]}'
    assert reader.next_event() == '{"Records":[1,2]}'


def test_a_source_resumes_behind_what_is_settled(start: Start, reader: Reader) -> None:
    checkpoints = Checkpoints(None)
    stream = MemoryStream(a=[1, 2, 3, 4])
    reader.permits = threading.Semaphore(1)
    first = start(stream, checkpoints=checkpoints)
    assert reader.next_event() == '{"Records":[1,2,3]}'
    assert reader.next_event() == '{"Records":[4]}'
    first.stop()  # while the second batch is in flight
    reader.failures.put(None)
    reader.permits.release(2)
    assert first.join(60)

    start(stream, checkpoints=checkpoints)

    assert reader.next_event() == '{"Records":[4]}'


def test_latest_reads_what_comes_after_the_start(start: Start, reader: Reader) -> None:
    stream = MemoryStream(a=[1, 2])
    start(stream, position="LATEST")

    stream.put("a", 3)

    assert reader.next_event() == '{"Records":[3]}'


def test_latest_is_taken_once(start: Start, reader: Reader) -> None:
    checkpoints = Checkpoints(None)
    stream = MemoryStream(a=[1, 2])
    first = start(stream, position="LATEST", checkpoints=checkpoints)
    first.stop()
    assert first.join(60)
    now = int(datetime.now(UTC).timestamp())  # noqa: TID251  arrival times are of this time
    stream.put("a", now + 60)

    start(stream, position="LATEST", checkpoints=checkpoints)

    assert reader.next_event() == f'{{"Records":[{now + 60}]}}'


def test_a_child_that_came_while_nobody_read_is_read_from_its_beginning(
    start: Start, reader: Reader
) -> None:
    checkpoints = Checkpoints(None)
    stream = MemoryStream(parent=[1], child=[10])
    stream.list_shards(Shard("parent"))
    first = start(stream, position="LATEST", checkpoints=checkpoints)
    first.stop()
    assert first.join(60)
    stream.list_shards(Shard("parent", (), "1"), Shard("child", ("parent",)))

    start(stream, position="LATEST", checkpoints=checkpoints)

    assert reader.next_event() == '{"Records":[10]}'


def test_a_timestamp_leaves_out_what_arrived_before(start: Start, reader: Reader) -> None:
    stream = MemoryStream(a=[1, 2, 3, 4])

    start(stream, position="AT_TIMESTAMP", timestamp=3.0)

    assert reader.next_event() == '{"Records":[3,4]}'


def test_batches_of_different_keys_run_at_once(start: Start, reader: Reader) -> None:
    reader.permits = threading.Semaphore(0)

    start(MemoryStream(a=[1, 2, 3, 4, 5, 6, 7, 8]), factor=2)
    first = {reader.next_event(), reader.next_event()}
    reader.permits.release(4)
    second = {reader.next_event(), reader.next_event()}

    assert first == {'{"Records":[1,3,5]}', '{"Records":[2,4,6]}'}
    assert second == {'{"Records":[7]}', '{"Records":[8]}'}


def test_the_checkpoint_is_below_the_lowest_batch_in_flight(start: Start, reader: Reader) -> None:
    checkpoints = Checkpoints(None)
    reader.permits = threading.Semaphore(0)
    stream = MemoryStream(a=[1, 2, 3, 4])
    first = start(stream, checkpoints=checkpoints, factor=2)
    in_flight = {reader.next_event(), reader.next_event()}
    first.stop()
    reader.failures.put(None)  # whichever ends first
    reader.permits.release(2)
    assert first.join(60)

    start(stream, checkpoints=checkpoints)
    reader.permits.release(10)

    assert in_flight == {'{"Records":[1,3]}', '{"Records":[2,4]}'}
    assert reader.next_event() in ('{"Records":[1,2,3]}', '{"Records":[2,3,4]}')


def test_the_end_of_a_shard_ends_its_tumbling_window(start: Start, reader: Reader) -> None:
    reader.answer = b'{"state": {"n": 2}}'
    stream = MemoryStream(a=[61, 62])
    stream.list_shards(Shard("a", (), "62"))

    start(stream, tumbling_s=60)

    assert json.loads(reader.next_event()) == {
        "Records": [61, 62],
        "window": {"start": "1970-01-01T00:01:00Z", "end": "1970-01-01T00:02:00Z"},
        "state": {},
        "shardId": "a",
        "eventSourceARN": "arn:aws:kinesis:eu-central-1:123456789012:stream/events",
        "isFinalInvokeForWindow": False,
        "isWindowTerminatedEarly": False,
    }
    assert json.loads(reader.next_event()) == {
        "Records": [],
        "window": {"start": "1970-01-01T00:01:00Z", "end": "1970-01-01T00:02:00Z"},
        "state": {"n": 2},
        "shardId": "a",
        "eventSourceARN": "arn:aws:kinesis:eu-central-1:123456789012:stream/events",
        "isFinalInvokeForWindow": True,
        "isWindowTerminatedEarly": False,
    }


def test_children_wait_until_their_parents_are_read_to_the_end(
    start: Start, reader: Reader
) -> None:
    stream = MemoryStream(parent=[1, 2, 3, 4], other=[1], child=[10, 11])
    stream.list_shards(
        Shard("child", ("parent", "other")),
        Shard("other", (), "1"),
        Shard("parent", (), "4"),
    )
    source = start(stream)

    before = sorted(reader.next_event() for _ in range(3))
    source.refresh()
    child = reader.next_event()

    assert before == ['{"Records":[1,2,3]}', '{"Records":[1]}', '{"Records":[4]}']
    assert child == '{"Records":[10,11]}'


def test_a_shard_whose_parent_has_been_trimmed_is_read(start: Start, reader: Reader) -> None:
    stream = MemoryStream(child=[10])
    stream.list_shards(Shard("child", ("long-gone",)))

    start(stream)

    assert reader.next_event() == '{"Records":[10]}'


def test_a_child_that_appears_later_is_read_from_its_beginning(
    start: Start, reader: Reader
) -> None:
    stream = MemoryStream(parent=[1], child=[10])
    stream.list_shards(Shard("parent"))
    start(stream, position="LATEST")

    stream.list_shards(Shard("parent", (), "1"), Shard("child", ("parent",)))

    assert reader.next_event() == '{"Records":[10]}'


def test_a_shard_is_read_on_after_a_failed_read(start: Start, reader: Reader) -> None:
    stream = MemoryStream(a=[1])
    stream.broken_reads = 1

    start(stream)

    assert reader.next_event() == '{"Records":[1]}'


def test_records_that_are_given_up_without_a_destination_are_reported(
    start: Start, reader: Reader, problems: Problems
) -> None:
    reader.failures.put(None)

    start(MemoryStream(a=[1, 2, 3, 4]), retries=0)

    assert problems.next_text() == (
        "Events gave up 3 records of a from 1 to 3: RetryAttemptsExhausted; "
        "they are lost, the mapping has no on-failure destination"
    )
    reader.next_event()
    assert reader.next_event() == '{"Records":[4]}'


def test_an_unexpected_error_stops_the_source_and_is_reported(
    start: Start, problems: Problems
) -> None:
    stream = MemoryStream(a=[1])
    stream.records["a"] = ["no number"]  # type: ignore[list-item]  # a defect of the stream

    source = start(stream)

    assert problems.next_text().startswith("Events a has stopped: TypeError")
    assert isinstance(source.failure, TypeError)


def test_a_starting_position_in_the_future_is_refused(start: Start) -> None:
    with pytest.raises(ValueError, match="Events: StartingPositionTimestamp is in the future"):
        start(MemoryStream(), position="AT_TIMESTAMP", timestamp=9e9)
