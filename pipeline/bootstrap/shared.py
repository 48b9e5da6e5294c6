"""What every consumer is built on: clients, pools, rules and the time, each made once.

Everything in this package is built at an execution environment's first invocation and lives as
long as it. It is the only place that joins settings and adapters.
"""

import os
import random
import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Final, TypeVar

from pipeline.adapters import aws, rule_parameter
from pipeline.adapters.batch_bodies import take_over_batches
from pipeline.adapters.bucket_owner import own_buckets_only
from pipeline.adapters.clock import SystemClock
from pipeline.adapters.dynamodb import BatchTables
from pipeline.adapters.parallel import Parallel
from pipeline.adapters.tracing import Tracing
from pipeline.detection.rules import Rules
from pipeline.ports import Clock
from pipeline.settings import bucket_owner, rules_parameter

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

BuiltT = TypeVar("BuiltT")

FLUSH_THREADS: Final = aws.MAX_CONNECTIONS
"""Requests of one flush at a time: a batch of 500 makes 21, which then wait but once."""

DAY_S: Final = 86_400


def rules() -> Rules:
    """Return the rules, the same object until they change; less than a minute old."""
    return parameter_rules().current()


def per_rules(build: Callable[[Rules], BuiltT]) -> rule_parameter.PerRules[BuiltT]:
    """Keep what `build` returns until the rules change."""
    return rule_parameter.PerRules(build, rules)


@cache
def parameter_rules() -> rule_parameter.ParameterRules:
    """Return what keeps the rules up to date."""
    client = aws.client("ssm")
    return rule_parameter.ParameterRules(client, rules_parameter(os.environ), clock())


@cache
def tracing() -> Tracing:
    """Return the tracing of this execution environment."""
    return Tracing(os.environ)


@cache
def clock() -> Clock:
    """Return the time of day."""
    return SystemClock()


@cache
def s3() -> "S3Client":
    """Return the client of S3, for buckets of this account alone."""
    client: S3Client = aws.client("s3")
    own_buckets_only(client, bucket_owner(os.environ))
    return client


@cache
def dynamodb() -> "DynamoDBClient":
    """Return the client of DynamoDB, whose batches msgspec encodes and decodes."""
    client: DynamoDBClient = aws.client("dynamodb")
    take_over_batches(client)
    return client


@cache
def batch_tables() -> BatchTables:
    """Return batched reads and writes of the tables."""
    return BatchTables(dynamodb(), parallel(), time.sleep, random.Random())  # noqa: S311  jitter


@cache
def parallel() -> Parallel:
    """Return the threads in which the requests of a flush run."""
    return Parallel(FLUSH_THREADS, tracing())
