"""The ports of `consumers.dynamodb_alerts`."""

import os
from functools import cache

from pipeline.adapters.emf import EmfMetrics
from pipeline.bootstrap import alerts
from pipeline.bootstrap.shared import clock, tracing
from pipeline.flows.alerts.workers import AlertPorts
from pipeline.settings import DynamodbAlertsSettings

__all__ = ["alert_metrics", "alert_ports", "clock", "tracing"]


def alert_ports() -> AlertPorts:
    """Return what the alert flow works with."""
    return alerts.alert_ports(_settings())


@cache
def alert_metrics() -> EmfMetrics:
    """Return the metrics of the alert flow."""
    return EmfMetrics(_settings().environment)


@cache
def _settings() -> DynamodbAlertsSettings:
    return DynamodbAlertsSettings.load(os.environ)
