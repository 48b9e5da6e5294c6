"""Partition projection: which partitions a table has by its properties, without a catalog.

Source: Amazon Athena User Guide, "Set up partition projection" and "Supported types for partition
projection". Types `enum`, `integer` and `date` are known; `injected` counts as whatever lies there.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from pipeline.local.athena.errors import QueryFailedError

_UNITS: Final = {
    "HOURS": timedelta(hours=1),
    "DAYS": timedelta(days=1),
    "WEEKS": timedelta(weeks=1),
    "MINUTES": timedelta(minutes=1),
}
_JAVA_TO_PYTHON: Final = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M"}
_NOW: Final = re.compile(r"NOW\s*(?:([+-])\s*(\d+)\s*([A-Z]+?)S?)?")


def is_projected(parameters: Mapping[str, str]) -> bool:
    """Tell whether a table's partitions are computed and not looked up."""
    return parameters.get("projection.enabled", "").lower() == "true"


def location_pattern(
    location: str, keys: Sequence[str], parameters: Mapping[str, str]
) -> re.Pattern[str]:
    """Return what the URI of an object in one of the partitions looks like, a group per key."""
    base = location.rstrip("/") + "/"
    template = parameters.get(
        "storage.location.template", base + "".join(f"{key}=${{{key}}}/" for key in keys)
    )
    template = template.rstrip("/") + "/"
    parts = re.split(r"\$\{(\w+)\}", template)
    return re.compile(
        "".join(
            f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part)
            for index, part in enumerate(parts)
        )
    )


def permits(parameters: Mapping[str, str], key: str, value: str, now: datetime) -> bool:
    """Tell whether a key's projection covers a value; what it leaves out is not read.

    Raises:
        QueryFailedError: The table's properties cannot be understood.
    """
    kind = parameters.get(f"projection.{key}.type", "")
    match kind:
        case "enum":
            return value in parameters[f"projection.{key}.values"].split(",")
        case "integer":
            return _integer(parameters, key, value)
        case "date":
            return _date(parameters, key, value, now)
        case "injected":
            return True
        case _:
            raise QueryFailedError(
                f"INVALID_TABLE_PROPERTY: Invalid projection type {kind!r} of column {key}"
            )


def _integer(parameters: Mapping[str, str], key: str, value: str) -> bool:
    low, high = (int(bound) for bound in parameters[f"projection.{key}.range"].split(","))
    digits = int(parameters.get(f"projection.{key}.digits", "0"))
    if not value.isdecimal() or value != f"{int(value):0{digits}d}":
        return False
    interval = int(parameters.get(f"projection.{key}.interval", "1"))
    return low <= int(value) <= high and (int(value) - low) % interval == 0


def _date(parameters: Mapping[str, str], key: str, value: str, now: datetime) -> bool:
    form = parameters[f"projection.{key}.format"]
    for java, python in _JAVA_TO_PYTHON.items():
        form = form.replace(java, python)
    try:
        moment = datetime.strptime(value, form).replace(tzinfo=UTC)
    except ValueError:
        return False
    low, high = parameters[f"projection.{key}.range"].split(",")
    return _bound(low, form, now) <= moment <= _bound(high, form, now)


def _bound(text: str, form: str, now: datetime) -> datetime:
    found = _NOW.fullmatch(text.strip())
    if found is None:
        return datetime.strptime(text.strip(), form).replace(tzinfo=UTC)
    # As precise as the format: `NOW` of a format of days is today's midnight.
    here = datetime.strptime(now.strftime(form), form).replace(tzinfo=UTC)
    if found[1] is None:
        return here
    return here + (1 if found[1] == "+" else -1) * int(found[2]) * _UNITS[f"{found[3]}S"]
