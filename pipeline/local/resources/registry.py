"""Which handler brings up which resource type."""

from collections.abc import Mapping
from typing import Final

from pipeline.local.resources import (
    awslambda,
    cloudwatch,
    dynamodb,
    iam,
    kinesis,
    kms,
    logs,
    s3,
    sns,
    sqs,
    ssm,
)
from pipeline.local.resources.handler import Handler

HANDLERS: Final[Mapping[str, Handler]] = {
    **awslambda.HANDLERS,
    **cloudwatch.HANDLERS,
    **dynamodb.HANDLERS,
    **iam.HANDLERS,
    **kinesis.HANDLERS,
    **kms.HANDLERS,
    **logs.HANDLERS,
    **s3.HANDLERS,
    **sns.HANDLERS,
    **sqs.HANDLERS,
    **ssm.HANDLERS,
}
"""Handlers by resource type; every other type is reported as unhandled."""
