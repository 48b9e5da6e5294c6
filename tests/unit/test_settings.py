import dataclasses

import pytest

from pipeline.errors import SettingsError
from pipeline.settings import (
    AthenaAnalyticsSettings,
    DynamodbAlertsSettings,
    DynamodbUsersSettings,
    KinesisEventsSettings,
    S3UploadsSettings,
    ScheduleAlertsSettings,
    ScheduleAnalyticsSettings,
    SqsOnboardingSettings,
    SqsThumbnailsSettings,
)

ENVIRONMENT = {
    "ACTIVITIES_TABLE": "activities",
    "METRICS_TABLE": "metrics",
    "TRANSACTIONS_TABLE": "transactions",
    "DETECTOR_STATE_TABLE": "detector-state",
    "ANOMALIES_TABLE": "anomalies",
    "LAKE_BUCKET": "lake",
    "EVENT_STREAM": "events",
    "EVENT_TTL_DAYS": "90",
    "ACTIVITIES_IN_LAKE_ONLY": "false",
    "ALERTS_TABLE": "alerts",
    "ALERTS_TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:alerts",
    "ONCALL_TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:oncall",
    "THUMBNAIL_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/thumbnails",
    "ENVIRONMENT": "prod",
    "RULES_PARAMETER": "/streamwarden/rules",
    "BUCKET_OWNER": "123456789012",
    "ALERT_TTL_DAYS": "400",
    "RUNBOOK_URL": "https://example.org/runbook",
    "STACK_NAME": "shop-prod",
    "SILENCES_TABLE": "silences",
    **{
        f"{queue}_DEAD_LETTER_QUEUE_URL": f"https://sqs.eu-central-1.amazonaws.com/1/{queue.lower()}"
        for queue in ("ONBOARDING", "UPLOADS", "THUMBNAIL", "ANALYTICS")
    },
    "ALERTS_DEAD_LETTER_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/dead",
    "USERS_TABLE": "users",
    "JOBS_TABLE": "jobs",
    "ANALYTICS_DATABASE": "streamwarden",
    "ANALYTICS_WORKGROUP": "shop-prod-analytics",
    "ANALYTICS_TTL_DAYS": "400",
    "AUDIT_TABLE": "audit",
    "AUDIT_TTL_DAYS": "365",
    "PROFILES_TABLE": "profiles",
    "IMAGES_TABLE": "images",
    "CONTENT_BUCKET": "content",
    "ONBOARDING_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/onboarding",
    "IDEMPOTENCY_TABLE": "idempotency",
    "IDEMPOTENCY_TTL_DAYS": "90",
    "NOTIFICATIONS_TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:notifications",
}


def test_each_field_comes_from_the_variable_of_its_name() -> None:
    settings = KinesisEventsSettings.load(ENVIRONMENT)

    assert settings == KinesisEventsSettings(
        activities_table="activities",
        metrics_table="metrics",
        transactions_table="transactions",
        detector_state_table="detector-state",
        anomalies_table="anomalies",
        lake_bucket="lake",
        event_stream="events",
        event_ttl_days=90,
        activities_in_lake_only=False,
        environment="prod",
        rules_parameter="/streamwarden/rules",
        bucket_owner="123456789012",
    )


def test_variables_of_other_functions_are_no_matter() -> None:
    others = {"ACTIVITIES_TABLE", "ANOMALIES_TABLE", "EVENT_STREAM", "CONTENT_BUCKET"}
    alerts_only = {name: text for name, text in ENVIRONMENT.items() if name not in others}

    settings = DynamodbAlertsSettings.load(alerts_only)

    assert settings.alert_ttl_days == 400


@pytest.mark.parametrize(
    "settings",
    [
        KinesisEventsSettings,
        DynamodbAlertsSettings,
        ScheduleAlertsSettings,
        DynamodbUsersSettings,
        SqsOnboardingSettings,
        S3UploadsSettings,
        SqsThumbnailsSettings,
        AthenaAnalyticsSettings,
        ScheduleAnalyticsSettings,
    ],
    ids=[
        "kinesis_events",
        "dynamodb_alerts",
        "schedule_alerts",
        "dynamodb_users",
        "sqs_onboarding",
        "s3_uploads",
        "sqs_thumbnails",
        "athena_analytics",
        "schedule_analytics",
    ],
)
def test_no_setting_has_a_default(
    settings: type[
        KinesisEventsSettings
        | DynamodbAlertsSettings
        | ScheduleAlertsSettings
        | DynamodbUsersSettings
        | SqsOnboardingSettings
        | S3UploadsSettings
        | SqsThumbnailsSettings
        | AthenaAnalyticsSettings
        | ScheduleAnalyticsSettings
    ],
) -> None:
    for field in dataclasses.fields(settings):
        variable = field.name.upper()
        environment = {name: text for name, text in ENVIRONMENT.items() if name != variable}

        with pytest.raises(SettingsError, match=f"needs the environment variable {variable}$"):
            settings.load(environment)


def test_an_empty_variable_is_a_missing_one() -> None:
    environment = ENVIRONMENT | {"LAKE_BUCKET": ""}

    with pytest.raises(SettingsError, match="needs the environment variable LAKE_BUCKET"):
        KinesisEventsSettings.load(environment)


def test_a_number_that_is_none_is_refused_with_its_text() -> None:
    environment = ENVIRONMENT | {"EVENT_TTL_DAYS": "ninety"}

    with pytest.raises(SettingsError, match="EVENT_TTL_DAYS must be a whole number, not 'ninety'"):
        KinesisEventsSettings.load(environment)


@pytest.mark.parametrize("text", ["True", "yes", "1", "0", "tru"])
def test_a_truth_value_that_is_none_is_refused_with_its_text(text: str) -> None:
    environment = ENVIRONMENT | {"ACTIVITIES_IN_LAKE_ONLY": text}

    with pytest.raises(SettingsError, match=f"ONLY must be true or false, not '{text}'"):
        KinesisEventsSettings.load(environment)


def test_a_truth_value_is_read_as_one() -> None:
    settings = KinesisEventsSettings.load(ENVIRONMENT | {"ACTIVITIES_IN_LAKE_ONLY": "true"})

    assert settings.activities_in_lake_only is True


def test_settings_cannot_be_changed() -> None:
    settings = KinesisEventsSettings.load(ENVIRONMENT)

    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.lake_bucket = "another"  # type: ignore[misc]  # the point of the test
