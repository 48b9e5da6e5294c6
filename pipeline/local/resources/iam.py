"""AWS::IAM; the endpoint keeps roles and policies and does not judge by them."""

from collections.abc import Mapping
from typing import Any, Final

from pipeline.local.intrinsics import PhysicalResource
from pipeline.local.resources.handler import Handler, Properties, Stack, json_text

_MANAGED_BY_AWS: Final = ":iam::aws:policy/"


def put_role(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Create a role or set its trust policy, and set its inline policies."""
    client = stack.client("iam")
    name = properties.take("RoleName") or stack.physical_name(logical_id, 64)
    trust = json_text(properties.require("AssumeRolePolicyDocument"))
    settings: dict[str, Any] = properties.pick("Description", "Path", "PermissionsBoundary")
    if "MaxSessionDuration" in (duration := properties.pick("MaxSessionDuration")):
        settings["MaxSessionDuration"] = int(duration["MaxSessionDuration"])
    try:
        role = client.get_role(RoleName=name)["Role"]
    except client.exceptions.NoSuchEntityException:
        role = client.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **settings)["Role"]
    else:
        client.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
    for policy in properties.take("Policies") or []:
        client.put_role_policy(
            RoleName=name,
            PolicyName=policy["PolicyName"],
            PolicyDocument=_document(policy["PolicyDocument"]),
        )
    for arn in properties.take("ManagedPolicyArns") or []:
        # moto knows the policies of AWS only when told to load them all, which takes seconds.
        if _MANAGED_BY_AWS in arn:
            properties.report(f"ManagedPolicyArns.{arn.rsplit('/', 1)[-1]}")
        else:
            client.attach_role_policy(RoleName=name, PolicyArn=arn)
    if tags := properties.tags():
        client.tag_role(RoleName=name, Tags=tags)
    return PhysicalResource(name, {"Arn": role["Arn"], "RoleId": role["RoleId"]})


def put_policy(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Set an inline policy of roles."""
    client = stack.client("iam")
    name = properties.text("PolicyName")
    document = _document(properties.require("PolicyDocument"))
    for role in properties.take("Roles") or []:
        client.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)
    return PhysicalResource(stack.physical_name(logical_id))


def put_managed_policy(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Create a managed policy, or a new version of it, and attach it to roles."""
    client = stack.client("iam")
    name = properties.take("ManagedPolicyName") or stack.physical_name(logical_id, 128)
    document = properties.require("PolicyDocument")
    path = properties.take("Path", "/")
    arn = f"arn:{stack.partition}:iam::{stack.account_id}:policy{path}{name}"
    settings = properties.pick("Description")
    try:
        version = client.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    except client.exceptions.NoSuchEntityException:
        client.create_policy(
            PolicyName=name, Path=path, PolicyDocument=json_text(document), **settings
        )
    else:
        existing = client.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
        if existing["Document"] != document:
            client.create_policy_version(
                PolicyArn=arn, PolicyDocument=json_text(document), SetAsDefault=True
            )
            client.delete_policy_version(PolicyArn=arn, VersionId=version)
    for role in properties.take("Roles") or []:
        client.attach_role_policy(RoleName=role, PolicyArn=arn)
    return PhysicalResource(arn, {"PolicyArn": arn})


def _document(policy: Any) -> str:  # noqa: ANN401 - whatever the template's author wrote
    """Write an inline policy; one without a version gets it, since moto asks for it and AWS not.

    SAM writes such policies for on-failure destinations. Source: IAM User Guide, "IAM JSON policy
    elements: Version": AWS takes 2008-10-17, which differs in policy variables alone.
    """
    return json_text({"Version": "2012-10-17", **policy} if isinstance(policy, dict) else policy)


HANDLERS: Final[Mapping[str, Handler]] = {
    "AWS::IAM::ManagedPolicy": put_managed_policy,
    "AWS::IAM::Policy": put_policy,
    "AWS::IAM::Role": put_role,
}
