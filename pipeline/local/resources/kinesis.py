"""AWS::Kinesis."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pipeline.local.intrinsics import PhysicalResource
from pipeline.local.resources.handler import DeployError, Handler, Properties, Stack

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

_DEFAULT_RETENTION_HOURS: Final = 24
_NO_MEANING: Final = {
    "DesiredShardLevelMetrics": "no metrics are collected",
    "StreamEncryption": "nothing is stored outside the endpoint's memory",
    "WarmThroughputMiBps": "the endpoint has no throughput to warm",
}


def put_stream(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Create a stream, or set its shard count, retention and tags."""
    client: KinesisClient = stack.client("kinesis")
    properties.without_meaning(_NO_MEANING)
    name = properties.take("Name") or stack.physical_name(logical_id, 128)
    mode = (properties.take("StreamModeDetails") or {}).get("StreamMode", "PROVISIONED")
    shard_count = None if mode == "ON_DEMAND" else properties.number("ShardCount", 1)
    try:
        summary: Mapping[str, Any] = client.describe_stream_summary(StreamName=name)[
            "StreamDescriptionSummary"
        ]
    except client.exceptions.ResourceNotFoundException:
        arguments: dict[str, Any] = {} if shard_count is None else {"ShardCount": shard_count}
        client.create_stream(StreamName=name, StreamModeDetails={"StreamMode": mode}, **arguments)
        client.get_waiter("stream_exists").wait(
            StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
        )
        summary = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    else:
        _check_mode(name, summary, mode)
        if shard_count is not None and shard_count != summary["OpenShardCount"]:
            client.update_shard_count(
                StreamName=name, TargetShardCount=shard_count, ScalingType="UNIFORM_SCALING"
            )
    _set_retention(
        client,
        name,
        summary["RetentionPeriodHours"],
        properties.number("RetentionPeriodHours", _DEFAULT_RETENTION_HOURS),
    )
    tags = properties.tags()
    if tags:
        client.add_tags_to_stream(StreamName=name, Tags={tag["Key"]: tag["Value"] for tag in tags})
    return PhysicalResource(name, {"Arn": summary["StreamARN"]})


def _check_mode(name: str, summary: Mapping[str, Any], mode: str) -> None:
    existing = summary.get("StreamModeDetails", {}).get("StreamMode", "PROVISIONED")
    if existing != mode:
        raise DeployError(
            f"stream {name} is {existing} and cannot become {mode} here; start the local run anew"
        )


def _set_retention(client: "KinesisClient", name: str, existing: int, wanted: int) -> None:
    if wanted > existing:
        client.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=wanted)
    elif wanted < existing:
        client.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=wanted)


HANDLERS: Final[Mapping[str, Handler]] = {"AWS::Kinesis::Stream": put_stream}
