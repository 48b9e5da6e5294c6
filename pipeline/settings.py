"""Every environment variable that template.yaml gives a function, one frozen type per consumer.

A missing or empty variable fails at cold start: no setting has a default here, defaults live in
the template's parameters.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Final, Self

from pipeline.errors import SettingsError


@dataclass(frozen=True, slots=True)
class _FromEnvironment:
    @classmethod
    def load(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings; a field's variable is its name in capitals.

        Raises:
            SettingsError: A variable is missing, empty, or no number or truth value where one is
                needed.
        """
        values: dict[str, str | int | bool] = {}
        for field in fields(cls):
            variable = field.name.upper()
            text = environment.get(variable, "")
            if not text:
                raise SettingsError(f"the function needs the environment variable {variable}")
            values[field.name] = _PARSERS.get(field.type, _text)(variable, text)
        return cls(**values)


@dataclass(frozen=True, slots=True)
class KinesisEventsSettings(_FromEnvironment):
    """Settings of `consumers.kinesis_events`."""

    activities_table: str
    metrics_table: str
    transactions_table: str
    detector_state_table: str
    anomalies_table: str
    lake_bucket: str
    event_stream: str
    event_ttl_days: int
    activities_in_lake_only: bool
    environment: str
    rules_parameter: str
    bucket_owner: str


@dataclass(frozen=True, slots=True)
class DynamodbAlertsSettings(_FromEnvironment):
    """Settings of `consumers.dynamodb_alerts`."""

    alerts_table: str
    alerts_topic_arn: str
    oncall_topic_arn: str
    environment: str
    alert_ttl_days: int
    runbook_url: str
    stack_name: str
    lake_bucket: str
    metrics_table: str
    transactions_table: str
    silences_table: str
    rules_parameter: str


@dataclass(frozen=True, slots=True)
class ScheduleAlertsSettings(DynamodbAlertsSettings):
    """Settings of `consumers.schedule_alerts`: those of the alert flow, and what it looks at."""

    alerts_dead_letter_queue_url: str
    detector_state_table: str
    anomalies_table: str
    event_stream: str
    event_ttl_days: int
    onboarding_dead_letter_queue_url: str
    uploads_dead_letter_queue_url: str
    thumbnail_dead_letter_queue_url: str
    analytics_dead_letter_queue_url: str


@dataclass(frozen=True, slots=True)
class S3UploadsSettings(_FromEnvironment):
    """Settings of `consumers.s3_uploads`."""

    images_table: str
    anomalies_table: str
    content_bucket: str
    thumbnail_queue_url: str
    event_ttl_days: int
    environment: str
    rules_parameter: str
    bucket_owner: str


@dataclass(frozen=True, slots=True)
class SqsThumbnailsSettings(_FromEnvironment):
    """Settings of `consumers.sqs_thumbnails`."""

    images_table: str
    anomalies_table: str
    content_bucket: str
    event_ttl_days: int
    environment: str
    rules_parameter: str
    bucket_owner: str


@dataclass(frozen=True, slots=True)
class DynamodbUsersSettings(_FromEnvironment):
    """Settings of `consumers.dynamodb_users`."""

    audit_table: str
    profiles_table: str
    detector_state_table: str
    anomalies_table: str
    lake_bucket: str
    onboarding_queue_url: str
    content_bucket: str
    images_table: str
    event_ttl_days: int
    audit_ttl_days: int
    environment: str
    rules_parameter: str
    bucket_owner: str


@dataclass(frozen=True, slots=True)
class SqsOnboardingSettings(_FromEnvironment):
    """Settings of `consumers.sqs_onboarding`."""

    users_table: str
    profiles_table: str
    idempotency_table: str
    notifications_topic_arn: str
    idempotency_ttl_days: int
    environment: str


@dataclass(frozen=True, slots=True)
class AthenaAnalyticsSettings(_FromEnvironment):
    """Settings of `consumers.athena_analytics`."""

    jobs_table: str
    anomalies_table: str
    analytics_database: str
    analytics_workgroup: str
    event_ttl_days: int
    analytics_ttl_days: int
    environment: str
    rules_parameter: str


@dataclass(frozen=True, slots=True)
class ScheduleAnalyticsSettings(AthenaAnalyticsSettings):
    """Settings of `consumers.schedule_analytics`: it settles queries too, and reads the lake."""

    lake_bucket: str
    bucket_owner: str


def rules_parameter(environment: Mapping[str, str]) -> str:
    """Return the name of the parameter that overrides the rules; every consumer with rules has it.

    Raises:
        SettingsError: The variable is missing or empty.
    """
    return _RulesParameter.load(environment).rules_parameter


def bucket_owner(environment: Mapping[str, str]) -> str:
    """Return the account that owns the stack's buckets; every consumer that calls S3 has it.

    Raises:
        SettingsError: The variable is missing or empty.
    """
    return _BucketOwner.load(environment).bucket_owner


@dataclass(frozen=True, slots=True)
class _RulesParameter(_FromEnvironment):
    rules_parameter: str


@dataclass(frozen=True, slots=True)
class _BucketOwner(_FromEnvironment):
    bucket_owner: str


def _text(_: str, text: str) -> str:
    return text


def _truth(variable: str, text: str) -> bool:
    if text not in {"true", "false"}:
        raise SettingsError(f"{variable} must be true or false, not {text!r}")
    return text == "true"


def _number(variable: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise SettingsError(f"{variable} must be a whole number, not {text!r}") from error


_PARSERS: Final[Mapping[object, Callable[[str, str], str | int | bool]]] = {
    bool: _truth,
    int: _number,
}
