"""Settings to adapters: one cached function per port, the only place that joins them.

Everything here is built at an execution environment's first invocation and lives as long as it.
"""

import os
import random
import time
from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import boto3

from pipeline.adapters.alert_store import DynamoAlertStore
from pipeline.adapters.aws import CLIENT_CONFIG, MAX_CONNECTIONS
from pipeline.adapters.batch_bodies import encode_batch_writes
from pipeline.adapters.clock import SystemClock
from pipeline.adapters.dynamodb import BatchTables
from pipeline.adapters.emf import EmfMetrics
from pipeline.adapters.event_items import EventTables
from pipeline.adapters.event_sink import AwsEventSink
from pipeline.adapters.lineage import KinesisShardLineage
from pipeline.adapters.parallel import Parallel
from pipeline.adapters.sns import SnsPager
from pipeline.adapters.state_store import DynamoStateStore
from pipeline.adapters.tracing import Tracing
from pipeline.detection.detector import Detector, detectors
from pipeline.detection.rules import Rules, default_rules
from pipeline.events import Event, UserActivity
from pipeline.flows.alerts.composing import Deployment
from pipeline.ports import AlertStore, Clock, EventSink, Pager, ShardLineage, StateStore, Topic
from pipeline.settings import DynamodbAlertsSettings, KinesisEventsSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

FLUSH_THREADS: Final = MAX_CONNECTIONS
"""Requests of one flush at a time: a batch of 500 makes 21, which then wait but once."""

_DAY_S: Final = 86_400


@cache
def event_sink() -> EventSink:
    """Return where phase one of the event flow lands."""
    settings = _event_settings()
    return AwsEventSink(
        _batch_tables(),
        boto3.client("s3", config=CLIENT_CONFIG),
        _parallel(),
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
    return DynamoStateStore(_dynamodb(), _batch_tables(), _parallel(), table)


@cache
def shard_lineage() -> ShardLineage:
    """Return the lineage of the event stream's shards."""
    client = boto3.client("kinesis", config=CLIENT_CONFIG)
    return KinesisShardLineage(client, _event_settings().event_stream)


@cache
def event_detectors() -> Sequence[Detector[Any]]:
    """Return the detectors of the event flow under the packaged rules."""
    return detectors(rules())


@cache
def rules() -> Rules:
    """Return the packaged rules."""
    return default_rules()


def event_ttl_s() -> int:
    """Return how long rows of the event flow live, in seconds."""
    return _event_settings().event_ttl_days * _DAY_S


def lake_only_events() -> Collection[type[Event]]:
    """Return the types of the events that get no row."""
    return (UserActivity,) if _event_settings().activities_in_lake_only else ()


@cache
def event_metrics() -> EmfMetrics:
    """Return the metrics of the event flow."""
    return EmfMetrics(_event_settings().environment)


@cache
def alert_metrics() -> EmfMetrics:
    """Return the metrics of the alert flow."""
    return EmfMetrics(alert_settings().environment)


@cache
def tracing() -> Tracing:
    """Return the tracing of this execution environment."""
    return Tracing(os.environ)


@cache
def alert_settings() -> DynamodbAlertsSettings:
    """Return the settings of the alert flow."""
    return DynamodbAlertsSettings.load(os.environ)


def alert_deployment() -> Deployment:
    """Return what pages say about this deployment."""
    settings = alert_settings()
    return Deployment(
        service="streamwarden",
        environment=settings.environment,
        region=settings.alerts_topic_arn.split(":")[3],
        runbook_url=settings.runbook_url,
        alerts_table=settings.alerts_table,
    )


def alert_ttl() -> timedelta:
    """Return how long an alert's row outlives its last change."""
    return timedelta(days=alert_settings().alert_ttl_days)


@cache
def alert_store() -> AlertStore:
    """Return the alert rows."""
    return DynamoAlertStore(_dynamodb(), alert_settings().alerts_table)


@cache
def pager() -> Pager:
    """Return the two topics of the alert flow."""
    settings = alert_settings()
    topic_arns: dict[Topic, str] = {
        "alerts": settings.alerts_topic_arn,
        "oncall": settings.oncall_topic_arn,
    }
    return SnsPager(boto3.client("sns", config=CLIENT_CONFIG), topic_arns)


@cache
def clock() -> Clock:
    """Return the time of day."""
    return SystemClock()


@cache
def _event_settings() -> KinesisEventsSettings:
    return KinesisEventsSettings.load(os.environ)


@cache
def _dynamodb() -> "DynamoDBClient":
    client = boto3.client("dynamodb", config=CLIENT_CONFIG)
    encode_batch_writes(client)
    return client


@cache
def _batch_tables() -> BatchTables:
    return BatchTables(_dynamodb(), _parallel(), time.sleep, random.Random())  # noqa: S311  jitter


@cache
def _parallel() -> Parallel:
    return Parallel(FLUSH_THREADS, tracing())
