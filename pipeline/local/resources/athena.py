"""AWS::Athena."""

from typing import Final

from botocore.exceptions import ClientError

from pipeline.local.intrinsics import PhysicalResource
from pipeline.local.resources.handler import Handler, Properties, Stack, with_numbers

_NO_MEANING: Final = {
    "RecursiveDeleteOption": "the local run deletes no workgroup",
    "Tags": "nobody asks for the tags of a workgroup",
}


def put_workgroup(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Create a workgroup or set its configuration."""
    client = stack.client("athena")
    properties.without_meaning(_NO_MEANING)
    name = properties.take("Name") or stack.physical_name(logical_id, 128)
    description = str(properties.take("Description") or "")
    configuration = with_numbers(
        properties.take("WorkGroupConfiguration") or {}, frozenset({"BytesScannedCutoffPerQuery"})
    )
    try:
        client.get_work_group(WorkGroup=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidRequestException":
            raise
        client.create_work_group(Name=name, Configuration=configuration, Description=description)
    else:
        client.update_work_group(
            WorkGroup=name,
            Description=description,
            ConfigurationUpdates=_updates(configuration),
        )
    return PhysicalResource(name)


def _updates(configuration: dict[str, object]) -> dict[str, object]:
    """Rename the one entry that an update calls differently."""
    updates = dict(configuration)
    if "ResultConfiguration" in updates:
        updates["ResultConfigurationUpdates"] = updates.pop("ResultConfiguration")
    return updates


HANDLERS: Final[dict[str, Handler]] = {"AWS::Athena::WorkGroup": put_workgroup}
