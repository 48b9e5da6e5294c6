"""What DynamoDB charges for a put, by its rules for the size of an item.

Source: Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats" and "DynamoDB throughput
capacity": a unit per started KB of the item, and of its copy in each index that has its key.
"""

from collections.abc import Mapping
from typing import Any, Final

INDEXES: Final = {"transactions": ["user_id"]}
"""Keys of the indexes per table; all of them project the whole item."""

Item = Mapping[str, Mapping[str, Any]]


def write_units(table: str, item: Item) -> int:
    """Return the write units of an item that was not there before."""
    copies = 1 + sum(key in item for key in INDEXES.get(table, []))
    return copies * -(-item_size_bytes(item) // 1024)


def item_size_bytes(item: Item) -> int:
    """Return the size of an item: its attributes' names and values."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(attribute: Mapping[str, Any]) -> int:
    ((kind, value),) = attribute.items()
    match kind:
        case "S":
            return len(value.encode())
        case "N":
            return _number_bytes(value)
        case "B":
            return len(value)
        case "BOOL" | "NULL":
            return 1
        case "SS":
            return sum(len(member.encode()) for member in value)
        case "L":
            return 3 + sum(1 + _value_bytes(member) for member in value)
        case "M":
            return 3 + len(value) + item_size_bytes(value)
    raise LookupError(f"how large is a value of type {kind}? teach write_units")


def _number_bytes(text: str) -> int:
    """Return a byte per two significant digits, one more, and one for a minus."""
    mantissa = text.lower().partition("e")[0]
    digits = mantissa.lstrip("+-").replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + text.startswith("-")
