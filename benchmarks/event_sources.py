"""Measure the local event sources: records a second from stream or queue to an idle consumer.

What runs is what runs in `streamwarden local`: the service that plays Lambda, its Kinesis reader
and shard poller or its queue source, the Runtime API and a worker process, whose handler does
nothing. Only stream and queue are none of moto's but lists in memory, behind the few methods of
boto3's clients that the sources call.

The peer is the least that any event source must do: a plain loop in one process that builds the
same events, encodes and decodes each batch as JSON and calls the consumer; no thread, no HTTP, no
second process, no checkpoint, no retry. Both get the same records in turns, so the ratio of their
CPU holds where the absolute times of a machine do not. CPU counts the worker process too.

Run it with `make bench`.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import psutil

from benchmarks.records import BATCH, SHARD, lambda_event, payloads
from pipeline.local.checkpoints import Checkpoints
from pipeline.local.deployment import Deployment, EventSourceMapping, Function, QueueMapping
from pipeline.local.endpoint import Endpoint
from pipeline.local.lambda_service import LambdaService, RunEvent
from pipeline.local.sources.kinesis import kinesis_event

RECORDS_PER_S: Final = 5_000
CPU_FACTOR: Final = 3.0
"""At most so many times the CPU of the plain loop."""

STREAM: Final = "stream to consumer"
QUEUE: Final = "queue to consumer"
LOOP: Final = "plain loop in one process"
STREAM_ARN: Final = "arn:aws:kinesis:eu-central-1:123456789012:stream/events"
ROLE_ARN: Final = "arn:aws:iam::123456789012:role/consumer"
_ARRIVAL: Final = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
_QUEUE_MAPPING: Final = QueueMapping(
    logical_id="ConsumerMessages",
    uuid="6c7e0a31-0001-4a57-8b41-000000000002",
    function="Consumer",
    source_arn="arn:aws:sqs:eu-central-1:123456789012:messages",
    queue_url="http://127.0.0.1:1/messages",
    visibility_timeout_s=360,
    batch_size=BATCH,
    batching_window_s=1,
    maximum_concurrency=None,
    report_batch_item_failures=True,
    filters=(),
)
_CONSUMER: Final = "def handler(event, context):\n    return None\n"
_WAIT_S: Final = 60.0


class Times(NamedTuple):
    """What a round has taken; CPU of all processes."""

    wall_s: float
    cpu_s: float


class MemoryKinesis:
    """A stream of one shard, with the methods of boto3's client that a reader calls."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def describe_stream_summary(self, **_: str) -> dict[str, Any]:
        """Tell the stream's age, and that it keeps everything for ages."""
        summary = {"StreamCreationTimestamp": _ARRIVAL, "RetentionPeriodHours": 1_000_000}
        return {"StreamDescriptionSummary": summary}

    def list_shards(self, **_: str) -> dict[str, Any]:
        """List the one shard."""
        return {"Shards": [{"ShardId": SHARD, "SequenceNumberRange": {}}]}

    def get_shard_iterator(self, **_: str) -> dict[str, Any]:
        """Give the place of the first record."""
        return {"ShardIterator": "0"}

    def get_records(self, *, ShardIterator: str, Limit: int) -> dict[str, Any]:  # noqa: N803  boto3's
        """Read on from a place."""
        begin = int(ShardIterator)
        records = self.records[begin : begin + Limit]
        return {"Records": records, "NextShardIterator": str(begin + len(records))}


class MemorySqs:
    """A standard queue, with the methods of boto3's client that a queue source calls."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self._received = self._deleted = 0

    def receive_message(self, *, MaxNumberOfMessages: int, **_: object) -> dict[str, Any]:  # noqa: N803  boto3's
        """Take messages; none of them comes again."""
        records = self.records[self._received : self._received + min(MaxNumberOfMessages, 10)]
        self._received += len(records)
        return {"Messages": [_message(record) for record in records]}

    def delete_message_batch(self, *, Entries: list[object], **_: object) -> dict[str, Any]:  # noqa: N803  boto3's
        """Count."""
        self._deleted += len(Entries)
        return {}

    def get_queue_attributes(self, *, AttributeNames: Sequence[str], **_: object) -> dict[str, Any]:  # noqa: N803  boto3's
        """Tell what is left as if all of it were visible."""
        left = len(self.records) - self._deleted
        return {"Attributes": dict.fromkeys(AttributeNames, "0") | {AttributeNames[0]: str(left)}}


class MemoryEndpoint(Endpoint):
    """An endpoint that has one source and nothing else."""

    def __init__(self, source: MemoryKinesis | MemorySqs) -> None:
        super().__init__("http://127.0.0.1:1")
        self._source = source

    def client(self, service: str) -> Any:  # noqa: ANN401  as inherited
        """Give the source, whose methods are those of its service alone."""
        del service
        return self._source


class Sources:
    """The local Lambda with a consumer that does nothing, reading a source in memory."""

    def __init__(self, directory: Path, source: MemoryKinesis | MemorySqs) -> None:
        (directory / "consumer.py").write_text(_CONSUMER)
        self._source = source
        self.problems: list[RunEvent] = []
        self._lambda = LambdaService(
            deployment(directory, source),
            MemoryEndpoint(source),
            directory=directory,
            checkpoints=Checkpoints(directory / "checkpoints.json"),
            on_event=self.problems.append,
        )

    def __enter__(self) -> Self:
        """Start the pollers."""
        self._lambda.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End everything."""
        self._lambda.close()

    def take(self, records: list[dict[str, Any]]) -> Times:
        """Let the records arrive; return wall and CPU seconds until they are settled."""
        cpu, wall = self._cpu_s(), time.perf_counter()
        self._source.records += records
        until = self._lambda.fetched + len(records)
        while self._lambda.fetched < until or self._lambda.pending():
            if self.problems or time.perf_counter() > wall + _WAIT_S:
                raise RuntimeError(f"the records were not settled: {self.problems}")
            time.sleep(0.001)
        return Times(time.perf_counter() - wall, self._cpu_s() - cpu)

    def _cpu_s(self) -> float:
        processes = [psutil.Process(), *psutil.Process().children()]
        times = [process.cpu_times() for process in processes]
        return sum(spent.user + spent.system for spent in times)


def deployment(directory: Path, source: MemoryKinesis | MemorySqs) -> Deployment:
    """Return one function on the source, with reserved concurrency 1: one shard, one worker."""
    function = Function(
        logical_id="Consumer",
        name="consumer",
        arn="arn:aws:lambda:eu-central-1:123456789012:function:consumer",
        handler="consumer.handler",
        code_directory=directory,
        environment={},
        timeout_s=60,
        memory_mb=512,
        role_arn=ROLE_ARN,
        reserved_concurrency=1,
    )
    if isinstance(source, MemorySqs):
        return Deployment({"Consumer": function}, (), {}, {}, {}, queue_mappings=(_QUEUE_MAPPING,))
    mapping = EventSourceMapping(
        logical_id="ConsumerEvents",
        uuid="6c7e0a31-0001-4a57-8b41-000000000001",
        function="Consumer",
        source_arn=STREAM_ARN,
        batch_size=BATCH,
        batching_window_s=0,
        starting_position="TRIM_HORIZON",
        maximum_retry_attempts=-1,
        maximum_record_age_s=-1,
        bisect_on_error=False,
        report_batch_item_failures=True,
        filters=(),
        on_failure_arn=None,
    )
    return Deployment({"Consumer": function}, (mapping,), {}, {}, {})


def plain_loop(records: list[dict[str, Any]]) -> Times:
    """Do the least that an event source must; return wall and CPU seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    for start in range(0, len(records), BATCH):
        events = [
            kinesis_event(SHARD, record, stream_arn=STREAM_ARN, role_arn=ROLE_ARN)
            for record in records[start : start + BATCH]
        ]
        json.loads(json.dumps({"Records": events}))
    return Times(time.perf_counter() - wall, time.process_time() - cpu)


def _message(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "MessageId": record["SequenceNumber"],
        "ReceiptHandle": record["SequenceNumber"],
        "Body": record["Data"].decode(),
        "MD5OfBody": "0" * 32,
        "Attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1790000000000",
            "SenderId": "123456789012",
            "ApproximateFirstReceiveTimestamp": "1790000000001",
        },
    }


def stream_records() -> Iterator[dict[str, Any]]:
    """Yield records as boto3 returns them, those of the other benchmarks one after another."""
    for number in count():
        event = lambda_event(number)
        for record, data in zip(event["Records"], payloads(event), strict=True):
            yield {
                "SequenceNumber": record["kinesis"]["sequenceNumber"],
                "ApproximateArrivalTimestamp": _ARRIVAL,
                "Data": data,
                "PartitionKey": record["kinesis"]["partitionKey"],
            }


def main(arguments: Sequence[str]) -> None:
    """Print the figures and the goals."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=40, help="batches of a round")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(arguments)
    stream, size = stream_records(), chosen.batches * BATCH
    rounds: dict[str, list[Times]] = {STREAM: [], QUEUE: [], LOOP: []}
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        streaming, queueing = (
            stack.enter_context(Sources(Path(directory), source))
            for source in (MemoryKinesis(), MemorySqs())
        )
        for sources in (streaming, queueing):
            sources.take(list(islice(stream, 2 * BATCH)))  # starts the worker
        for _ in range(chosen.rounds):
            records = list(islice(stream, size))
            rounds[STREAM].append(streaming.take(records))
            rounds[QUEUE].append(queueing.take(records))
            rounds[LOOP].append(plain_loop(records))
    mean = statistics.mean(len(record["Data"]) for record in records)
    mean = statistics.mean(len(record["Data"]) for record in records)
    print(f"{chosen.rounds} rounds of {size:,} records of {mean:.0f} bytes, {BATCH} a batch\n")
    print("\n".join([*table(rounds, size), "", *verdicts(rounds, size)]))


def table(rounds: Mapping[str, Sequence[Times]], size: int) -> Iterator[str]:
    """Yield the lines of the table."""
    yield f"{'':36} {'records/s':>10} {'CPU us/record':>14}"
    for name, figures in rounds.items():
        cpu_us = statistics.median(one.cpu_s / size * 1e6 for one in figures)
        yield f"{name:36} {_rate(figures, size):10,.0f} {cpu_us:14.1f}"


def verdicts(rounds: Mapping[str, Sequence[Times]], size: int) -> Iterator[str]:
    """Yield one line per goal, with what was measured and whether it is met."""
    rate = _rate(rounds[STREAM], size)
    text = f"at least {RECORDS_PER_S:,} records/s"
    yield _verdict(text, f"{rate:,.0f}", is_met=rate >= RECORDS_PER_S)
    ratio = statistics.median(
        a.cpu_s / b.cpu_s for a, b in zip(rounds[STREAM], rounds[LOOP], strict=True)
    )
    text = f"at most {CPU_FACTOR:g} times the CPU of the loop"
    yield _verdict(text, f"{ratio:.2f}x", is_met=ratio <= CPU_FACTOR)


def _rate(rounds: Sequence[Times], size: int) -> float:
    return statistics.median(size / one.wall_s for one in rounds)


def _verdict(goal: str, figure: str, *, is_met: bool) -> str:
    return f"goal: {goal:36} measured: {figure:>8}   {'met' if is_met else 'MISSED'}"


if __name__ == "__main__":
    main(sys.argv[1:])
