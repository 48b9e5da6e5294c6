"""Measure the event flow's consumer against two peers and against its own bare limit.

All consumers get the same seeded batches in turns within one process, so that ratios hold where the
absolute times of a machine do not: each round gives one ratio, and the median of the rounds counts.

* CPU: `process_time` of a batch while a botocore hook answers every call at once.
* Wall: the same batches against a loopback server, in its own process, that waits over each call.

The peers are written as users write them (`peers/`). The bare limit decodes and checks, encodes
items into request bodies and compresses the originals, with our own codecs and no AWS SDK at all.
Goals that are missed are printed as missed.

Run it with `make bench`.
"""

import argparse
import base64
import gc
import gzip
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, islice
from types import SimpleNamespace
from typing import Any, Final

import msgspec

from benchmarks.records import BATCH, lambda_event, payloads
from benchmarks.transports import STATE_TABLE, Wire, point_clients_at, slow_server
from pipeline.adapters.event_items import EventTables, event_put
from pipeline.events import decode
from pipeline.ports import StoredEvent

Handler = Callable[[dict[str, Any], Any], object]

OURS: Final = "ours, consumers.kinesis_events"
BLOG: Final = "(a) blog style"
POWERTOOLS: Final = "(b) Powertools docs style"
BARE: Final = "bare limit, no SDK"

SETTINGS: Final = {
    "ACTIVITIES_TABLE": "activities",
    "METRICS_TABLE": "metrics",
    "TRANSACTIONS_TABLE": "transactions",
    "DETECTOR_STATE_TABLE": STATE_TABLE,
    "ANOMALIES_TABLE": "anomalies",
    "LAKE_BUCKET": "lake",
    "EVENT_STREAM": "events",
    "EVENT_TTL_DAYS": "30",
    "ACTIVITIES_IN_LAKE_ONLY": "false",
    "ENVIRONMENT": "bench",
    "POWERTOOLS_METRICS_NAMESPACE": "bench",
    "POWERTOOLS_SERVICE_NAME": "bench",
    "RULES_PARAMETER": "/bench/rules",
    "BUCKET_OWNER": "123456789012",
}
_CONTEXT: Final = SimpleNamespace(
    function_name="bench",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:bench",
    aws_request_id="bench",
    get_remaining_time_in_millis=lambda: 60_000,
)
_ENCODER: Final = msgspec.json.Encoder()
_TABLES: Final = EventTables("activities", "metrics", "transactions", 30 * 86_400)


@dataclass(frozen=True)
class Goal:
    """At most `factor` times the CPU of another consumer."""

    other: str
    factor: float
    text: str


GOALS: Final = (
    Goal(BLOG, 0.4, "at most 0.4 times the CPU of (a)"),
    Goal(POWERTOOLS, 1 / 60, "at most 1/60 of the CPU of (b)"),
    Goal(BARE, 6.0, "at most 6 times the bare limit"),
)
WARM_UP_BATCHES: Final = 8
RECORDS_PER_S: Final = 6_900
"""A shard's full egress of 2 MB/s in records of about 300 bytes."""


@dataclass
class Figures:
    """What was measured of one consumer, by round."""

    cpu_us: dict[int, float] = field(default_factory=dict)
    wall_ms: dict[int, float] = field(default_factory=dict)
    calls: list[int] = field(default_factory=list)


def bare_limit(event: dict[str, Any], context: object) -> list[bytes]:  # noqa: ARG001  a handler's signature
    """Do what no consumer can leave out: decode, check, encode, compress."""
    lines = [base64.b64decode(record["kinesis"]["data"]) for record in event["Records"]]
    puts = [
        event_put(StoredEvent(str(found.event_id), found), _TABLES) for found in map(decode, lines)
    ]
    bodies = []
    for start in range(0, len(puts), 25):
        requests: dict[str, list[Any]] = {}
        for put in puts[start : start + 25]:
            requests.setdefault(put.table, []).append({"PutRequest": {"Item": put.item}})
        bodies.append(_ENCODER.encode({"RequestItems": requests}))
    return [*bodies, gzip.compress(b"\n".join(lines), 3)]


def consumers() -> dict[str, Handler]:
    """Import and name the consumers; their clients speak through the wire that is installed."""
    from benchmarks.peers import blog_style, powertools_style  # noqa: PLC0415  after the wire
    from consumers import kinesis_events  # noqa: PLC0415  after the wire

    return {
        OURS: kinesis_events.handler,
        BLOG: blog_style.lambda_handler,
        POWERTOOLS: powertools_style.lambda_handler,
        BARE: bare_limit,
    }


def measure(
    handlers: dict[str, Handler], wire: Wire, *, size: int, cpu_rounds: int, wall_rounds: int
) -> dict[str, Figures]:
    """Run all consumers in turns over the same batches, after some that only warm up.

    Of the rounds for wall time (b) runs in every third only: it takes seconds for a batch.
    """
    figures = {name: Figures() for name in handlers}
    batches = (lambda_event(number, size) for number in count())
    _warm_up(handlers, batches)
    for number, batch in enumerate(islice(batches, cpu_rounds)):
        for name, handler in handlers.items():
            wire.calls.clear()
            cpu_ns, _ = _timed(handler, batch)
            figures[name].cpu_us[number] = cpu_ns / size / 1000
            figures[name].calls.append(wire.calls.total())
    wire.answers_at_once = False
    _warm_up(handlers, batches)
    for number, batch in enumerate(islice(batches, wall_rounds)):
        for name, handler in handlers.items():
            if name == BARE or (name == POWERTOOLS and number % 3 > 0):
                continue
            _, wall_ns = _timed(handler, batch)
            figures[name].wall_ms[number] = wall_ns / 1e6
    return figures


def table(figures: dict[str, Figures], size: int) -> Iterator[str]:
    """Yield the lines of the table."""
    columns = ("CPU us/record", 14), ("AWS calls", 10), ("wall ms", 9), ("records/s", 10)
    yield " ".join(["consumer".ljust(32), *(title.rjust(width) for title, width in columns)])
    for name, found in figures.items():
        cpu_us, calls = statistics.median(found.cpu_us.values()), statistics.median(found.calls)
        line = f"{name:32} {cpu_us:14.1f} {calls:10.0f}"
        if found.wall_ms:
            wall_ms = statistics.median(found.wall_ms.values())
            line += f" {wall_ms:9.1f} {size / wall_ms * 1000:10,.0f}"
        yield line


def verdicts(figures: dict[str, Figures], size: int) -> Iterator[str]:
    """Yield one line per goal, with what was measured and whether it is met."""
    ours = figures[OURS]
    for goal in GOALS:
        ratio = _ratio(ours.cpu_us, figures[goal.other].cpu_us)
        figure = f"{ratio:.2f}x" if ratio >= 0.1 else f"1/{1 / ratio:.0f}"
        yield _verdict(goal.text, figure, is_met=ratio <= goal.factor)
    rate = size / statistics.median(ours.wall_ms.values()) * 1000
    text = f"at least {RECORDS_PER_S:,} records/s"
    yield _verdict(text, f"{rate:,.0f}", is_met=rate >= RECORDS_PER_S)


def main(arguments: Sequence[str]) -> None:
    """Print the table and the goals."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=BATCH, help="records per batch")
    parser.add_argument("--cpu-rounds", type=int, default=9)
    parser.add_argument("--wall-rounds", type=int, default=9)
    parser.add_argument("--wait-ms", type=float, default=8.0, help="time that a call takes")
    chosen = parser.parse_args(arguments)
    wire = Wire()
    with slow_server(chosen.wait_ms) as address, _without_their_output():
        point_clients_at(address)
        os.environ |= SETTINGS
        figures = measure(
            consumers(),
            wire,
            size=chosen.records,
            cpu_rounds=chosen.cpu_rounds,
            wall_rounds=chosen.wall_rounds,
        )
    sizes = [len(payload) for payload in payloads(lambda_event(1, chosen.records))]
    print(
        f"batches of {chosen.records} records of {statistics.mean(sizes):.0f} bytes, "
        f"{chosen.wait_ms:g} ms a call, medians of {chosen.cpu_rounds} rounds for CPU and "
        f"{chosen.wall_rounds} for wall time\n"
    )
    print("\n".join(table(figures, chosen.records)), end="\n\n")
    print("\n".join(verdicts(figures, chosen.records)))


def _warm_up(handlers: dict[str, Handler], batches: Iterator[dict[str, Any]]) -> None:
    """Let connections and, in ours, states come up; (b) keeps none and takes one batch."""
    for number, batch in enumerate(islice(batches, WARM_UP_BATCHES)):
        for name, handler in handlers.items():
            if name != POWERTOOLS or number == 0:
                _timed(handler, batch)


def _timed(handler: Handler, batch: dict[str, Any]) -> tuple[int, int]:
    """Return the CPU and wall nanoseconds that a batch takes, without others' garbage."""
    gc.collect()
    cpu, wall = time.process_time_ns(), time.perf_counter_ns()
    answer = handler(batch, _CONTEXT)
    elapsed = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
    if isinstance(answer, dict) and answer.get("batchItemFailures"):
        raise RuntimeError(f"{handler} failed on records that are valid")
    return elapsed


def _ratio(ours: dict[int, float], other: dict[int, float]) -> float:
    """Return the median of the ratios of the rounds that both ran in."""
    return statistics.median(ours[number] / other[number] for number in ours if number in other)


def _verdict(goal: str, figure: str, *, is_met: bool) -> str:
    return f"goal: {goal:36} measured: {figure:>8}   {'met' if is_met else 'MISSED'}"


@contextmanager
def _without_their_output() -> Iterator[None]:
    """Send what the consumers log to nowhere, at the cost of writing it."""
    sys.stdout.flush()
    kept = os.dup(1)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123  a device, no path
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


if __name__ == "__main__":
    main(sys.argv[1:])
