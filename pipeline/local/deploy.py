"""Bring up a SAM template on an endpoint."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.local.deployment import Deployment
from pipeline.local.endpoint import Endpoint
from pipeline.local.intrinsics import PhysicalResource, Resolver, TemplateError
from pipeline.local.resources.handler import DeployError, Properties, Stack
from pipeline.local.resources.registry import HANDLERS
from pipeline.local.translate import translate

_REF_IS_ARN: Final = {
    "AWS::CertificateManager::Certificate",
    "AWS::CloudFormation::Stack",
    "AWS::ECS::Service",
    "AWS::ECS::TaskDefinition",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::TargetGroup",
    "AWS::Lambda::LayerVersion",
    "AWS::SecretsManager::Secret",
    "AWS::StepFunctions::Activity",
    "AWS::StepFunctions::StateMachine",
}
"""Types whose `Ref` is an ARN, as policies need it. Source: CloudFormation template reference."""


def deploy(
    template: Path,
    endpoint: Endpoint,
    *,
    stack_name: str,
    parameters: Mapping[str, str],
    on_services: Callable[[frozenset[str]], None] | None = None,
    packages: Mapping[str, Path] | None = None,
) -> Deployment:
    """Bring an endpoint to what a template says; a second time changes nothing.

    Resources that the template no longer has are left alone.

    Args:
        template: The SAM or CloudFormation template file.
        endpoint: A started endpoint.
        stack_name: Begins the name of every resource that the template does not name.
        parameters: Values that replace the template's defaults.
        on_services: Called before the first resource with the services that the template has
            resources of or whose actions its policies name, by the prefix of those.
        packages: Code directories in place of the template's, by logical id.

    Raises:
        TemplateError: The template is wrong, or asks for what the local run cannot do.
        DeployError: The endpoint refused a resource.
        EndpointError: The endpoint does not answer.
    """
    translation = translate(template, parameters, region=endpoint.region)
    code_directories = {**translation.code_directories, **(packages or {})}
    stack = _stack(stack_name, endpoint, code_directories)
    resolver = Resolver(translation.template, translation.parameters, _pseudo_parameters(stack))
    resources = _existing_resources(translation.template, resolver)
    if on_services is not None:
        on_services(frozenset(_services(resources)))
    unhandled: dict[str, str] = {}
    ignored: dict[str, tuple[str, ...]] = {}
    for logical_id in _creation_order(resources, resolver):
        kind = str(resources[logical_id].get("Type"))
        place = f"Resources.{logical_id}.Properties"
        values = resolver.resolve(resources[logical_id].get("Properties") or {}, place)
        properties = Properties(values, place)
        created = _create(stack, logical_id, kind, properties)
        if created is None:
            unhandled[logical_id] = kind
            created = _stand_in(stack, logical_id, kind)
        elif properties.ignored():
            ignored[logical_id] = properties.ignored()
        resolver.resources[logical_id] = created
    return Deployment(
        functions=stack.functions,
        mappings=tuple(stack.mappings),
        physical_ids={
            logical_id: resource.physical_id
            for logical_id, resource in resolver.resources.items()
            if logical_id not in unhandled
        },
        outputs=_outputs(translation.template, resolver),
        unhandled=unhandled,
        ignored_properties=ignored,
        queue_mappings=tuple(stack.queue_mappings),
        routes=stack.routes,
    )


def _stack(name: str, endpoint: Endpoint, code_directories: Mapping[str, Path]) -> Stack:
    partition = _partition(endpoint.region)
    identity = f"{partition}:cloudformation:{endpoint.region}:{endpoint.account_id}:stack/{name}"
    return Stack(
        name=name,
        stack_id=f"arn:{identity}/{uuid.uuid5(uuid.NAMESPACE_URL, identity)}",
        endpoint=endpoint,
        region=endpoint.region,
        account_id=endpoint.account_id,
        partition=partition,
        code_directories=code_directories,
    )


def _partition(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _pseudo_parameters(stack: Stack) -> dict[str, str]:
    return {
        "AWS::AccountId": stack.account_id,
        "AWS::Partition": stack.partition,
        "AWS::Region": stack.region,
        "AWS::StackId": stack.stack_id,
        "AWS::StackName": stack.name,
        "AWS::URLSuffix": "amazonaws.com.cn" if stack.partition == "aws-cn" else "amazonaws.com",
    }


def _existing_resources(
    template: Mapping[str, Any], resolver: Resolver
) -> dict[str, Mapping[str, Any]]:
    """Give the resources whose condition, if any, holds."""
    return {
        logical_id: resource
        for logical_id, resource in template["Resources"].items()
        if "Condition" not in resource
        or resolver.holds(resource["Condition"], f"Resources.{logical_id}.Condition")
    }


def _creation_order(
    resources: Mapping[str, Mapping[str, Any]], resolver: Resolver
) -> tuple[str, ...]:
    """Order resources so that each comes after all that it refers to.

    Raises:
        TemplateError: Some resources wait for each other.
    """
    graph: dict[str, set[str]] = {}
    for logical_id, resource in resources.items():
        place = f"Resources.{logical_id}.Properties"
        names = {*resolver.references(resource.get("Properties"), place), *_depends_on(resource)}
        graph[logical_id] = {name for name in sorted(names) if name in resources}
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        # The sorter names them in the order of creation: each waits for the one before it.
        cycle = " -> ".join(reversed(error.args[1]))
        raise TemplateError(f"these resources wait for each other: {cycle}") from error


def _depends_on(resource: Mapping[str, Any]) -> Iterable[str]:
    depends_on = resource.get("DependsOn") or []
    return [depends_on] if isinstance(depends_on, str) else depends_on


def _create(
    stack: Stack, logical_id: str, kind: str, properties: Properties
) -> PhysicalResource | None:
    """Let the type's handler do its work; `None` when nobody can."""
    handler = HANDLERS.get(kind)
    if handler is None:
        return None
    try:
        return handler(stack, logical_id, properties)
    except (BotoCoreError, ClientError) as error:
        raise DeployError(f"{logical_id} ({kind}): {error}") from error


def _services(resources: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for resource in resources.values():
        yield _service_of(str(resource.get("Type")))
        yield from _granted(resource.get("Properties"))


def _granted(value: Any) -> Iterator[str]:  # noqa: ANN401  a part of a template
    """Yield the services of all actions that policies in a part of a template name."""
    if isinstance(value, dict):
        actions = value.get("Action", [])
        for action in [actions] if isinstance(actions, str) else actions:
            if isinstance(action, str):
                yield action.partition(":")[0].lower()
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _granted(part)


class _StandInAttributes(dict[str, str]):
    """Attributes of a resource that is not there: an ARN for what is called one, else a name."""

    def __init__(self, name: str, arn: str) -> None:
        super().__init__()
        self._name = name
        self._arn = arn

    def __missing__(self, attribute: str) -> str:
        return self._arn if attribute.endswith("Arn") else f"{self._name}-{attribute}".lower()


def _stand_in(stack: Stack, logical_id: str, kind: str) -> PhysicalResource:
    """Answer for an unhandled resource, so that what refers to it can still be brought up."""
    name = stack.physical_name(logical_id)
    arn = stack.arn(_service_of(kind), name)
    return PhysicalResource(arn if kind in _REF_IS_ARN else name, _StandInAttributes(name, arn))


def _service_of(kind: str) -> str:
    """Return the service of a resource type, such as `sqs` of `AWS::SQS::Queue`."""
    return kind.split("::")[1].lower() if kind.count("::") > 1 else "custom"


def _outputs(template: Mapping[str, Any], resolver: Resolver) -> dict[str, str]:
    outputs: dict[str, str] = {}
    for name, output in (template.get("Outputs") or {}).items():
        place = f"Outputs.{name}"
        if "Condition" in output and not resolver.holds(output["Condition"], place):
            continue
        outputs[name] = str(resolver.resolve(output["Value"], f"{place}.Value"))
    return outputs
