"""AWS::CodeDeploy; the local run has one version of a function, so nothing moves between two."""

from collections.abc import Mapping
from typing import Final

from pipeline.local.intrinsics import PhysicalResource
from pipeline.local.resources.handler import Handler, Properties, Stack

_NO_MEANING: Final = {
    "AlarmConfiguration": "the local run evaluates no alarm",
    "AutoRollbackConfiguration": "there is no version to go back to",
    "ComputePlatform": "functions are all that the local run has",
    "DeploymentConfigName": "the alias means the one version of the code",
    "DeploymentStyle": "the alias means the one version of the code",
    "Tags": "nothing is billed",
}


def put_application(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Answer for an application."""
    properties.without_meaning(_NO_MEANING)
    return PhysicalResource(properties.take("ApplicationName") or stack.physical_name(logical_id))


def put_deployment_group(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Answer for a deployment group."""
    properties.without_meaning(_NO_MEANING)
    properties.text("ApplicationName")
    properties.text("ServiceRoleArn")
    name = properties.take("DeploymentGroupName") or stack.physical_name(logical_id)
    return PhysicalResource(name)


HANDLERS: Final[Mapping[str, Handler]] = {
    "AWS::CodeDeploy::Application": put_application,
    "AWS::CodeDeploy::DeploymentGroup": put_deployment_group,
}
