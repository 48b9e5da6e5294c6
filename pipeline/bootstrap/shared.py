"""What every consumer is built on: clients, pools, rules and the time, each made once.

Everything in this package is built at an execution environment's first invocation and lives as
long as it. It is the only place that joins settings and adapters.
"""

import os
import random
import time
from functools import cache
from typing import TYPE_CHECKING, Final

import boto3

from pipeline.adapters.aws import CLIENT_CONFIG, MAX_CONNECTIONS
from pipeline.adapters.batch_bodies import encode_batch_writes
from pipeline.adapters.clock import SystemClock
from pipeline.adapters.dynamodb import BatchTables
from pipeline.adapters.parallel import Parallel
from pipeline.adapters.tracing import Tracing
from pipeline.detection.rules import Rules, default_rules
from pipeline.ports import Clock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

FLUSH_THREADS: Final = MAX_CONNECTIONS
"""Requests of one flush at a time: a batch of 500 makes 21, which then wait but once."""

DAY_S: Final = 86_400


@cache
def rules() -> Rules:
    """Return the packaged rules."""
    return default_rules()


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
    """Return the client of S3."""
    return boto3.client("s3", config=CLIENT_CONFIG)


@cache
def dynamodb() -> "DynamoDBClient":
    """Return the client of DynamoDB, batch writes encoded by hand."""
    client = boto3.client("dynamodb", config=CLIENT_CONFIG)
    encode_batch_writes(client)
    return client


@cache
def batch_tables() -> BatchTables:
    """Return batched reads and writes of the tables."""
    return BatchTables(dynamodb(), parallel(), time.sleep, random.Random())  # noqa: S311  jitter


@cache
def parallel() -> Parallel:
    """Return the threads in which the requests of a flush run."""
    return Parallel(FLUSH_THREADS, tracing())
