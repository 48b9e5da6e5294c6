"""AWS::SSM."""

from collections.abc import Mapping
from typing import Final

from pipeline.local.intrinsics import PhysicalResource
from pipeline.local.resources.handler import Handler, Properties, Stack


def put_parameter(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Set a parameter; an unchanged value makes no new version."""
    client = stack.client("ssm")
    name = properties.take("Name") or stack.physical_name(logical_id)
    kind = properties.text("Type")
    value = properties.text("Value")
    settings = properties.pick("AllowedPattern", "DataType", "Description", "Tier")
    try:
        existing = client.get_parameter(Name=name)["Parameter"]
    except client.exceptions.ParameterNotFound:
        existing = {}
    if (existing.get("Type"), existing.get("Value")) != (kind, value):
        client.put_parameter(Name=name, Type=kind, Value=value, Overwrite=True, **settings)
    if tags := properties.tags():
        client.add_tags_to_resource(ResourceType="Parameter", ResourceId=name, Tags=tags)
    return PhysicalResource(name, {"Type": kind, "Value": value})


HANDLERS: Final[Mapping[str, Handler]] = {"AWS::SSM::Parameter": put_parameter}
