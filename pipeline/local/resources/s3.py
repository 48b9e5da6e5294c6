"""AWS::S3."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from pipeline.local.intrinsics import PhysicalResource
from pipeline.local.resources.handler import (
    Handler,
    Properties,
    Stack,
    json_text,
    shorten,
    with_numbers,
)
from pipeline.local.resources.s3_notifications import configure_notifications

_NO_MEANING: Final = {
    "AccelerateConfiguration": "there is no distance to accelerate over",
    "IntelligentTieringConfigurations": "the endpoint moves no object between tiers",
    "LoggingConfiguration": "the endpoint writes no access logs",
}
_NUMBERS: Final = frozenset(
    {
        "Days",
        "DaysAfterInitiation",
        "NewerNoncurrentVersions",
        "NoncurrentDays",
        "ObjectSizeGreaterThan",
        "ObjectSizeLessThan",
    }
)
_PLAIN_RULE_KEYS: Final = (
    "AbortIncompleteMultipartUpload",
    "NoncurrentVersionExpiration",
    "Status",
)
_TRANSITION_DAYS: Final = {"TransitionInDays": "Days", "TransitionDate": "Date"}


def put_bucket(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Create a bucket or set its configuration."""
    client = stack.client("s3")
    properties.without_meaning(_NO_MEANING)
    name = properties.take("BucketName") or shorten(
        f"{stack.name}-{logical_id}-{stack.account_id}".lower(), 63
    )
    is_new = not _exists(client, name)
    if is_new:
        location = (
            {}
            if stack.region == "us-east-1"
            else {"CreateBucketConfiguration": {"LocationConstraint": stack.region}}
        )
        client.create_bucket(Bucket=name, **location)
    _configure(client, name, properties)
    if notifications := properties.section("NotificationConfiguration"):
        configure_notifications(stack, logical_id, name, notifications, is_new=is_new)
    domain = f"{name}.s3.amazonaws.com"
    return PhysicalResource(
        name,
        {
            "Arn": f"arn:{stack.partition}:s3:::{name}",
            "DomainName": domain,
            "DualStackDomainName": f"{name}.s3.dualstack.{stack.region}.amazonaws.com",
            "RegionalDomainName": f"{name}.s3.{stack.region}.amazonaws.com",
        },
    )


def _exists(client: Any, name: str) -> bool:  # noqa: ANN401 - boto3 client
    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    return True


def _configure(client: Any, name: str, properties: Properties) -> None:  # noqa: ANN401 - boto3 client
    """Apply each part of a bucket's configuration that the template has."""
    if versioning := properties.take("VersioningConfiguration"):
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration=versioning)
    if encryption := properties.take("BucketEncryption"):
        client.put_bucket_encryption(
            Bucket=name, ServerSideEncryptionConfiguration=_encryption(encryption)
        )
    if block := properties.take("PublicAccessBlockConfiguration"):
        client.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
    if ownership := properties.take("OwnershipControls"):
        client.put_bucket_ownership_controls(Bucket=name, OwnershipControls=ownership)
    if lifecycle := properties.take("LifecycleConfiguration"):
        rules = [_lifecycle_rule(rule) for rule in lifecycle["Rules"]]
        client.put_bucket_lifecycle_configuration(
            Bucket=name, LifecycleConfiguration={"Rules": rules}
        )
    if tags := properties.tags():
        client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})


def _encryption(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Rename what CloudFormation and the API call differently."""
    rules = []
    for rule in configuration["ServerSideEncryptionConfiguration"]:
        entries = dict(rule)
        if "ServerSideEncryptionByDefault" in entries:
            by_default = entries.pop("ServerSideEncryptionByDefault")
            entries["ApplyServerSideEncryptionByDefault"] = by_default
        rules.append(entries)
    return {"Rules": rules}


def _lifecycle_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Translate a lifecycle rule; unknown keys go through and the API refuses them by name."""
    entries = dict(rule)
    result: dict[str, Any] = {key: entries.pop(key) for key in _PLAIN_RULE_KEYS if key in entries}
    if "Id" in entries:
        result["ID"] = entries.pop("Id")
    expiration = {
        ours: entries.pop(theirs)
        for theirs, ours in {
            "ExpirationInDays": "Days",
            "ExpirationDate": "Date",
            "ExpiredObjectDeleteMarker": "ExpiredObjectDeleteMarker",
        }.items()
        if theirs in entries
    }
    if expiration:
        result["Expiration"] = expiration
    if transitions := entries.pop("Transitions", None):
        result["Transitions"] = [
            {_TRANSITION_DAYS.get(key, key): value for key, value in transition.items()}
            for transition in transitions
        ]
    if noncurrent := entries.pop("NoncurrentVersionTransitions", None):
        result["NoncurrentVersionTransitions"] = [
            {
                "NoncurrentDays" if key == "TransitionInDays" else key: value
                for key, value in transition.items()
            }
            for transition in noncurrent
        ]
    result["Filter"] = _lifecycle_filter(entries)
    numbered: dict[str, Any] = with_numbers({**result, **entries}, _NUMBERS)
    return numbered


def _lifecycle_filter(entries: dict[str, Any]) -> dict[str, Any]:
    """Move a rule's conditions out of its entries into one filter."""
    conditions: dict[str, Any] = {
        key: entries.pop(key)
        for key in ("Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan")
        if key in entries
    }
    tags = entries.pop("TagFilters", [])
    if len(conditions) + len(tags) > 1:
        return {"And": {**conditions, **({"Tags": tags} if tags else {})}}
    if tags:
        return {"Tag": tags[0]}
    return conditions or {"Prefix": ""}


def put_bucket_policy(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Set the part of a bucket's policy that moto can judge.

    moto takes a statement whose condition it cannot evaluate for a refusal, of whatever effect it
    is: a TLS-only policy locks everyone out. Such statements are left out and reported.
    """
    bucket = properties.text("Bucket")
    document = properties.require("PolicyDocument")
    kept = []
    for index, statement in enumerate(_statements(document)):
        if "Condition" in statement:
            properties.report(f"PolicyDocument.{statement.get('Sid', f'Statement[{index}]')}")
        else:
            kept.append(statement)
    if kept:
        policy = json_text({**document, "Statement": kept})
        stack.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)
    return PhysicalResource(stack.physical_name(logical_id))


def _statements(document: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    statements = document["Statement"]
    return [statements] if isinstance(statements, Mapping) else statements


HANDLERS: Final[Mapping[str, Handler]] = {
    "AWS::S3::Bucket": put_bucket,
    "AWS::S3::BucketPolicy": put_bucket_policy,
}
