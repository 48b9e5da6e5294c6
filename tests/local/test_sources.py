"""Events as Lambda makes them, and pollers on a stream in memory."""

import queue
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline.local.checkpoints import Checkpoints
from pipeline.local.deployment import EventSourceMapping, Function
from pipeline.local.execution.outcome import FunctionError, Outcome, Success
from pipeline.local.on_failure import TimeUnit
from pipeline.local.semantics.stream_mapping import MappingPolicy, StreamRecord
from pipeline.local.sources.dynamodb import DynamodbReader, dynamodb_event, item_size_bytes
from pipeline.local.sources.kinesis import KinesisReader, kinesis_event
from pipeline.local.sources.mapping_source import MappingSource
from pipeline.local.sources.shard_poller import MappingContext
from pipeline.local.sources.stream import Fetched, Shard

STREAM_ARN = "arn:aws:kinesis:eu-central-1:123456789012:stream/events"
TABLE_STREAM_ARN = (
    "arn:aws:dynamodb:eu-central-1:123456789012:table/users/stream/2026-01-02T03:04:05.678"
)
ROLE_ARN = "arn:aws:iam::123456789012:role/reader"
ARRIVAL = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


def a_mapping(
    *, source_arn: str = STREAM_ARN, position: str = "TRIM_HORIZON", filters: tuple[str, ...] = ()
) -> EventSourceMapping:
    return EventSourceMapping(
        logical_id="Events",
        uuid="6a0e9c7e-0000-4000-8000-000000000001",
        function="Reader",
        source_arn=source_arn,
        batch_size=10,
        batching_window_s=0,
        starting_position=position,
        maximum_retry_attempts=-1,
        maximum_record_age_s=-1,
        bisect_on_error=False,
        report_batch_item_failures=True,
        filters=filters,
        on_failure_arn=None,
    )


def change(**images: dict[str, Any]) -> dict[str, Any]:
    return {
        "eventID": "c4ca4238a0b923820dcc509a6f75849b",
        "eventName": "MODIFY" if len(images) == 2 else "INSERT",
        "eventVersion": "1.0",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": ARRIVAL,
            "Keys": {"Id": {"N": "101"}},
            "SequenceNumber": "111",
            "SizeBytes": 9999,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
            **images,
        },
    }


class FakeClient:
    """Answers `get_records` like boto3, once."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self._records = records

    def get_records(self, **_: object) -> dict[str, Any]:
        return {"Records": self._records, "NextShardIterator": "next"}


def test_a_kinesis_record_becomes_lambdas_event() -> None:
    record = {
        "PartitionKey": "user-1",
        "SequenceNumber": "4959033",
        "Data": b"\x00hello\xff",
        "ApproximateArrivalTimestamp": ARRIVAL,
    }

    event = kinesis_event("shardId-000000000006", record, stream_arn=STREAM_ARN, role_arn=ROLE_ARN)

    assert event == {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "user-1",
            "sequenceNumber": "4959033",
            "data": "AGhlbGxv/w==",
            "approximateArrivalTimestamp": 1767323045.678,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": "shardId-000000000006:4959033",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/reader",
        "awsRegion": "eu-central-1",
        "eventSourceARN": "arn:aws:kinesis:eu-central-1:123456789012:stream/events",
    }


def test_a_change_of_a_table_becomes_lambdas_event() -> None:
    record = change(NewImage={"Message": {"S": "New item!"}, "Id": {"N": "101"}})

    event = dynamodb_event(record, stream_arn=TABLE_STREAM_ARN)

    assert event == {
        "eventID": "c4ca4238a0b923820dcc509a6f75849b",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-central-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1767323045,
            "Keys": {"Id": {"N": "101"}},
            "NewImage": {"Message": {"S": "New item!"}, "Id": {"N": "101"}},
            "SequenceNumber": "111",
            "SizeBytes": 26,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": TABLE_STREAM_ARN,
    }


def test_binary_attributes_are_base64_text_at_any_depth() -> None:
    image = {"a": {"B": b"\xff"}, "b": {"L": [{"M": {"c": {"BS": [b"1", b"2"]}}}]}}

    event = dynamodb_event(change(NewImage=image), stream_arn=TABLE_STREAM_ARN)

    assert event["dynamodb"]["NewImage"] == {
        "a": {"B": "/w=="},
        "b": {"L": [{"M": {"c": {"BS": ["MQ==", "Mg=="]}}}]},
    }


def test_what_time_to_live_deletes_names_the_service() -> None:
    record = change()
    record["userIdentity"] = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}

    event = dynamodb_event(record, stream_arn=TABLE_STREAM_ARN)

    assert event["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


@pytest.mark.parametrize(
    ("item", "size_bytes"),
    [
        ({}, 0),
        ({"Id": {"N": "101"}}, 5),
        ({"ä": {"S": "ü"}}, 4),
        ({"a": {"N": "0"}}, 2),
        ({"a": {"N": "-0.00120"}}, 3),
        ({"a": {"N": "1200"}}, 3),
        ({"a": {"B": b"\x00\x01"}}, 3),
        ({"a": {"BOOL": True}, "b": {"NULL": True}}, 4),
        ({"a": {"SS": ["x", "yz"]}}, 4),
        ({"a": {"NS": ["1", "23"]}}, 5),
        ({"a": {"L": [{"S": "x"}]}}, 6),
        ({"a": {"M": {"b": {"S": "x"}}}}, 7),
    ],
)
def test_the_size_of_an_item_counts_names_and_values(item: dict[str, Any], size_bytes: int) -> None:
    assert item_size_bytes(item) == size_bytes


def test_a_write_that_changes_nothing_reaches_no_function() -> None:
    same = {"Id": {"N": "101"}, "v": {"S": "x"}}
    client = FakeClient(
        [
            change(NewImage=same, OldImage=same),
            change(NewImage=same, OldImage={"Id": {"N": "101"}}),
        ]
    )
    reader = DynamodbReader(client, a_mapping(source_arn=TABLE_STREAM_ARN))

    fetched = reader.fetch("shard", "iterator", 100)

    assert [record.event is None for record in fetched.records] == [True, False]


def test_a_filter_keeps_changes_out() -> None:
    client = FakeClient(
        [
            change(NewImage={"Id": {"N": "1"}}),
            change(NewImage={"Id": {"N": "1"}}, OldImage={"Id": {"N": "2"}}),
        ]
    )
    mapping = a_mapping(source_arn=TABLE_STREAM_ARN, filters=('{"eventName": ["INSERT"]}',))

    fetched = DynamodbReader(client, mapping).fetch("shard", "iterator", 100)

    assert [record.event is None for record in fetched.records] == [False, True]


def test_a_data_filter_sees_decoded_json_and_the_function_the_original_bytes() -> None:
    data = [b'{"kind": "a"}', b'{"kind": "b"}', b'{"kind":', b'  {"kind" :"a"}']
    client = FakeClient(
        [
            {
                "PartitionKey": "p",
                "SequenceNumber": str(number),
                "Data": content,
                "ApproximateArrivalTimestamp": ARRIVAL,
            }
            for number, content in enumerate(data)
        ]
    )
    mapping = a_mapping(filters=('{"data": {"kind": ["a"]}}',))

    fetched = KinesisReader(client, mapping, ROLE_ARN).fetch("shard", "iterator", 100)

    assert [record.event is None for record in fetched.records] == [False, True, True, False]
    assert b'"data":"ICB7ImtpbmQiIDoiYSJ9"' in (fetched.records[3].event or b"")


def test_a_metadata_filter_takes_data_that_is_not_json() -> None:
    record = {
        "PartitionKey": "p",
        "SequenceNumber": "1",
        "Data": b"\xff",
        "ApproximateArrivalTimestamp": ARRIVAL,
    }
    mapping = a_mapping(filters=('{"partitionKey": ["q"]}', '{"partitionKey": ["p"]}'))

    fetched = KinesisReader(FakeClient([record]), mapping, ROLE_ARN).fetch("shard", "i", 100)

    assert fetched.records[0].event is not None


class MemoryStream:
    """A stream whose records are their sequence numbers; an iterator is the last one read."""

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

    def iterator(self, shard_id: str, after: str | None, position: str) -> str:
        with self._lock:
            last = max(self.records[shard_id], default=0)
            return after or (str(last) if position == "LATEST" else "0")

    def fetch(self, shard_id: str, iterator: str, limit: int) -> Fetched:
        with self._lock:
            if self.broken_reads:
                self.broken_reads -= 1
                error = {"Error": {"Code": "ExpiredIteratorException", "Message": "too old"}}
                raise ClientError(error, "GetRecords")  # type: ignore[arg-type]  # enough of it
            fresh = [n for n in self.records[shard_id] if n > int(iterator)][:limit]
            records = [StreamRecord(str(n), 0.0, str(n).encode()) for n in fresh]
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

    def invoke(self, event: bytes) -> Outcome:
        self.events.put(event.decode())
        self.permits.acquire(timeout=10)
        if not self.failures.empty():
            self.failures.get()
            return FunctionError("request", "unhandled", "ValueError", "told so")
        return Success("request", b"null")

    def next_event(self) -> str:
        return self.events.get(timeout=10)


Start = Callable[..., MappingSource]


class Problems:
    def __init__(self) -> None:
        self.texts: queue.Queue[str] = queue.Queue()

    def next_text(self) -> str:
        return self.texts.get(timeout=10)


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
        checkpoints: Checkpoints | None = None,
        retries: int = -1,
    ) -> MappingSource:
        context = MappingContext(
            mapping=a_mapping(position=position),
            function=Function(
                "Reader", "reader", "arn:reader", "reader.handler", tmp_path, {}, 3, 128, ROLE_ARN
            ),
            policy=MappingPolicy(
                batch_size=3,
                batching_window_s=0,
                maximum_retry_attempts=retries,
                maximum_record_age_s=-1,
                bisect_on_error=False,
                report_batch_item_failures=True,
                backoff_s=lambda _: 0.01,
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
        assert source.join(10)


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
    assert first.join(10)

    start(stream, checkpoints=checkpoints)

    assert reader.next_event() == '{"Records":[4]}'


def test_latest_reads_what_comes_after_the_start(start: Start, reader: Reader) -> None:
    stream = MemoryStream(a=[1, 2])
    start(stream, position="LATEST")

    stream.put("a", 3)

    assert reader.next_event() == '{"Records":[3]}'


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


def test_a_starting_position_that_is_not_supported_is_refused(start: Start) -> None:
    with pytest.raises(ValueError, match="Events: the local run cannot start at AT_TIMESTAMP"):
        start(MemoryStream(), position="AT_TIMESTAMP")
