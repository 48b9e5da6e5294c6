"""Which handler brings up which resource type."""

from collections.abc import Mapping
from typing import Final

from pipeline.local.resources import (
    athena,
    awslambda,
    cloudwatch,
    codedeploy,
    dynamodb,
    events,
    glue,
    iam,
    kinesis,
    kms,
    logs,
    s3,
    scheduler,
    sns,
    sqs,
    ssm,
)
from pipeline.local.resources.handler import Handler

HANDLERS: Final[Mapping[str, Handler]] = {
    **athena.HANDLERS,
    **awslambda.HANDLERS,
    **cloudwatch.HANDLERS,
    **codedeploy.HANDLERS,
    **dynamodb.HANDLERS,
    **events.HANDLERS,
    **glue.HANDLERS,
    **iam.HANDLERS,
    **kinesis.HANDLERS,
    **kms.HANDLERS,
    **logs.HANDLERS,
    **s3.HANDLERS,
    **scheduler.HANDLERS,
    **sns.HANDLERS,
    **sqs.HANDLERS,
    **ssm.HANDLERS,
}
"""Handlers by resource type; every other type is reported as unhandled."""
