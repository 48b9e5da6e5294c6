"""Looks up in moto's memory what the guard wants to know of a table."""

from moto.dynamodb.models import dynamodb_backends

from pipeline.local.server.guard_rules import TableKeys


def table_keys(table_name: str) -> TableKeys | None:
    """Return the keys of a table of any account and region, named or by its ARN."""
    name = table_name.rpartition("/")[2]
    for account in list(dynamodb_backends.values()):
        for backend in list(account.values()):
            table = backend.tables.get(name)
            if table is not None:
                kinds = {one["AttributeName"]: one["AttributeType"] for one in table.attr}
                return TableKeys(
                    {key: kinds[key] for key in table.table_key_attrs},
                    table.hash_key_attr,
                    {
                        index.name: {
                            key["AttributeName"]: kinds[key["AttributeName"]]
                            for key in index.schema
                        }
                        for index in (*table.global_indexes, *table.indexes)
                    },
                )
    return None
