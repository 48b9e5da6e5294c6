"""Runs a statement: objects to a folder, DuckDB over the folder, new objects back to the bucket."""

import tempfile
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import duckdb
from sqlglot import exp

from pipeline.local.athena.catalog import Catalog, Stored, Table
from pipeline.local.athena.errors import QueryCancelledError, QueryFailedError
from pipeline.local.athena.statement import Scan, plan
from pipeline.local.athena.values import athena_type, duckdb_type, text

MAX_OPEN_PARTITIONS: Final = 100
"""Partitions that one statement may write. Source: Amazon Athena User Guide, "Considerations and
limitations for CTAS and INSERT INTO"."""

_MAX_LINE_BYTES: Final = 16 * 1024 * 1024
_PATHS: Final = "_paths"


class Outcome(NamedTuple):
    """What came of a statement; an INSERT has no columns but a count."""

    columns: Sequence[tuple[str, str, int, int]]
    rows: Sequence[Sequence[str | None]]
    scanned_bytes: int
    update_count: int | None = None
    manifest: Sequence[str] = ()


class Engine:
    """Runs statements, each on a connection and in a folder of its own.

    Args:
        catalog: Where names are looked up.
        s3: boto3's client of S3.
        now: The clock that `NOW` of a partition projection means.
    """

    def __init__(self, catalog: Catalog, s3: Any, now: Callable[[], datetime]) -> None:  # noqa: ANN401  boto3 clients have no common type
        self._catalog = catalog
        self._s3 = s3
        self._now = now

    def run(
        self,
        tree: exp.Expr,
        database: str,
        max_scanned_bytes: int | None,
        running: Callable[[duckdb.DuckDBPyConnection], AbstractContextManager[None]],
    ) -> Outcome:
        """Run a statement to its end.

        Args:
            tree: What `statement.parse` gave.
            database: Where names without a database are looked up.
            max_scanned_bytes: More than that is not read.
            running: Gets the connection, by which the statement can be interrupted until it leaves.

        Raises:
            QueryFailedError: It cannot be run.
            QueryCancelledError: It was interrupted, or would have read too much.
        """
        planned = plan(tree, database, self._catalog.find)
        with (
            tempfile.TemporaryDirectory() as folder,
            duckdb.connect() as connection,
            running(connection),
        ):
            connection.execute("SET TimeZone = 'UTC'")
            try:
                chosen = [(scan, self._chosen(connection, scan)) for scan in planned.scans]
                objects = {one.uri: one for _, found in chosen for one in found}
                scanned = sum(one.size_bytes for one in objects.values())
                if max_scanned_bytes is not None and scanned > max_scanned_bytes:
                    raise QueryCancelledError("Query cancelled! : Bytes scanned limit was exceeded")
                local = self._fetched(Path(folder), objects)
                _lock(connection, folder)
                for scan, found in chosen:
                    _make_view(connection, scan, {local[one.uri]: one for one in found})
                if planned.target is not None:
                    return self._insert(
                        connection, planned.sql, planned.target, Path(folder), scanned
                    )
                return _select(connection, planned.sql, scanned)
            except duckdb.InterruptException as error:
                raise QueryCancelledError("Query was cancelled") from error
            except duckdb.Error as error:
                raise QueryFailedError(_reason(error)) from error

    def _chosen(self, connection: duckdb.DuckDBPyConnection, scan: Scan) -> list[Stored]:
        """Return the objects of the partitions that the statement's conditions leave."""
        found = list(self._catalog.objects(scan.table, self._now()))
        if not scan.conditions or not found:
            return found
        names = [key.name for key in scan.table.keys]
        types = ", ".join(f'"{key.name}" {duckdb_type(key.type)}' for key in scan.table.keys)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE _partitions ({types})")
        partitions = sorted({one.values for one in found})
        marks = ", ".join("?" * len(names))
        insert = f"INSERT INTO _partitions VALUES ({marks})"  # noqa: S608  marks alone
        connection.executemany(insert, partitions)
        where = " AND ".join(f"({condition})" for condition in scan.conditions)
        listed = ", ".join(f'CAST("{name}" AS VARCHAR)' for name in names)
        left = set(
            connection.execute(f"SELECT {listed} FROM _partitions WHERE {where}").fetchall()  # noqa: S608  names of the catalog, conditions of the statement
        )
        return [one for one in found if one.values in left]

    def _fetched(self, folder: Path, objects: dict[str, Stored]) -> dict[str, str]:
        """Copy objects into the folder; the same objects by the paths of their copies."""
        paths = {}
        for number, (uri, one) in enumerate(sorted(objects.items())):
            # DuckDB sees by the ending whether a text is compressed, as Athena does.
            path = folder / f"{number}{''.join(Path(one.key).suffixes[-2:])}"
            self._s3.download_file(one.bucket, one.key, str(path))
            paths[uri] = str(path)
        return paths

    def _insert(
        self,
        connection: duckdb.DuckDBPyConnection,
        sql: str,
        target: Table,
        folder: Path,
        scanned: int,
    ) -> Outcome:
        """Add rows to a table as Parquet objects below its location."""
        if not target.is_parquet:
            raise QueryFailedError("NOT_SUPPORTED: the local Athena writes Parquet alone")
        wanted = [*target.columns, *target.keys]
        connection.execute(f"CREATE TEMP TABLE _made AS {sql}")
        made = connection.execute("DESCRIBE _made").fetchall()
        _check_types([row[1] for row in made], [duckdb_type(column.type) for column in wanted])
        names = [f'"{row[0]}" AS "{column.name}"' for row, column in zip(made, wanted, strict=True)]
        keys = [f'"{row[0]}"' for row in made[len(target.columns) :]]
        (count,) = connection.execute("SELECT count(*) FROM _made").fetchone() or (0,)
        uris: list[str] = []
        for values in _partitions(connection, keys):
            path = folder / "made.parquet"
            where = (
                " AND ".join(f"CAST({key} AS VARCHAR) IS NOT DISTINCT FROM ?" for key in keys)
                or "true"
            )
            columns = ", ".join(names[: len(target.columns)])
            connection.execute(
                f"COPY (SELECT {columns} FROM _made WHERE {where}) TO '{path}' (FORMAT parquet)",  # noqa: S608  names of the catalog
                list(values),
            )
            place = "".join(
                f"{key.name}={quote(str(value), safe='-_. ')}/"
                for key, value in zip(target.keys, values, strict=True)
            )
            key = f"{target.prefix}{place}{uuid.uuid4()}"
            self._s3.upload_file(str(path), target.bucket, key)
            uris.append(f"s3://{target.bucket}/{key}")
        return Outcome((), (), scanned, count, uris)


def _partitions(
    connection: duckdb.DuckDBPyConnection, keys: Sequence[str]
) -> list[tuple[Any, ...]]:
    """Return the values of the partitions to write: none for no rows, one without keys."""
    listed = ", ".join(f"CAST({key} AS VARCHAR)" for key in keys) or "1"
    found = connection.execute(f"SELECT DISTINCT {listed} FROM _made ORDER BY ALL").fetchall()  # noqa: S608  names of the statement
    if len(found) > MAX_OPEN_PARTITIONS:
        raise QueryFailedError(
            "HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of "
            f"{MAX_OPEN_PARTITIONS} open writers for partitions/buckets"
        )
    return found if keys else [()] * len(found)


def _check_types(made: Sequence[str], wanted: Sequence[str]) -> None:
    if [_comparable(kind) for kind in made] != [_comparable(kind) for kind in wanted]:
        raise QueryFailedError(
            "TYPE_MISMATCH: Insert query has mismatched column types: "
            f"Table: [{', '.join(wanted).lower()}], Query: [{', '.join(made).lower()}]"
        )


def _comparable(kind: str) -> str:
    return kind.replace(" ", "").replace("JSON", "VARCHAR")


def _select(connection: duckdb.DuckDBPyConnection, sql: str, scanned: int) -> Outcome:
    relation = connection.execute(sql)
    described = relation.description or []
    rows = [[text(value) for value in row] for row in relation.fetchall()]
    columns = [(str(item[0]), *athena_type(str(item[1]))) for item in described]
    return Outcome(columns, rows, scanned)


def _lock(connection: duckdb.DuckDBPyConnection, folder: str) -> None:
    """Let the statement reach the folder and nothing else of this machine."""
    connection.execute(f"SET allowed_directories = ['{folder}']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _make_view(
    connection: duckdb.DuckDBPyConnection, scan: Scan, objects: dict[str, Stored]
) -> None:
    """Make the rows of some objects readable under the scan's name."""
    table = scan.table
    columns = [*table.columns, *table.keys]
    if not objects:
        nulls = ", ".join(
            f'CAST(NULL AS {duckdb_type(column.type)}) AS "{column.name}"' for column in columns
        )
        connection.execute(
            f"CREATE TEMP VIEW {scan.name} AS SELECT {nulls}, '' AS \"$path\" WHERE false"
        )
        return
    paths = f"{scan.name}{_PATHS}"
    keys = ", ".join(f'"{key.name}" {duckdb_type(key.type)}' for key in table.keys)
    connection.execute(
        f'CREATE TEMP TABLE {paths} (_file VARCHAR, "$path" VARCHAR{", " if keys else ""}{keys})'
    )
    marks = ", ".join("?" * (2 + len(table.keys)))
    connection.executemany(
        f"INSERT INTO {paths} VALUES ({marks})",  # noqa: S608  our own names
        [[path, one.uri, *one.values] for path, one in objects.items()],
    )
    listed = ", ".join(f"'{path}'" for path in sorted(objects))
    if table.is_parquet:
        source = f"read_parquet([{listed}], filename = '_file', union_by_name = true)"
    elif len(table.columns) > 1:
        raise QueryFailedError("NOT_SUPPORTED: the local Athena reads text as one column")
    else:
        column = table.columns[0]
        source = (
            f"read_csv([{listed}], columns = {{'{column.name}': 'VARCHAR'}}, delim = '\\x01', "
            "header = false, quote = '', escape = '', filename = '_file', auto_detect = false, "
            f"max_line_size = {_MAX_LINE_BYTES})"
        )
    own = ", ".join(f'r."{column.name}"' for column in table.columns)
    others = "".join(f', p."{key.name}"' for key in table.keys)
    connection.execute(
        f"CREATE TEMP VIEW {scan.name} AS "  # noqa: S608  names of the catalog, our own paths
        f'SELECT {own}{others}, p."$path" FROM {source} r JOIN {paths} p USING (_file)'
    )


def _reason(error: duckdb.Error) -> str:
    """Say in Athena's form what DuckDB found wrong; the words after the code are DuckDB's."""
    message = str(error).splitlines()[0]
    if isinstance(error, duckdb.BinderException) and "column" in message.lower():
        return f"COLUMN_NOT_FOUND: {message}"
    if isinstance(error, duckdb.BinderException | duckdb.CatalogException | duckdb.ParserException):
        return f"SYNTAX_ERROR: {message}"
    if isinstance(error, duckdb.ConversionException):
        return f"INVALID_CAST_ARGUMENT: {message}"
    return f"GENERIC_USER_ERROR: {message}"
