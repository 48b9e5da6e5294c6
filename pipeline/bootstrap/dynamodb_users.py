"""The ports of `consumers.dynamodb_users`."""

import os
from collections.abc import Sequence
from functools import cache
from typing import Any

from pipeline.adapters import aws
from pipeline.adapters.emf import EmfMetrics
from pipeline.adapters.image_content import ImageContent
from pipeline.adapters.job_queue import SqsJobQueue
from pipeline.adapters.profiles import ProfileContent
from pipeline.adapters.suspects import DynamoSuspects
from pipeline.adapters.user_sink import AwsUserSink
from pipeline.adapters.user_states import StateContent
from pipeline.adapters.versioned_states import DynamoVersionedStates
from pipeline.bootstrap.shared import (
    DAY_S,
    batch_tables,
    clock,
    dynamodb,
    parallel,
    rules,
    s3,
    tracing,
)
from pipeline.detection.accounts import ChangeDetector
from pipeline.detection.signups import PER_USER, change_detectors
from pipeline.flows.users.ports import JobQueue, Suspects, UserContent, UserSink, VersionedStates
from pipeline.settings import DynamodbUsersSettings

__all__ = [
    "clock",
    "onboarding_queue",
    "rules",
    "suspects",
    "tracing",
    "user_contents",
    "user_detectors",
    "user_metrics",
    "user_sink",
    "user_ttl_s",
    "versioned_states",
]


@cache
def user_sink() -> UserSink:
    """Return where audit rows, quarantine and facts about the users flow land."""
    settings = _user_settings()
    return AwsUserSink(
        batch_tables(),
        s3(),
        parallel(),
        audit_table=settings.audit_table,
        anomalies_table=settings.anomalies_table,
        bucket=settings.lake_bucket,
        audit_ttl_s=settings.audit_ttl_days * DAY_S,
        anomaly_ttl_s=user_ttl_s(),
    )


@cache
def onboarding_queue() -> JobQueue:
    """Return the queue of the onboarding jobs."""
    client = aws.client("sqs")
    return SqsJobQueue(client, _user_settings().onboarding_queue_url)


@cache
def versioned_states() -> VersionedStates:
    """Return the detector states of the users flow."""
    settings = _user_settings()
    return DynamoVersionedStates(
        dynamodb(),
        batch_tables(),
        parallel(),
        table=settings.detector_state_table,
        anomalies_table=settings.anomalies_table,
        anomaly_ttl_s=user_ttl_s(),
    )


@cache
def suspects() -> Suspects:
    """Return the marks of records that are tried alone."""
    return DynamoSuspects(dynamodb(), batch_tables(), _user_settings().detector_state_table)


def user_detectors() -> Sequence[ChangeDetector[Any]]:
    """Return the detectors of the users flow under today's rules."""
    return change_detectors(rules())


@cache
def user_contents() -> Sequence[UserContent]:
    """Return what belongs to a user, in the order in which it is erased."""
    settings = _user_settings()
    return (
        ProfileContent(dynamodb(), settings.profiles_table),
        StateContent(dynamodb(), settings.detector_state_table, PER_USER),
        ImageContent(s3(), dynamodb(), settings.content_bucket, settings.images_table),
    )


def user_ttl_s() -> int:
    """Return how long states and facts of the users flow live, in seconds."""
    return _user_settings().event_ttl_days * DAY_S


@cache
def user_metrics() -> EmfMetrics:
    """Return the metrics of the users flow."""
    return EmfMetrics(_user_settings().environment)


@cache
def _user_settings() -> DynamodbUsersSettings:
    return DynamodbUsersSettings.load(os.environ)
