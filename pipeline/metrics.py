"""The closed list of CloudWatch metrics that the consumers emit, each with its unit and meaning.

`docs/metrics.md` is this list as a table. Their dimensions are `service` and `environment`, never
anything that a user or producer can choose: every new combination is a series that is paid for.
"""

from enum import Enum
from typing import Literal

Unit = Literal["Count", "Milliseconds"]
"""Units of CloudWatch, as far as they are used here."""

Service = Literal[
    "kinesis_events",
    "dynamodb_alerts",
    "schedule_alerts",
    "dynamodb_users",
    "sqs_onboarding",
    "s3_uploads",
    "sqs_thumbnails",
    "schedule_analytics",
    "athena_analytics",
]
"""Consumers that emit metrics, by the name that Powertools puts into the dimension `service`."""


class Metric(Enum):
    """One metric; a consumer emits all of its metrics once per batch, in one log line."""

    RECORDS_RECEIVED = (
        "RecordsReceived",
        "Count",
        ("kinesis_events",),
        "Kinesis records of the batch; an aggregate is one record, however many events it carries",
    )
    ACTIVITIES_STORED = (
        "ActivitiesStored",
        "Count",
        ("kinesis_events",),
        "user activities that are durable now: in the lake, and as rows unless `LakeOnlyEvents`",
    )
    METRIC_POINTS_STORED = (
        "MetricPointsStored",
        "Count",
        ("kinesis_events",),
        "system metric points that are durable now, in the lake and as rows",
    )
    TRANSACTIONS_STORED = (
        "TransactionsStored",
        "Count",
        ("kinesis_events",),
        "transactions and their status changes that are durable now, in the lake and as rows",
    )
    FRAUD_REPORTS_STORED = (
        "FraudReportsStored",
        "Count",
        ("kinesis_events",),
        "fraud reports that are durable now, in the lake and as rows",
    )
    LAKE_ONLY_EVENTS = (
        "LakeOnlyEvents",
        "Count",
        ("kinesis_events",),
        "stored events that have no row because `ActivitiesInLakeOnly` says so",
    )
    EVENTS_COLLAPSED = (
        "EventsCollapsed",
        "Count",
        ("kinesis_events",),
        "repetitions of an event id with the same content within the batch",
    )
    RECORDS_QUARANTINED = (
        "RecordsQuarantined",
        "Count",
        ("kinesis_events", "dynamodb_users"),
        "user records that were refused and set aside in quarantine",
    )
    ANOMALIES_FOUND = (
        "AnomaliesFound",
        "Count",
        ("kinesis_events", "dynamodb_users", "schedule_alerts"),
        "facts that the batch wrote to AnomaliesTable, repetitions of a redelivery included",
    )
    STRAY_KEYS = (
        "StrayKeys",
        "Count",
        ("kinesis_events",),
        "stored events under another partition key than the contract's",
    )
    FACTS_TAKEN = (
        "FactsTaken",
        "Count",
        ("dynamodb_alerts",),
        "facts whose alert is stored and whose page, if they cause one, is delivered",
    )
    FACT_DEFECTS = (
        "FactDefects",
        "Count",
        ("dynamodb_alerts",),
        "facts that could not become an alert; a page names each of their rows",
    )
    SWEEPS = (
        "Sweeps",
        "Count",
        ("schedule_alerts",),
        "sweeps of the alerts that came to their end; there is one a minute",
    )
    CHECKUPS = (
        "Checkups",
        "Count",
        ("schedule_alerts",),
        "looks at the pipeline itself that came to their end; none for five minutes is an alarm",
    )
    EVENT_LAG = (
        "EventLag",
        "Milliseconds",
        ("schedule_alerts",),
        "for how long the oldest event that waits on the stream has waited, 0 when none does",
    )
    ALERTS_SETTLED = (
        "AlertsSettled",
        "Count",
        ("schedule_alerts",),
        "alerts with something due by the clock that is done now: told again, ended, published",
    )
    DIGESTS_RECORDED = (
        "DigestsRecorded",
        "Count",
        ("schedule_alerts",),
        "digests and group updates about notifications that were held back",
    )
    NOTIFICATIONS_DEAD = (
        "NotificationsDead",
        "Count",
        ("schedule_alerts",),
        "notifications that no topic took and that lie in AlertsDeadLetterQueue",
    )
    SWEEP_FAILURES = (
        "SweepFailures",
        "Count",
        ("schedule_alerts",),
        "alerts and windows that a sweep could not settle; the next one tries again",
    )
    NOTIFICATION_AGE = (
        "NotificationAge",
        "Milliseconds",
        ("schedule_alerts",),
        "how long the notification that waited longest had been waiting; 0 when none did",
    )
    CHANGES_TAKEN = (
        "ChangesTaken",
        "Count",
        ("dynamodb_users",),
        "changes of users whose effects are complete, those set aside included",
    )
    JOBS_QUEUED = (
        "JobsQueued",
        "Count",
        ("dynamodb_users",),
        "onboarding jobs put on OnboardingQueue, two for each sign-up",
    )
    AUDIT_ROWS_WRITTEN = (
        "AuditRowsWritten",
        "Count",
        ("dynamodb_users",),
        "changes of users that have their row in AuditTable now",
    )
    USERS_ERASED = (
        "UsersErased",
        "Count",
        ("dynamodb_users",),
        "removed users of whom nothing is left that the flow erases",
    )
    PROFILES_SET_UP = (
        "ProfilesSetUp",
        "Count",
        ("sqs_onboarding",),
        "profiles written to ProfilesTable",
    )
    WELCOMES_SENT = (
        "WelcomesSent",
        "Count",
        ("sqs_onboarding",),
        "welcomes published on NotificationsTopic",
    )
    JOBS_WITHOUT_EFFECT = (
        "JobsWithoutEffect",
        "Count",
        ("sqs_onboarding",),
        "jobs that had been done before or whose user is gone",
    )
    JOBS_REFUSED = (
        "JobsRefused",
        "Count",
        ("sqs_onboarding",),
        "deliveries of messages that are no job or whose user breaks the contract",
    )
    JOBS_RETRIED = (
        "JobsRetried",
        "Count",
        ("sqs_onboarding",),
        "deliveries of jobs that throttling, an outage or a defect sent back to the queue",
    )
    IMAGES_LABELLED = (
        "ImagesLabelled",
        "Count",
        ("s3_uploads",),
        "uploads with a row of labels and a thumbnail job, repetitions included",
    )
    IMAGES_REFUSED = (
        "ImagesRefused",
        "Count",
        ("s3_uploads", "sqs_thumbnails"),
        "uploads that no retry can make good; their rows say why",
    )
    IMAGES_WITH_THUMBNAILS = (
        "ImagesWithThumbnails",
        "Count",
        ("sqs_thumbnails",),
        "images whose thumbnails the batch made",
    )
    IMAGES_SKIPPED = (
        "ImagesSkipped",
        "Count",
        ("sqs_thumbnails",),
        "jobs with nothing to do: done before, superseded by a newer version, or erased",
    )
    IMAGE_ANOMALIES_FOUND = (
        "ImageAnomaliesFound",
        "Count",
        ("s3_uploads", "sqs_thumbnails"),
        "facts about images that were written to AnomaliesTable, repetitions included",
    )
    THUMBNAIL_JOBS_FAILED = (
        "ThumbnailJobsFailed",
        "Count",
        ("sqs_thumbnails",),
        "messages that go back to their queue, and from there to its dead-letter queue at last",
    )
    QUERIES_STARTED = (
        "QueriesStarted",
        "Count",
        ("schedule_analytics",),
        "queries that a schedule started, second attempts included",
    )
    QUERIES_POSTPONED = (
        "QueriesPostponed",
        "Count",
        ("schedule_analytics",),
        "queries that are due and still run for an earlier schedule",
    )
    QUERIES_RECONCILED = (
        "QueriesReconciled",
        "Count",
        ("schedule_analytics",),
        "queries that had ended without an event, settled by the next schedule",
    )
    QUERIES_SUCCEEDED = (
        "QueriesSucceeded",
        "Count",
        ("athena_analytics",),
        "queries whose success is in their row",
    )
    QUERIES_FAILED = (
        "QueriesFailed",
        "Count",
        ("athena_analytics",),
        "queries that failed or were cancelled; an alert names each",
    )
    FIGURES_STORED = (
        "FiguresStored",
        "Count",
        ("athena_analytics",),
        "figures of days that are stored now; none for 26 hours pages",
    )
    FIGURES_UNUSUAL = (
        "FiguresUnusual",
        "Count",
        ("athena_analytics",),
        "figures that are unlike their history, each a fact in AnomaliesTable",
    )
    BATCHES_RETRIED = (
        "BatchesRetried",
        "Count",
        ("kinesis_events", "dynamodb_alerts", "dynamodb_users"),
        "batches that throttling or an outage sent back to their stream, wholly or in part",
    )
    BATCH_AGE = (
        "BatchAge",
        "Milliseconds",
        ("kinesis_events", "dynamodb_alerts", "dynamodb_users"),
        "time from the arrival of the batch's first record in its stream to the batch's end",
    )

    def __init__(self, title: str, unit: Unit, services: tuple[Service, ...], meaning: str) -> None:
        self.title = title
        self.unit = unit
        self.services = services
        self.meaning = meaning
