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
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.adapters.alert_store import DynamoAlertStore
from pipeline.adapters.aws import CLIENT_CONFIG, MAX_CONNECTIONS
from pipeline.adapters.batch_bodies import encode_batch_writes
from pipeline.adapters.clock import SystemClock
from pipeline.adapters.content_bucket import ContentBucket
from pipeline.adapters.dynamodb import BatchTables
from pipeline.adapters.emf import EmfMetrics
from pipeline.adapters.event_items import EventTables
from pipeline.adapters.event_sink import AwsEventSink
from pipeline.adapters.fact_table import DynamoFactTable
from pipeline.adapters.image_content import ImageContent
from pipeline.adapters.image_table import DynamoImageStore
from pipeline.adapters.job_queue import SqsJobQueue
from pipeline.adapters.lineage import KinesisShardLineage
from pipeline.adapters.notifications import SnsNotifier
from pipeline.adapters.once import PowertoolsOnce, persistence
from pipeline.adapters.parallel import Parallel
from pipeline.adapters.profiles import DynamoProfiles, DynamoUsers, ProfileContent
from pipeline.adapters.rekognition import RekognitionAnalyser
from pipeline.adapters.sns import SnsPager
from pipeline.adapters.state_store import DynamoStateStore
from pipeline.adapters.thumbnail_queue import SqsThumbnailJobs
from pipeline.adapters.tracing import Tracing
from pipeline.adapters.user_sink import AwsUserSink
from pipeline.adapters.user_states import StateContent
from pipeline.adapters.versioned_states import DynamoVersionedStates
from pipeline.detection.accounts import ChangeDetector
from pipeline.detection.detector import Detector, detectors
from pipeline.detection.rules import Rules, default_rules
from pipeline.detection.signups import PER_USER, change_detectors
from pipeline.events import Event, UserActivity
from pipeline.flows.alerts.composing import Deployment
from pipeline.flows.onboarding.ports import Notifier, Once, Profiles, Users
from pipeline.flows.uploads.ports import (
    Analyser,
    FactSink,
    ImageObjects,
    ImageStore,
    ThumbnailJobs,
)
from pipeline.flows.users.ports import JobQueue, UserContent, UserSink, VersionedStates
from pipeline.ports import AlertStore, Clock, EventSink, Pager, ShardLineage, StateStore, Topic
from pipeline.settings import (
    DynamodbAlertsSettings,
    DynamodbUsersSettings,
    KinesisEventsSettings,
    S3UploadsSettings,
    SqsOnboardingSettings,
    SqsThumbnailsSettings,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

FLUSH_THREADS: Final = MAX_CONNECTIONS
"""Requests of one flush at a time: a batch of 500 makes 21, which then wait but once."""

_DAY_S: Final = 86_400

ImageSettings = S3UploadsSettings | SqsThumbnailsSettings


@cache
def event_sink() -> EventSink:
    """Return where phase one of the event flow lands."""
    settings = _event_settings()
    return AwsEventSink(
        _batch_tables(),
        _s3(),
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
def user_sink() -> UserSink:
    """Return where audit rows, quarantine and facts about the users flow land."""
    settings = _user_settings()
    return AwsUserSink(
        _batch_tables(),
        _s3(),
        _parallel(),
        audit_table=settings.audit_table,
        anomalies_table=settings.anomalies_table,
        bucket=settings.lake_bucket,
        audit_ttl_s=settings.audit_ttl_days * _DAY_S,
        anomaly_ttl_s=user_ttl_s(),
    )


@cache
def onboarding_queue() -> JobQueue:
    """Return the queue of the onboarding jobs."""
    client = boto3.client("sqs", config=CLIENT_CONFIG)
    return SqsJobQueue(client, _user_settings().onboarding_queue_url)


@cache
def versioned_states() -> VersionedStates:
    """Return the detector states of the users flow."""
    settings = _user_settings()
    return DynamoVersionedStates(
        _dynamodb(),
        _batch_tables(),
        _parallel(),
        table=settings.detector_state_table,
        anomalies_table=settings.anomalies_table,
        anomaly_ttl_s=user_ttl_s(),
    )


@cache
def user_detectors() -> Sequence[ChangeDetector[Any]]:
    """Return the detectors of the users flow under the packaged rules."""
    return change_detectors(rules())


@cache
def user_contents() -> Sequence[UserContent]:
    """Return what belongs to a user, in the order in which it is erased."""
    settings = _user_settings()
    return (
        ProfileContent(_dynamodb(), settings.profiles_table),
        StateContent(_dynamodb(), settings.detector_state_table, PER_USER),
        ImageContent(_s3(), _dynamodb(), settings.content_bucket, settings.images_table),
    )


def user_ttl_s() -> int:
    """Return how long states and facts of the users flow live, in seconds."""
    return _user_settings().event_ttl_days * _DAY_S


@cache
def user_metrics() -> EmfMetrics:
    """Return the metrics of the users flow."""
    return EmfMetrics(_user_settings().environment)


@cache
def users() -> Users:
    """Return the users, to be read."""
    return DynamoUsers(_dynamodb(), _onboarding_settings().users_table)


@cache
def profiles() -> Profiles:
    """Return the profiles."""
    settings = _onboarding_settings()
    return DynamoProfiles(_dynamodb(), settings.profiles_table, settings.users_table)


@cache
def notifier() -> Notifier:
    """Return the topic of messages to users."""
    client = boto3.client("sns", config=CLIENT_CONFIG)
    return SnsNotifier(client, _onboarding_settings().notifications_topic_arn)


def once(context: LambdaContext) -> Once:
    """Return what has been done, for one invocation."""
    return PowertoolsOnce(
        _done_before(), _onboarding_settings().idempotency_ttl_days * _DAY_S, context
    )


@cache
def onboarding_metrics() -> EmfMetrics:
    """Return the metrics of the onboarding flow."""
    return EmfMetrics(_onboarding_settings().environment)


@cache
def upload_settings() -> S3UploadsSettings:
    """Return the settings of the upload flow."""
    return S3UploadsSettings.load(os.environ)


@cache
def thumbnail_settings() -> SqsThumbnailsSettings:
    """Return the settings of the thumbnail flow."""
    return SqsThumbnailsSettings.load(os.environ)


@cache
def image_objects(settings: ImageSettings) -> ImageObjects:
    """Return the objects of the content bucket."""
    return ContentBucket(_s3(), settings.content_bucket)


@cache
def image_store(settings: ImageSettings) -> ImageStore:
    """Return the rows of the images."""
    return DynamoImageStore(_dynamodb(), settings.images_table, settings.event_ttl_days * _DAY_S)


@cache
def image_facts(settings: ImageSettings) -> FactSink:
    """Return where facts about images are written."""
    return DynamoFactTable(_dynamodb(), settings.anomalies_table, settings.event_ttl_days * _DAY_S)


@cache
def analyser() -> Analyser:
    """Return what looks at uploads."""
    return RekognitionAnalyser(boto3.client("rekognition", config=CLIENT_CONFIG))


@cache
def thumbnail_jobs() -> ThumbnailJobs:
    """Return the queue of the thumbnails."""
    client = boto3.client("sqs", config=CLIENT_CONFIG)
    return SqsThumbnailJobs(client, upload_settings().thumbnail_queue_url)


@cache
def upload_metrics() -> EmfMetrics:
    """Return the metrics of the upload flow."""
    return EmfMetrics(upload_settings().environment)


@cache
def thumbnail_metrics() -> EmfMetrics:
    """Return the metrics of the thumbnail flow."""
    return EmfMetrics(thumbnail_settings().environment)


@cache
def clock() -> Clock:
    """Return the time of day."""
    return SystemClock()


@cache
def _event_settings() -> KinesisEventsSettings:
    return KinesisEventsSettings.load(os.environ)


@cache
def _user_settings() -> DynamodbUsersSettings:
    return DynamodbUsersSettings.load(os.environ)


@cache
def _onboarding_settings() -> SqsOnboardingSettings:
    return SqsOnboardingSettings.load(os.environ)


@cache
def _done_before() -> DynamoDBPersistenceLayer:
    return persistence(_dynamodb(), _onboarding_settings().idempotency_table)


@cache
def _s3() -> "S3Client":
    return boto3.client("s3", config=CLIENT_CONFIG)


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
