"""The ports of `consumers.dynamodb_alerts`."""

import os
from datetime import timedelta
from functools import cache

import boto3

from pipeline.adapters.alert_store import DynamoAlertStore
from pipeline.adapters.aws import CLIENT_CONFIG
from pipeline.adapters.emf import EmfMetrics
from pipeline.adapters.sns import SnsPager
from pipeline.bootstrap.shared import clock, dynamodb, rules, tracing
from pipeline.flows.alerts.composing import Deployment
from pipeline.ports import AlertStore, Pager, Topic
from pipeline.settings import DynamodbAlertsSettings

__all__ = [
    "alert_deployment",
    "alert_metrics",
    "alert_settings",
    "alert_store",
    "alert_ttl",
    "clock",
    "pager",
    "rules",
    "tracing",
]


@cache
def alert_metrics() -> EmfMetrics:
    """Return the metrics of the alert flow."""
    return EmfMetrics(alert_settings().environment)


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
        stack=settings.stack_name,
        lake_bucket=settings.lake_bucket,
        metrics_table=settings.metrics_table,
        transactions_table=settings.transactions_table,
    )


def alert_ttl() -> timedelta:
    """Return how long an alert's row outlives its last change."""
    return timedelta(days=alert_settings().alert_ttl_days)


@cache
def alert_store() -> AlertStore:
    """Return the alert rows."""
    return DynamoAlertStore(dynamodb(), alert_settings().alerts_table)


@cache
def pager() -> Pager:
    """Return the two topics of the alert flow."""
    settings = alert_settings()
    topic_arns: dict[Topic, str] = {
        "alerts": settings.alerts_topic_arn,
        "oncall": settings.oncall_topic_arn,
    }
    return SnsPager(boto3.client("sns", config=CLIENT_CONFIG), topic_arns)
