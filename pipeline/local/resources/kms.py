"""AWS::KMS."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pipeline.local.intrinsics import PhysicalResource
from pipeline.local.resources.handler import Handler, Properties, Stack, json_text

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

_NO_MEANING: Final = {
    "BypassPolicyLockoutSafetyCheck": "nobody can be locked out of a key that nobody checks",
    "PendingWindowInDays": "the local run deletes no key",
    "RotationPeriodInDays": "a local run ends before a key rotates",
}
_MARK: Final = "local-run:resource"
"""Tag that finds a key again on the next deployment: KMS chooses the ids of keys itself."""


def put_key(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Create a key or set its policy, description and rotation."""
    client: KMSClient = stack.client("kms")
    properties.without_meaning(_NO_MEANING)
    mark = f"{stack.name}/{logical_id}"
    description = str(properties.take("Description", ""))
    key_id = _find_key(client, mark)
    creation: dict[str, Any] = properties.pick("KeySpec", "KeyUsage", "Origin")
    creation["MultiRegion"] = properties.flag("MultiRegion")
    if key_id is None:
        metadata = client.create_key(
            Description=description, Tags=[{"TagKey": _MARK, "TagValue": mark}], **creation
        )["KeyMetadata"]
        key_id = metadata["KeyId"]
    client.update_key_description(KeyId=key_id, Description=description)
    if policy := properties.take("KeyPolicy"):
        client.put_key_policy(KeyId=key_id, PolicyName="default", Policy=json_text(policy))
    if properties.flag("EnableKeyRotation"):
        client.enable_key_rotation(KeyId=key_id)
    if not properties.flag("Enabled", default=True):
        client.disable_key(KeyId=key_id)
    if tags := properties.tags():
        client.tag_resource(
            KeyId=key_id, Tags=[{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in tags]
        )
    return PhysicalResource(key_id, {"Arn": stack.arn("kms", f"key/{key_id}"), "KeyId": key_id})


def _find_key(client: "KMSClient", mark: str) -> str | None:
    for page in client.get_paginator("list_keys").paginate():
        for key in page["Keys"]:
            tags = client.list_resource_tags(KeyId=key["KeyId"])["Tags"]
            if {"TagKey": _MARK, "TagValue": mark} in tags:
                return key["KeyId"]
    return None


def put_alias(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Create an alias or let it point to its key."""
    del logical_id  # an alias always has a name of its own
    client: KMSClient = stack.client("kms")
    name = properties.text("AliasName")
    target = properties.text("TargetKeyId")
    existing = {
        alias["AliasName"]: alias.get("TargetKeyId")
        for page in client.get_paginator("list_aliases").paginate()
        for alias in page["Aliases"]
    }
    if name not in existing:
        client.create_alias(AliasName=name, TargetKeyId=target)
    elif existing[name] != target.rsplit("/", 1)[-1]:
        client.update_alias(AliasName=name, TargetKeyId=target)
    return PhysicalResource(name)


HANDLERS: Final[Mapping[str, Handler]] = {
    "AWS::KMS::Alias": put_alias,
    "AWS::KMS::Key": put_key,
}
