"""DuckDB's types and values in the words of Athena's results."""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

_NAMES: Final = {
    "BIGINT": "bigint",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "DOUBLE": "double",
    "FLOAT": "float",
    "HUGEINT": "bigint",  # what DuckDB makes of a sum of bigints, which Trino keeps a bigint
    "INTEGER": "integer",
    "SMALLINT": "smallint",
    "TIME": "time",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
    "TIMESTAMP_MS": "timestamp",
    "TINYINT": "tinyint",
    "VARCHAR": "varchar",
    "JSON": "varchar",
    "BLOB": "varbinary",
}
_HIVE: Final = {
    "string": "VARCHAR",
    "int": "INTEGER",
    "binary": "BLOB",
    "timestamp": "TIMESTAMP",
}


def athena_type(duckdb_type: str) -> tuple[str, int, int]:
    """Return a type's name, precision and scale as GetQueryResults gives them."""
    if found := re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", duckdb_type):
        return "decimal", int(found[1]), int(found[2])
    name = _NAMES.get(duckdb_type.upper(), duckdb_type.lower())
    # Source: GetQueryResults as recorded in Athena's API Reference; 2147483647 is a varchar's.
    precision = {"varchar": 2_147_483_647, "bigint": 19, "integer": 10, "double": 17}.get(name, 0)
    return name, precision, 0


def duckdb_type(hive_type: str) -> str:
    """Return what a column of a Glue table is in DuckDB."""
    return _HIVE.get(hive_type, hive_type.upper())


def text(value: Any) -> str | None:  # noqa: ANN401  whatever a query gives
    """Return a value as Athena writes it, None for NULL."""
    match value:
        case None:
            return None
        case bool():
            return str(value).lower()
        case float():
            return _double(value)
        case Decimal():
            return f"{value:f}"
        case datetime():
            zone = " UTC" if value.tzinfo else ""
            return value.isoformat(" ", "milliseconds").removesuffix("+00:00") + zone
        case bytes():
            return value.hex(" ")
        case list():
            return f"[{', '.join(str(text(item)) for item in value)}]"
        case _:
            return str(value)


def csv_lines(names: Sequence[str], rows: Sequence[Sequence[str | None]]) -> bytes:
    """Return a result as the object that Athena writes: all values quoted, NULL left empty."""
    lines = [_csv_line(list(names)), *map(_csv_line, rows)]
    return "".join(f"{line}\n" for line in lines).encode()


def _csv_line(values: Sequence[str | None]) -> str:
    return ",".join(
        "" if value is None else '"' + value.replace('"', '""') + '"' for value in values
    )


def _double(value: float) -> str:
    """Write a double as Java does: `1.0E7` from ten millions on and below a thousandth."""
    if value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124  only NaN differs from itself
        return {"inf": "Infinity", "-inf": "-Infinity"}.get(str(value), "NaN")
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return f"{Decimal(repr(value)):f}" if "e" in repr(value) else repr(value)
    mantissa, exponent = f"{Decimal(repr(value)).normalize():E}".split("E")
    digits = mantissa if "." in mantissa else f"{mantissa}.0"
    return f"{digits}E{int(exponent)}"
