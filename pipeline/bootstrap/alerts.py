"""The ports that both consumers of alerts need."""

from dataclasses import replace
from datetime import timedelta
from functools import cache

from pipeline.adapters import aws
from pipeline.adapters.alert_store import DynamoAlertStore
from pipeline.adapters.ledger import DynamoLedger
from pipeline.adapters.silence_table import DynamoSilences
from pipeline.adapters.sns import SnsPager
from pipeline.bootstrap.shared import clock, dynamodb, rules
from pipeline.flows.alerts.occasion import Deployment
from pipeline.flows.alerts.telling import RecentSilences
from pipeline.flows.alerts.workers import AlertPorts
from pipeline.settings import DynamodbAlertsSettings


def alert_ports(settings: DynamodbAlertsSettings) -> AlertPorts:
    """Return alert rows, topics, ledger, silences and what goes with them, under today's rules."""
    return replace(_lasting_ports(settings), rules=rules())


@cache
def _lasting_ports(settings: DynamodbAlertsSettings) -> AlertPorts:
    return AlertPorts(
        store=DynamoAlertStore(dynamodb(), settings.alerts_table),
        pager=SnsPager(
            aws.client("sns"),
            {"alerts": settings.alerts_topic_arn, "oncall": settings.oncall_topic_arn},
        ),
        ledger=DynamoLedger(dynamodb(), settings.alerts_table),
        silences=RecentSilences(DynamoSilences(dynamodb(), settings.silences_table), clock()),
        clock=clock(),
        rules=rules(),
        where=_deployment(settings),
        ttl=timedelta(days=settings.alert_ttl_days),
    )


def _deployment(settings: DynamodbAlertsSettings) -> Deployment:
    """Return what pages say about this deployment."""
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
