"""The traffic of the benchmarks: seeded batches of Lambda events, alike from run to run.

A record has about 300 bytes. Of a batch 60 % are activities, 25 % metrics and 15 % transactions, of
a shard's share of a product: 400 users, 20 hosts with four series each. One host is over its limit
in every fourth batch, so that alerts open and clear.
"""

import base64
import json
import random
from datetime import UTC, datetime
from typing import Any, Final

BATCH: Final = 500
SHARD: Final = "shardId-000000000000"

_START: Final = 1_790_000_000  # 2026-09-21T14:13:20Z
_FIRST_NUMBER: Final = 49_668_899_999_106_371_000_000_000_000_000_000_000_000_000_000_000_000_000
_LEVELS: Final = {"cpu_usage": 35.0, "memory_usage": 55.0, "disk_usage": 60.0, "error_rate": 0.4}


def lambda_event(number: int, size: int = BATCH) -> dict[str, Any]:
    """Return the batch of that number as Lambda hands it to a Kinesis consumer.

    Batches follow each other: sequence numbers and timestamps rise with the number.
    """
    rng = random.Random(number)
    kinds = _kinds(size)
    rng.shuffle(kinds)
    return {"Records": [_record(rng, number, place, kind) for place, kind in enumerate(kinds)]}


def payloads(batch: dict[str, Any]) -> list[bytes]:
    """Return the producers' JSON within a batch."""
    return [base64.b64decode(record["kinesis"]["data"]) for record in batch["Records"]]


def _kinds(size: int) -> list[str]:
    metrics, transactions = size * 25 // 100, size * 15 // 100
    activities = size - metrics - transactions
    return ["activity"] * activities + ["metric"] * metrics + ["transaction"] * transactions


def _record(rng: random.Random, number: int, place: int, kind: str) -> dict[str, Any]:
    event = _event(rng, number, place, kind)
    sequence_number = str(_FIRST_NUMBER + number * 1_000_000 + place)
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": event["source"] if kind == "metric" else event["user_id"],
            "sequenceNumber": sequence_number,
            "data": base64.b64encode(json.dumps(event).encode()).decode(),
            "approximateArrivalTimestamp": _moment(number, place) + 1.0,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{SHARD}:{sequence_number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/consumer",
        "awsRegion": "eu-central-1",
        "eventSourceARN": "arn:aws:kinesis:eu-central-1:123456789012:stream/events",
    }


def _event(rng: random.Random, number: int, place: int, kind: str) -> dict[str, Any]:
    moment = datetime.fromtimestamp(_moment(number, place), UTC).isoformat(timespec="milliseconds")
    event = {
        "event_id": f"{rng.getrandbits(128):032x}",
        "producer": "bench",
        "timestamp": moment.replace("+00:00", "Z"),
    }
    user = f"user-{rng.randrange(400):04}"
    if kind == "activity":
        return event | {
            "event_type": "user_activity",
            "user_id": user,
            "activity_type": rng.choice(["view", "search", "add_to_cart", "login"]),
            "session_id": f"{rng.getrandbits(64):016x}",
            "ip_address": f"198.51.100.{rng.randrange(256)}",
            "details": {"page": f"/products/{rng.randrange(9999)}", "duration_ms": 1840},
        }
    if kind == "metric":
        return event | _metric(rng, number)
    return event | {
        "event_type": "transaction",
        "transaction_id": f"tx-{number}-{place}",
        "user_id": user,
        "amount": f"{rng.uniform(1, 200):.2f}",
        "currency": "EUR",
        "merchant": f"shop-{rng.randrange(100)}",
        "category": "groceries",
        "status": "captured",
    }


def _metric(rng: random.Random, number: int) -> dict[str, Any]:
    host, metric = rng.randrange(20), rng.choice(list(_LEVELS))
    is_incident = host == 0 and metric == "cpu_usage" and number % 4 == 3
    level = 97.0 if is_incident else _LEVELS[metric]
    return {
        "event_type": "system_metric",
        "metric_name": metric,
        "value": round(level * rng.gauss(1, 0.01), 2),
        "source": f"web-{host:02}.checkout.example",
        "unit": "percent",
        "tags": {"region": "eu-central-1", "zone": "a", "service": "checkout", "stage": "prod"},
    }


def _moment(number: int, place: int) -> float:
    """Return when an event happened: a batch a second, its events spread over the second."""
    return _START + number + place / 1000
