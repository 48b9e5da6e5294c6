"""Flows on an account in memory, and batches of valid records for them."""

import json
import random
from collections.abc import Collection, Iterator, Sequence
from itertools import count
from typing import Any, Final, cast

import msgspec

from pipeline.adapters.dynamodb import BatchTables
from pipeline.adapters.event_items import EventTables
from pipeline.adapters.event_sink import AwsEventSink
from pipeline.adapters.lineage import KinesisShardLineage
from pipeline.adapters.parallel import Parallel
from pipeline.adapters.state_store import DynamoStateStore
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.detector import Detector, detectors, pooled_detectors
from pipeline.detection.rules import default_rules
from pipeline.events import Event, partition_key
from pipeline.flows.events.flow import EventFlow
from pipeline.flows.events.watches import Watch
from pipeline.records import KinesisRecord
from tests.fakes.aws import FakeAws

ARRIVAL: Final = 1_790_000_000.0  # 2026-09-21T14:13:20Z
TTL_S: Final = 86_400


def flow(
    aws: FakeAws,
    watching: Sequence[Detector[Any]] | None = None,
    lake_only: Collection[type[Event]] = (),
    watching_producers: Sequence[Watch] = (),
) -> EventFlow:
    """Start an execution environment; without detectors of its own it has those of the pipeline."""
    parallel = Parallel(1)
    client: Any = aws
    tables = BatchTables(client, parallel, lambda _: None, random.Random(1))
    sink = AwsEventSink(
        tables,
        client,
        parallel,
        event_tables=EventTables("activities", "metrics", "transactions", TTL_S),
        anomalies_table="anomalies",
        bucket="lake",
    )
    rules = default_rules()
    return EventFlow(
        sink,
        DynamoStateStore(client, tables, parallel, "states"),
        KinesisShardLineage(client, "stream"),
        detectors(rules) if watching is None else watching,
        rules.health,
        TTL_S,
        lake_only=lake_only,
        watches=watching_producers,
        pooled=pooled_detectors(rules) if watching is None else (),
    )


def seconds() -> float:
    """Return the time that is left: enough."""
    return 30.0


class Seen(msgspec.Struct, frozen=True):
    """How many events of a key there were."""

    events: int = 0


class PerKey:
    """Keeps one state per partition key and finds nothing, whatever the rules of the day are."""

    name = "per_key"
    version = 1
    state_type = Seen

    def subject(self, event: Event) -> str | None:
        return partition_key(event)

    def initial(self) -> Seen:
        return Seen()

    def fold(self, state: Seen, _event: Event, _event_id: str) -> tuple[Seen, Sequence[Anomaly]]:
        return Seen(state.events + 1), []


def activity(number: int, user: str, **more: object) -> KinesisRecord:
    """Return a page view, 300 bytes as a row."""
    fields = {
        "event_type": "user_activity",
        "user_id": user,
        "activity_type": "page_view",
        "session_id": f"session-{user}",
        "ip_address": "203.0.113.7",
        "details": {"page": "/products/17", "referrer": "search", "ms": 182},
    }
    return record(number, user, fields | more)


def metric(number: int, source: str, value: object = 20.0, **more: object) -> KinesisRecord:
    """Return a point of a host's processor."""
    fields = {
        "event_type": "system_metric",
        "metric_name": "cpu_usage",
        "value": value,
        "unit": "%",
        "source": source,
    }
    return record(number, source, fields | more)


def transaction(number: int, user: str, **more: object) -> KinesisRecord:
    """Return a payment."""
    fields = {
        "event_type": "transaction",
        "transaction_id": f"t-{number}",
        "user_id": user,
        "amount": "10.50",
        "currency": "CHF",
        "merchant": "books and more",
    }
    return record(number, user, fields | more)


def fraud_report(number: int, user: str, **more: object) -> KinesisRecord:
    """Return a report on a payment."""
    fields = {
        "event_type": "fraud_report",
        "transaction_id": f"t-{number}",
        "user_id": user,
        "transaction_timestamp": "2026-09-21T13:00:00Z",
        "is_fraud": True,
    }
    return record(number, user, fields | more)


def record(number: int, key: str, fields: dict[str, object]) -> KinesisRecord:
    """Return the n-th record of the shard, dated by its number unless the fields say when."""
    second = number % 3600
    dated = {"timestamp": f"2026-09-21T13:{second // 60:02}:{second % 60:02}Z"}
    return KinesisRecord("shard-0", number, key, ARRIVAL, json.dumps(dated | fields).encode())


def mix(
    activities: int = 0, metrics: int = 0, transactions: int = 0, reports: int = 0, *, keys: int
) -> list[KinesisRecord]:
    """Return that many events over that many partition keys, numbered from 1000."""
    makers = (
        [activity] * activities
        + [metric] * metrics
        + [transaction] * transactions
        + [fraud_report] * reports
    )
    numbers: Iterator[int] = count(1000)
    return [
        make(number, f"key-{number % keys}") for make, number in zip(makers, numbers, strict=False)
    ]


def account() -> FakeAws:
    """Return an account on which the shard is known, with counts at nothing."""
    aws = FakeAws()
    flow(aws, []).process([metric(1, "first"), metric(2, "first")], seconds)
    aws.calls.clear()
    aws.written.clear()
    aws.objects.clear()
    for name in aws.tables:
        if name != "states":
            aws.tables[name].clear()
    return aws


def cursor(aws: FakeAws) -> int:
    """Return how far the shard has been processed."""
    return int(cast("str", aws.tables["states"]["cursor", "shard-0"]["applied"]["S"]))
