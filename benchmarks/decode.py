"""Measure what it costs to decode and check one record, against the usual ways to do it.

All ways read the same seeded records of about 300 bytes and run in turns within one process, so
their ratio holds even where the absolute times of a machine do not. Times are CPU time, the median
of the rounds. The peers check against `schemas/`, which is generated from our own types.

Run it with `make bench`.
"""

import json
import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastjsonschema
import jsonschema
from aws_lambda_powertools.utilities.validation import validate

from pipeline.events import decode

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"
RECORDS = 200
ROUNDS = 5


def records(count: int, seed: int) -> list[bytes]:
    """Make activities, 60 %, metrics, 25 %, and transactions, 15 %, of about 300 bytes."""
    rng = random.Random(seed)
    return [json.dumps(_event(rng, number)).encode() for number in range(count)]


def ways() -> Iterator[tuple[str, Callable[[bytes], object]]]:
    """Name each way and give its function from a record's bytes to a checked event."""
    documents: dict[str, dict[str, Any]] = {
        path.stem: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")
    }
    compiled = {name: fastjsonschema.compile(document) for name, document in documents.items()}
    validators = {
        name: jsonschema.Draft202012Validator(document) for name, document in documents.items()
    }

    def by_fastjsonschema(data: bytes) -> object:
        event = json.loads(data)
        return compiled[event["event_type"]](event)

    def by_jsonschema(data: bytes) -> object:
        event = json.loads(data)
        validators[event["event_type"]].validate(event)
        return event

    def by_powertools(data: bytes) -> object:
        event = json.loads(data)
        return validate(event=event, schema=documents[event["event_type"]])

    yield "msgspec structs, as the pipeline does", decode
    yield "json.loads and fastjsonschema, compiled once", by_fastjsonschema
    yield "json.loads and jsonschema, one validator", by_jsonschema
    yield "json.loads and Powertools validate()", by_powertools


def cpu_us_per_record(way: Callable[[bytes], object], batch: list[bytes]) -> float:
    """Return the CPU microseconds that one record takes."""
    start = time.process_time_ns()
    for data in batch:
        way(data)
    return (time.process_time_ns() - start) / len(batch) / 1000


def main() -> None:
    """Print the table."""
    batch = records(RECORDS, seed=7)
    times: dict[str, list[float]] = {}
    for _round in range(ROUNDS):
        for name, way in ways():
            times.setdefault(name, []).append(cpu_us_per_record(way, batch))
    medians = {name: statistics.median(values) for name, values in times.items()}
    fastest = min(medians.values())
    mean_size = statistics.mean(len(data) for data in batch)
    print(f"{RECORDS} records of {mean_size:.0f} bytes, {ROUNDS} rounds, CPU time\n")
    for name, microseconds in medians.items():
        print(f"{name:46} {microseconds:10.1f} us/record {microseconds / fastest:8.1f}x")


def _event(rng: random.Random, number: int) -> dict[str, Any]:
    moment = f"2026-11-21T09:{number % 60:02}:00.000Z"
    identity = {"event_id": f"{rng.getrandbits(128):032x}", "producer": "bench"}
    user = f"user-{rng.randrange(1000):04}"
    kind = rng.random()
    if kind < 0.6:
        return identity | {
            "event_type": "user_activity",
            "user_id": user,
            "activity_type": rng.choice(["login", "view", "search", "purchase"]),
            "timestamp": moment,
            "session_id": f"{rng.getrandbits(64):016x}",
            "ip_address": f"198.51.100.{rng.randrange(256)}",
            "details": {"page": "/products/4711", "referrer": "https://example.org/"},
        }
    if kind < 0.85:
        return identity | {
            "event_type": "system_metric",
            "metric_name": "cpu_usage",
            "value": round(rng.uniform(0, 100), 2),
            "timestamp": moment,
            "source": f"web-{rng.randrange(20)}",
            "unit": "percent",
            "tags": {"region": "eu-central-1", "zone": "a", "service": "checkout"},
        }
    return identity | {
        "event_type": "transaction",
        "transaction_id": f"tx-{number}",
        "user_id": user,
        "amount": f"{rng.uniform(1, 500):.2f}",
        "currency": "EUR",
        "timestamp": moment,
        "merchant": f"shop-{rng.randrange(100)}",
        "category": "groceries",
        "status": "captured",
    }


if __name__ == "__main__":
    main()
