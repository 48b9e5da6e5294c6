"""The tables and views of a Glue catalog, and the objects that lie in a table's partitions."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from botocore.exceptions import ClientError

from pipeline.local.athena.errors import QueryFailedError
from pipeline.local.athena.projection import is_projected, location_pattern, permits

CATALOG: Final = "awsdatacatalog"
_VIEW: Final = ("/* Presto View: ", " */")


@dataclass(frozen=True, slots=True)
class Column:
    """A column and its type in Hive's words."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Stored:
    """An object of a table: where it lies, how large it is, and its partition's values."""

    bucket: str
    key: str
    etag: str
    size_bytes: int
    values: tuple[str, ...]

    @property
    def uri(self) -> str:
        """What `"$path"` says of it."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns without and its keys, where and how its rows are stored."""

    database: str
    name: str
    columns: tuple[Column, ...]
    keys: tuple[Column, ...]
    location: str
    is_parquet: bool
    parameters: Mapping[str, str]

    @property
    def bucket(self) -> str:
        """The bucket of its location."""
        return urlsplit(self.location).netloc

    @property
    def prefix(self) -> str:
        """The prefix of its objects, with its slash."""
        return urlsplit(self.location).path.strip("/") + "/"


@dataclass(frozen=True, slots=True)
class View:
    """A view: the statement behind it, and the database that its names are looked up in."""

    database: str
    sql: str


class Catalog:
    """The Glue data catalog, and the S3 that its tables point to.

    Args:
        glue: boto3's client of Glue.
        s3: boto3's client of S3.
    """

    def __init__(self, glue: Any, s3: Any) -> None:  # noqa: ANN401  boto3 clients have no common type
        self._glue = glue
        self._s3 = s3

    def find(self, database: str, name: str) -> Table | View:
        """Look a table or view up.

        Raises:
            QueryFailedError: There is none, or its rows are stored in a form unknown here.
        """
        try:
            entry = self._glue.get_table(DatabaseName=database, Name=name)["Table"]
        except ClientError as error:
            full = f"{CATALOG}.{database}.{name}"
            raise QueryFailedError(f"TABLE_NOT_FOUND: Table '{full}' does not exist") from error
        if entry.get("TableType") == "VIRTUAL_VIEW":
            return View(database, _view_sql(name, entry.get("ViewOriginalText", "")))
        return _table(database, entry)

    def objects(self, table: Table, now: datetime) -> Iterator[Stored]:
        """Yield the objects of a table, those that its partitions do not cover left out."""
        if not table.keys:
            yield from self._list(table.bucket, table.prefix, ())
        elif is_projected(table.parameters):
            yield from self._projected(table, now)
        else:
            pages = self._glue.get_paginator("get_partitions").paginate(
                DatabaseName=table.database, TableName=table.name
            )
            for page in pages:
                for partition in page["Partitions"]:
                    where = urlsplit(partition["StorageDescriptor"]["Location"])
                    prefix = where.path.strip("/") + "/"
                    yield from self._list(where.netloc, prefix, tuple(partition["Values"]))

    def _projected(self, table: Table, now: datetime) -> Iterator[Stored]:
        names = [key.name for key in table.keys]
        pattern = location_pattern(table.location, names, table.parameters)
        known: dict[tuple[str, ...], bool] = {}
        for stored in self._list(table.bucket, table.prefix, ()):
            if not (found := pattern.match(stored.uri)):
                continue
            values = tuple(unquote(found[name]) for name in names)
            if values not in known:
                known[values] = all(
                    permits(table.parameters, name, value, now)
                    for name, value in zip(names, values, strict=True)
                )
            if known[values]:
                yield Stored(stored.bucket, stored.key, stored.etag, stored.size_bytes, values)

    def _list(self, bucket: str, prefix: str, values: tuple[str, ...]) -> Iterator[Stored]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            for entry in page.get("Contents", []):
                name = entry["Key"].rpartition("/")[2]
                if name and not name.startswith(("_", ".")):  # Hive takes these for hidden
                    yield Stored(bucket, entry["Key"], entry["ETag"], entry["Size"], values)


def _table(database: str, entry: Mapping[str, Any]) -> Table:
    stored = entry["StorageDescriptor"]
    form = stored.get("InputFormat", "")
    library = stored.get("SerdeInfo", {}).get("SerializationLibrary", "")
    is_parquet = "Parquet" in form
    if not is_parquet and not library.endswith("LazySimpleSerDe"):
        raise QueryFailedError(
            f"NOT_SUPPORTED: the local Athena reads Parquet and text lines, not {library or form}"
        )
    return Table(
        database,
        entry["Name"],
        _columns(stored["Columns"]),
        _columns(entry.get("PartitionKeys", [])),
        stored["Location"],
        is_parquet,
        entry.get("Parameters", {}),
    )


def _columns(entries: Sequence[Mapping[str, str]]) -> tuple[Column, ...]:
    return tuple(Column(entry["Name"].lower(), entry["Type"].lower()) for entry in entries)


def _view_sql(name: str, text: str) -> str:
    """Unpack what Athena itself writes when it creates a view."""
    head, tail = _VIEW
    try:
        packed = base64.b64decode(text.removeprefix(head).removesuffix(tail), validate=True)
        sql: str = json.loads(packed)["originalSql"]
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise QueryFailedError(f"INVALID_VIEW: View '{name}' is not in Presto's form") from error
    return sql
