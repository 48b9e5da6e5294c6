"""AWS::Logs."""

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pipeline.local.intrinsics import PhysicalResource
from pipeline.local.resources.handler import Handler, Properties, Stack

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

_NO_MEANING: Final = {
    "DataProtectionPolicy": "functions log to the terminal",
    "KmsKeyId": "functions log to the terminal",
    "LogGroupClass": "nothing is billed",
}


def put_log_group(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Create a log group or set its retention and tags."""
    client: CloudWatchLogsClient = stack.client("logs")
    properties.without_meaning(_NO_MEANING)
    name = properties.take("LogGroupName") or stack.physical_name(logical_id)
    # One that exists gets its retention and tags below like a new one.
    with suppress(client.exceptions.ResourceAlreadyExistsException):
        client.create_log_group(logGroupName=name)
    if retention := properties.number("RetentionInDays", 0):
        client.put_retention_policy(logGroupName=name, retentionInDays=retention)
    arn = stack.arn("logs", f"log-group:{name}")
    if tags := properties.tags():
        client.tag_resource(resourceArn=arn, tags={tag["Key"]: tag["Value"] for tag in tags})
    return PhysicalResource(name, {"Arn": f"{arn}:*"})


def put_query_definition(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Answer for a saved query; the local run has no Logs Insights."""
    reason = "functions log to the terminal"
    properties.without_meaning({"LogGroupNames": reason, "QueryString": reason})
    properties.text("Name")
    return PhysicalResource(stack.physical_name(logical_id))


HANDLERS: Final[Mapping[str, Handler]] = {
    "AWS::Logs::LogGroup": put_log_group,
    "AWS::Logs::QueryDefinition": put_query_definition,
}
