"""AWS::Glue."""

from typing import Final

from pipeline.local.intrinsics import PhysicalResource
from pipeline.local.resources.handler import Handler, Properties, Stack

_NO_MEANING: Final = {"CatalogId": "the endpoint has one account, and it one catalog"}


def put_database(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Create a database or change its description."""
    client = stack.client("glue")
    properties.without_meaning(_NO_MEANING)
    described = dict(properties.require("DatabaseInput"))
    name = described.setdefault("Name", stack.physical_name(logical_id).lower())
    try:
        client.get_database(Name=name)
    except client.exceptions.EntityNotFoundException:
        client.create_database(DatabaseInput=described)
    else:
        client.update_database(Name=name, DatabaseInput=described)
    return PhysicalResource(name)


def put_table(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Create a table or view, or set what it is made of."""
    client = stack.client("glue")
    properties.without_meaning(_NO_MEANING)
    database = properties.text("DatabaseName")
    described = dict(properties.require("TableInput"))
    name = described.setdefault("Name", stack.physical_name(logical_id).lower())
    try:
        client.get_table(DatabaseName=database, Name=name)
    except client.exceptions.EntityNotFoundException:
        client.create_table(DatabaseName=database, TableInput=described)
    else:
        client.update_table(DatabaseName=database, TableInput=described)
    return PhysicalResource(name)


HANDLERS: Final[dict[str, Handler]] = {
    "AWS::Glue::Database": put_database,
    "AWS::Glue::Table": put_table,
}
