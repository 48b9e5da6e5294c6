"""The ports of `consumers.kinesis_events`."""

import os
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from pipeline.adapters import aws
from pipeline.adapters.emf import EmfMetrics
from pipeline.adapters.event_items import EventTables
from pipeline.adapters.event_sink import AwsEventSink
from pipeline.adapters.lineage import KinesisShardLineage
from pipeline.adapters.state_store import DynamoStateStore
from pipeline.bootstrap.shared import (
    DAY_S,
    batch_tables,
    clock,
    dynamodb,
    parallel,
    per_rules,
    s3,
    tracing,
)
from pipeline.detection.detector import Detector, detectors, pooled_detectors
from pipeline.detection.pooled import PooledDetector
from pipeline.detection.rules import Rules
from pipeline.events import Event, UserActivity
from pipeline.flows.events.watches import Watch, watches
from pipeline.ports import EventSink, ShardLineage, StateStore
from pipeline.settings import KinesisEventsSettings

__all__ = [
    "clock",
    "event_detectors",
    "event_metrics",
    "event_pooled_detectors",
    "event_sink",
    "event_ttl_s",
    "event_watches",
    "lake_only_events",
    "per_rules",
    "shard_lineage",
    "state_store",
    "tracing",
]


@cache
def event_sink() -> EventSink:
    """Return where phase one of the event flow lands."""
    settings = _event_settings()
    return AwsEventSink(
        batch_tables(),
        s3(),
        parallel(),
        event_tables=EventTables(
            activities=settings.activities_table,
            metrics=settings.metrics_table,
            transactions=settings.transactions_table,
            ttl_s=event_ttl_s(),
        ),
        anomalies_table=settings.anomalies_table,
        bucket=settings.lake_bucket,
    )


@cache
def state_store() -> StateStore:
    """Return the detector states and cursors of the event flow."""
    table = _event_settings().detector_state_table
    return DynamoStateStore(dynamodb(), batch_tables(), parallel(), table)


@cache
def shard_lineage() -> ShardLineage:
    """Return the lineage of the event stream's shards."""
    client = aws.client("kinesis")
    return KinesisShardLineage(client, _event_settings().event_stream)


def event_detectors(rules: Rules) -> Sequence[Detector[Any]]:
    """Return the detectors of the event flow."""
    return detectors(rules)


def event_pooled_detectors(rules: Rules) -> Sequence[PooledDetector[Any]]:
    """Return the detectors of the event flow that share pools among all shards."""
    return pooled_detectors(rules)


def event_watches(rules: Rules) -> Sequence[Watch]:
    """Return what watches the producers."""
    return watches(rules.health)


def event_ttl_s() -> int:
    """Return how long rows of the event flow live, in seconds."""
    return _event_settings().event_ttl_days * DAY_S


def lake_only_events() -> Collection[type[Event]]:
    """Return the types of the events that get no row."""
    return (UserActivity,) if _event_settings().activities_in_lake_only else ()


@cache
def event_metrics() -> EmfMetrics:
    """Return the metrics of the event flow."""
    return EmfMetrics(_event_settings().environment)


@cache
def _event_settings() -> KinesisEventsSettings:
    return KinesisEventsSettings.load(os.environ)
