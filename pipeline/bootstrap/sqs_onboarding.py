"""The ports of `consumers.sqs_onboarding`."""

import os
from functools import cache

from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.adapters import aws
from pipeline.adapters.emf import EmfMetrics
from pipeline.adapters.notifications import SnsNotifier
from pipeline.adapters.once import PowertoolsOnce, persistence
from pipeline.adapters.profiles import DynamoProfiles, DynamoUsers
from pipeline.bootstrap.shared import DAY_S, dynamodb, tracing
from pipeline.flows.onboarding.ports import Notifier, Once, Profiles, Users
from pipeline.settings import SqsOnboardingSettings

__all__ = [
    "notifier",
    "onboarding_metrics",
    "once",
    "profiles",
    "tracing",
    "users",
]


@cache
def users() -> Users:
    """Return the users, to be read."""
    return DynamoUsers(dynamodb(), _onboarding_settings().users_table)


@cache
def profiles() -> Profiles:
    """Return the profiles."""
    settings = _onboarding_settings()
    return DynamoProfiles(dynamodb(), settings.profiles_table, settings.users_table)


@cache
def notifier() -> Notifier:
    """Return the topic of messages to users."""
    client = aws.client("sns")
    return SnsNotifier(client, _onboarding_settings().notifications_topic_arn)


def once(context: LambdaContext) -> Once:
    """Return what has been done, for one invocation."""
    return PowertoolsOnce(
        _done_before(), _onboarding_settings().idempotency_ttl_days * DAY_S, context
    )


@cache
def onboarding_metrics() -> EmfMetrics:
    """Return the metrics of the onboarding flow."""
    return EmfMetrics(_onboarding_settings().environment)


@cache
def _onboarding_settings() -> SqsOnboardingSettings:
    return SqsOnboardingSettings.load(os.environ)


@cache
def _done_before() -> DynamoDBPersistenceLayer:
    return persistence(dynamodb(), _onboarding_settings().idempotency_table)
