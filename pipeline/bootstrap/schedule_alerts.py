"""The ports of `consumers.schedule_alerts`."""

import os
from functools import cache

from pipeline.adapters import aws
from pipeline.adapters.dead_letters import SqsDeadLetters
from pipeline.adapters.emf import EmfMetrics
from pipeline.adapters.progress import DynamoProgress
from pipeline.adapters.queue_depths import SqsQueueDepths
from pipeline.adapters.stream_tail import KinesisStreamTail
from pipeline.adapters.versioned_states import DynamoVersionedStates
from pipeline.bootstrap import alerts
from pipeline.bootstrap.shared import (
    DAY_S,
    batch_tables,
    clock,
    dynamodb,
    parallel,
    parameter_rules,
    per_rules,
    tracing,
)
from pipeline.detection.rules import Rules
from pipeline.flows.alerts.checkup import Checkup
from pipeline.flows.alerts.ports import DeadLetters
from pipeline.flows.alerts.workers import AlertPorts
from pipeline.settings import ScheduleAlertsSettings

__all__ = ["alert_ports", "checkup", "clock", "dead_letters", "sweep_metrics", "tracing"]


def alert_ports() -> AlertPorts:
    """Return what the sweep works with."""
    return alerts.alert_ports(_settings())


@cache
def dead_letters() -> DeadLetters:
    """Return where notifications go that no topic takes."""
    client = aws.client("sqs")
    return SqsDeadLetters(client, _settings().alerts_dead_letter_queue_url)


@per_rules
def checkup(rules: Rules) -> Checkup:
    """Return the look at the pipeline itself under these rules."""
    settings = _settings()
    table = settings.detector_state_table
    states = DynamoVersionedStates(
        dynamodb(),
        batch_tables(),
        parallel(),
        table=table,
        anomalies_table=settings.anomalies_table,
        anomaly_ttl_s=settings.event_ttl_days * DAY_S,
    )
    return Checkup(
        DynamoProgress(dynamodb(), table),
        KinesisStreamTail(aws.client("kinesis"), settings.event_stream),
        SqsQueueDepths(aws.client("sqs"), _dead_letter_queues(settings)),
        states,
        rules.health,
        parameter_rules(),
    )


@cache
def sweep_metrics() -> EmfMetrics:
    """Return the metrics of the sweep."""
    return EmfMetrics(_settings().environment)


def _dead_letter_queues(settings: ScheduleAlertsSettings) -> tuple[str, ...]:
    """Return the queues to look at; that of the alerts has an alarm, as no alert would come."""
    return (
        settings.onboarding_dead_letter_queue_url,
        settings.uploads_dead_letter_queue_url,
        settings.thumbnail_dead_letter_queue_url,
        settings.analytics_dead_letter_queue_url,
    )


@cache
def _settings() -> ScheduleAlertsSettings:
    return ScheduleAlertsSettings.load(os.environ)
