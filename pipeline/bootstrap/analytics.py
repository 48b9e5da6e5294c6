"""The ports of `consumers.schedule_analytics` and of `consumers.athena_analytics`."""

import os
from functools import cache

from pipeline.adapters import aws
from pipeline.adapters.athena import AthenaEngine
from pipeline.adapters.emf import EmfMetrics
from pipeline.adapters.fact_table import DynamoFactTable
from pipeline.adapters.job_rows import DynamoJobs
from pipeline.adapters.lake_objects import LakeObjects
from pipeline.bootstrap.shared import DAY_S, clock, dynamodb, parallel, rules, s3, tracing
from pipeline.flows.analytics.ports import Jobs, Lake, QueryEngine
from pipeline.ports import FactSink
from pipeline.settings import AthenaAnalyticsSettings, ScheduleAnalyticsSettings

__all__ = [
    "analytics_facts",
    "analytics_jobs",
    "analytics_metrics",
    "clock",
    "lake",
    "query_engine",
    "rules",
    "tracing",
]


@cache
def query_engine() -> QueryEngine:
    """Return Athena."""
    settings = _settings()
    client = aws.client("athena")
    return AthenaEngine(client, settings.analytics_workgroup, settings.analytics_database)


@cache
def analytics_jobs() -> Jobs:
    """Return the rows of the queries."""
    settings = _settings()
    return DynamoJobs(dynamodb(), settings.jobs_table, settings.analytics_ttl_days * DAY_S)


@cache
def lake() -> Lake:
    """Return the objects of the lake."""
    bucket = ScheduleAnalyticsSettings.load(os.environ).lake_bucket
    return LakeObjects(s3(), parallel(), bucket)


@cache
def analytics_facts() -> FactSink:
    """Return where facts about queries and figures are written."""
    settings = _settings()
    return DynamoFactTable(dynamodb(), settings.anomalies_table, settings.event_ttl_days * DAY_S)


@cache
def analytics_metrics() -> EmfMetrics:
    """Return the metrics of the analytics flow."""
    return EmfMetrics(_settings().environment)


@cache
def _settings() -> AthenaAnalyticsSettings:
    """Return what both consumers are set by."""
    return AthenaAnalyticsSettings.load(os.environ)
