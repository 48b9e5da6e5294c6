"""The role that CloudFormation changes the stack with: what the resource types need, and no more.

Source: the permissions of the handlers in CloudFormation's resource provider schemas, which
cfn-lint ships. They name all that a type can do; what the template has no use for is listed here.
"""

import json
import re
from typing import Any, Final

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER  # type: ignore[import-untyped]  # it has no types

from pipeline.local.translate import load_template
from tests.template import model

BOOTSTRAP: Final = model.ROOT / ".github" / "bootstrap.yaml"

UNUSED: Final[dict[str, str]] = {
    "functions without network, layers, code signing, provisioned or managed capacity": """
        ec2:DescribeNetworkInterfaces ec2:DescribeSecurityGroups ec2:DescribeSubnets
        ec2:DescribeVpcs elasticfilesystem:DescribeMountTargets s3files:ListMountTargets
        lambda:AssociateRuntimeAlias lambda:DeleteFunctionCodeSigningConfig
        lambda:DeleteProvisionedConcurrencyConfig lambda:GetCodeSigningConfig
        lambda:GetLayerVersion lambda:PassCapacityProvider lambda:PutFunctionCodeSigningConfig
        lambda:PutFunctionScalingConfig lambda:PutProvisionedConcurrencyConfig""",
    "tables in one region, filled by nobody but functions, without policies of their own": """
        dynamodb:AssociateTableReplica dynamodb:BatchWriteItem dynamodb:CreateTableReplica
        dynamodb:DeleteItem dynamodb:DeleteResourcePolicy dynamodb:DescribeImport
        dynamodb:DisableKinesisStreamingDestination dynamodb:EnableKinesisStreamingDestination
        dynamodb:GetItem dynamodb:ImportTable dynamodb:PutItem dynamodb:PutResourcePolicy
        dynamodb:Query dynamodb:Scan dynamodb:UpdateContributorInsights dynamodb:UpdateItem
        dynamodb:UpdateKinesisStreamingDestination iam:CreateServiceLinkedRole kinesis:PutRecords
        logs:CreateLogStream logs:DescribeLogStreams logs:PutLogEvents s3:GetObjectMetadata""",
    "buckets without sites, replicas, inventories, metadata tables, locks or lists of rights": """
        s3:CreateBucketMetadataTableConfiguration s3:DeleteBucketAnalyticsConfiguration
        s3:DeleteBucketCors s3:DeleteBucketMetadataTableConfiguration
        s3:DeleteBucketMetricsConfiguration s3:DeleteBucketReplication s3:DeleteBucketWebsite
        s3:DeleteObject s3:PutAccelerateConfiguration s3:PutAnalyticsConfiguration
        s3:PutBucketAbac s3:PutBucketAcl s3:PutBucketCORS s3:PutBucketObjectLockConfiguration
        s3:PutBucketReplication s3:PutBucketWebsite s3:PutIntelligentTieringConfiguration
        s3:PutInventoryConfiguration s3:PutMetricsConfiguration s3:PutObjectAcl
        s3:PutObjectLockConfiguration s3:PutReplicationConfiguration
        s3:UpdateBucketMetadataAnnotationTableConfiguration
        s3:UpdateBucketMetadataInventoryTableConfiguration
        s3:UpdateBucketMetadataJournalTableConfiguration s3tables:CreateNamespace
        s3tables:CreateTable s3tables:CreateTableBucket s3tables:GetTable
        s3tables:GetTableMetadataLocation s3tables:PutTableBucketPolicy
        s3tables:PutTableEncryption s3tables:PutTablePolicy s3tables:UpdateTableMetadataLocation""",
    "names of API operations, whose rights are s3:PutEncryptionConfiguration and its like": """
        s3:DeleteBucketEncryption s3:DeleteBucketLifecycle s3:REST.PUT.OBJECT""",
    "a catalog under IAM, not Lake Formation, of tables without connections or schema registry": """
        glue:CreateConnection glue:DeleteConnection glue:GetConnection glue:GetSchemaVersion
        glue:PassConnection glue:UpdateConnection lakeformation:CreateTable
        lakeformation:DescribeLakeFormationIdentityCenterConfiguration
        lakeformation:DescribeResource lakeformation:GetDataAccess lakeformation:ListResources""",
    "a workgroup of SQL, whose callers write the results with rights of their own": """
        s3:AbortMultipartUpload s3:ListBucketMultipartUploads s3:ListMultipartUploadParts
        s3:PutObject""",
    "a stream without shard metrics, larger records or warm throughput": """
        kinesis:DisableEnhancedMonitoring kinesis:EnableEnhancedMonitoring
        kinesis:UpdateMaxRecordSize kinesis:UpdateStreamRecordDistributionStrategy
        kinesis:UpdateStreamWarmThroughput""",
    "log groups without index, masking, delivery or policies": """
        firehose:TagDeliveryStream logs:CreateLogDelivery logs:DeleteIndexPolicy
        logs:DeleteResourcePolicy logs:PutBearerTokenAuthentication logs:PutDataProtectionPolicy
        logs:PutIndexPolicy logs:PutLogGroupDeletionProtection logs:PutResourcePolicy
        sns:PutDataProtectionPolicy""",
    "roles without managed policies or boundaries": """
        iam:AttachRolePolicy iam:DeleteRolePermissionsBoundary iam:DetachRolePolicy
        iam:PutRolePermissionsBoundary""",
    "deployments of functions, in no billing view": """
        billing:GetBillingViewData codedeploy:RegisterOnPremisesInstance""",
}

BESIDE_TYPES: Final = {"cloudformation:CreateChangeSet"}
"""Needed for the SAM transform. Source: CloudFormation User Guide, "AWS::Serverless transform"."""


def needed(kind: str) -> set[str]:
    """Return all actions of a resource type's handlers but the one that lists an account's."""
    handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema["handlers"]
    return {
        action
        for name, handler in handlers.items()
        if name != "list"
        for action in handler["permissions"]
    }


def policies() -> list[dict[str, Any]]:
    """Return the policies of the role."""
    role = load_template(BOOTSTRAP)["Resources"]["ChangeRole"]["Properties"]
    return [policy["PolicyDocument"] for policy in role["Policies"]]


def granted() -> set[str]:
    """Return the actions that the role may do."""
    return {
        action
        for policy in policies()
        for statement in policy["Statement"]
        for action in model.listed(statement["Action"])
    }


def unused() -> set[str]:
    """Return the actions of the types that the template has no use for."""
    return {action for actions in UNUSED.values() for action in actions.split()}


KINDS: Final = sorted({one["Type"] for one in model.expansion()["Resources"].values()})


@pytest.mark.parametrize("kind", KINDS)
def test_each_resource_type_of_the_stack_can_be_made_changed_and_removed(kind: str) -> None:
    missing = needed(kind) - unused() - granted()

    assert sorted(missing) == []


def test_the_role_may_do_no_more_than_the_resource_types_need() -> None:
    used = {action for kind in KINDS for action in needed(kind)}

    assert sorted(granted() - used - BESIDE_TYPES) == []
    assert sorted(unused() - used) == []
    assert sorted(unused() & granted()) == []


def test_roles_may_be_handed_to_the_services_that_take_them_in_the_template() -> None:
    takers = {
        service
        for role in model.resources("AWS::IAM::Role").values()
        for statement in role["AssumeRolePolicyDocument"]["Statement"]
        for service in model.listed(statement["Principal"]["Service"])
    }
    (handing,) = (
        statement
        for policy in policies()
        for statement in policy["Statement"]
        if statement["Action"] == "iam:PassRole"
    )

    assert set(handing["Condition"]["StringEquals"]["iam:PassedToService"]) == takers


def test_the_policies_fit_into_a_role() -> None:
    values = {
        "AWS::Partition": "aws",
        "AWS::Region": "eu-central-1",
        "AWS::AccountId": "123456789012",
        "Environment": "staging",
        "ArtefactBucket.Arn": "arn:aws:s3:::" + 63 * "b",
    }

    text = "".join(json.dumps(_resolved(one, values), separators=(",", ":")) for one in policies())

    assert len(text) <= 10_240  # Source: IAM User Guide, quotas: all inline policies of a role


def _resolved(value: Any, values: dict[str, str]) -> Any:  # noqa: ANN401  a part of a template
    match value:
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([^}]+)\}", lambda found: values[found[1]], text)
        case {"Ref": str(name)}:
            return values[name]
        case dict():
            return {key: _resolved(one, values) for key, one in value.items()}
        case list():
            return [_resolved(one, values) for one in value]
        case _:
            return value
