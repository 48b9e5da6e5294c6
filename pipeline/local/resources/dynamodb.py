"""AWS::DynamoDB."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pipeline.local.intrinsics import PhysicalResource
from pipeline.local.resources.handler import (
    DeployError,
    Handler,
    Properties,
    Stack,
    with_numbers,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_NO_MEANING: Final = {
    "ContributorInsightsSpecification": "no metrics are collected",
    "OnDemandThroughput": "the endpoint does not throttle",
    "TableClass": "nothing is billed",
    "WarmThroughput": "the endpoint has no throughput to warm",
}
_INDEX_NO_MEANING: Final = frozenset(
    {"ContributorInsightsSpecification", "OnDemandThroughput", "WarmThroughput"}
)
_NUMBERS: Final = frozenset({"ReadCapacityUnits", "WriteCapacityUnits", "RecoveryPeriodInDays"})


def put_table(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Create a table with its indexes and stream, or change what can change in place."""
    client: DynamoDBClient = stack.client("dynamodb")
    properties.without_meaning(_NO_MEANING)
    name = properties.take("TableName") or stack.physical_name(logical_id)
    wanted = _definition(properties)
    try:
        table: Mapping[str, Any] = client.describe_table(TableName=name)["Table"]
    except client.exceptions.ResourceNotFoundException:
        client.create_table(TableName=name, **wanted)
        client.get_waiter("table_exists").wait(
            TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
        )
    else:
        _update(client, name, table, wanted)
    _set_ttl(client, name, properties)
    _set_recovery(client, name, properties)
    arn, stream_arn = _arns(client, name)
    _set_tags(client, arn, properties)
    attributes = {"Arn": arn}
    if stream_arn is not None:
        attributes["StreamArn"] = stream_arn
    return PhysicalResource(name, attributes)


def _definition(properties: Properties) -> dict[str, Any]:
    """Compose the arguments of CreateTable."""
    definition: dict[str, Any] = with_numbers(
        properties.pick(
            "AttributeDefinitions",
            "KeySchema",
            "GlobalSecondaryIndexes",
            "LocalSecondaryIndexes",
            "ProvisionedThroughput",
        ),
        _NUMBERS,
    )
    definition["BillingMode"] = properties.take("BillingMode", "PROVISIONED")
    for index in definition.get("GlobalSecondaryIndexes", []):
        for setting in _INDEX_NO_MEANING & index.keys():
            del index[setting]
    stream = properties.section("StreamSpecification")
    if stream is not None:
        definition["StreamSpecification"] = {
            "StreamEnabled": True,
            "StreamViewType": stream.text("StreamViewType"),
        }
    encryption = properties.section("SSESpecification")
    if encryption is not None:
        definition["SSESpecification"] = {
            "Enabled": encryption.flag("SSEEnabled"),
            **encryption.pick("SSEType", "KMSMasterKeyId"),
        }
    definition["DeletionProtectionEnabled"] = properties.flag("DeletionProtectionEnabled")
    return definition


def _update(
    client: "DynamoDBClient", name: str, table: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    """Bring the changeable part of a table up to date."""
    if _shape(table) != _shape(wanted):
        raise DeployError(
            f"table {name} exists with other keys or indexes; start the local run anew"
        )
    changes: dict[str, Any] = {}
    if table.get("DeletionProtectionEnabled", False) != wanted["DeletionProtectionEnabled"]:
        changes["DeletionProtectionEnabled"] = wanted["DeletionProtectionEnabled"]
    stream = table.get("StreamSpecification", {})
    if "StreamSpecification" in wanted and not stream.get("StreamEnabled"):
        changes["StreamSpecification"] = wanted["StreamSpecification"]
    elif stream.get("StreamViewType") != wanted.get("StreamSpecification", {}).get(
        "StreamViewType"
    ):
        raise DeployError(f"the stream of table {name} has another view; start the local run anew")
    if changes:
        client.update_table(TableName=name, **changes)


def _shape(table: Mapping[str, Any]) -> Any:  # noqa: ANN401 - compared, never looked into
    """Reduce a table to what cannot change in place: keys and indexes."""

    def keys(schema: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [(key["AttributeName"], key["KeyType"]) for key in schema["KeySchema"]]

    return keys(table), sorted(
        (index["IndexName"], keys(index), index["Projection"]["ProjectionType"])
        for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")
        for index in table.get(kind) or []
    )


def _set_ttl(client: "DynamoDBClient", name: str, properties: Properties) -> None:
    ttl = properties.section("TimeToLiveSpecification")
    existing = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    is_enabled = existing.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
    wants = ttl is not None and ttl.flag("Enabled")
    attribute = existing.get("AttributeName", "") if ttl is None else ttl.text("AttributeName")
    if wants == is_enabled and (not wants or existing.get("AttributeName") == attribute):
        return
    client.update_time_to_live(
        TableName=name,
        TimeToLiveSpecification={"Enabled": wants, "AttributeName": attribute},
    )


def _set_recovery(client: "DynamoDBClient", name: str, properties: Properties) -> None:
    recovery = properties.section("PointInTimeRecoverySpecification")
    if recovery is None:
        return
    wanted: Any = {
        "PointInTimeRecoveryEnabled": recovery.flag("PointInTimeRecoveryEnabled"),
        **with_numbers(recovery.pick("RecoveryPeriodInDays"), _NUMBERS),
    }
    client.update_continuous_backups(
        TableName=name,
        PointInTimeRecoverySpecification=wanted,
    )


def _set_tags(client: "DynamoDBClient", arn: str, properties: Properties) -> None:
    existing: Any = client.list_tags_of_resource(ResourceArn=arn)["Tags"]
    changed: Any = [tag for tag in properties.tags() if tag not in existing]
    if changed:
        # moto adds a second tag of the same key where AWS replaces the first.
        client.untag_resource(ResourceArn=arn, TagKeys=[tag["Key"] for tag in changed])
        client.tag_resource(ResourceArn=arn, Tags=changed)


def _arns(client: "DynamoDBClient", name: str) -> tuple[str, str | None]:
    table: Mapping[str, Any] = client.describe_table(TableName=name)["Table"]
    return table["TableArn"], table.get("LatestStreamArn")


HANDLERS: Final[Mapping[str, Handler]] = {"AWS::DynamoDB::Table": put_table}
