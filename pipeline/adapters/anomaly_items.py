"""An anomaly as an item of AnomaliesTable, and back.

Every field is an attribute of its own that a person can read in the console: numbers as N,
timestamps as fixed-width UTC text, fields at their default left out. Decoding is the exact inverse.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pipeline.detection.anomaly import Anomaly, timestamp_text
from pipeline.errors import InvalidRecordError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef as AttributeValue

_SMALLEST_NUMBER: Final = 1e-130
_LARGEST_NUMBER: Final = 9.9e125
_INTEGER_DIGITS: Final = 18


def fact_item(anomaly: Anomaly, ttl_s: int) -> "dict[str, AttributeValue]":
    """Return the item of an anomaly that is kept for `ttl_s` after what it tells happened."""
    return encode_anomaly(anomaly, int(anomaly.occurred_at.timestamp()) + ttl_s)


def encode_anomaly(anomaly: Anomaly, expires_at: int) -> "dict[str, AttributeValue]":
    """Return the item of an anomaly: its two keys, its fields and its expiry.

    Args:
        anomaly: The fact; equal facts give equal items.
        expires_at: When DynamoDB may delete the item, in epoch seconds.
    """
    item: dict[str, Any] = {
        "dedup_key": {"S": anomaly.dedup_key},
        "fact_key": {"S": anomaly.fact_key},
        "expires_at": {"N": str(expires_at)},
    }
    for name, value in msgspec.to_builtins(anomaly).items():
        item[name] = _encode(value)
    item["opened_at"] = {"S": timestamp_text(anomaly.opened_at)}
    item["occurred_at"] = {"S": timestamp_text(anomaly.occurred_at)}
    return item


def decode_anomaly(image: Mapping[str, Mapping[str, Any]]) -> Anomaly:
    """Return the anomaly of an item or of a stream record's new image.

    Attributes that are not fields of an anomaly are ignored.

    Raises:
        InvalidRecordError: The item is no anomaly; names the attribute.
    """
    fields = {name: _decode(name, attribute) for name, attribute in image.items()}
    try:
        return msgspec.convert(fields, Anomaly)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        raise InvalidRecordError(f"not an anomaly: {reason}", path.strip("`") or "$") from error


def _encode(value: object) -> dict[str, Any]:
    match value:
        case str():
            return {"S": value}
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case float():
            return _encode_float(value)
        case dict():
            return {"M": {name: _encode(member) for name, member in value.items()}}
        case list() | tuple():
            return {"L": [_encode(member) for member in value]}
        case None:
            return {"NULL": True}
    raise TypeError(f"no attribute type for {type(value).__name__}")


def _encode_float(value: float) -> dict[str, Any]:
    # Source: Amazon DynamoDB Developer Guide, data types: numbers lie between 1E-130 and
    # 9.99E+125 in magnitude. Anything else would make the whole batch write fail, so it is stored
    # as text in a set, a type that no other attribute has.
    if value == 0 or _SMALLEST_NUMBER <= abs(value) <= _LARGEST_NUMBER:
        return {"N": repr(value)}
    return {"SS": [repr(value)]}


def _decode(name: str, attribute: Mapping[str, Any]) -> object:
    match dict(attribute):
        case {"S": str(text)}:
            return text
        case {"N": str(text)}:
            return _decode_number(name, text)
        case {"BOOL": bool(flag)}:
            return flag
        case {"NULL": True}:
            return None
        case {"L": list(members)}:
            return [_decode(name, member) for member in members]
        case {"SS": [str(text)]}:
            return _decode_number(name, text)
        case {"M": dict(members)}:
            return {key: _decode(name, member) for key, member in members.items()}
    raise InvalidRecordError("an attribute of no type that an anomaly has", f"$.{name}")


def _decode_number(name: str, text: str) -> int | float:
    try:
        if len(text) <= _INTEGER_DIGITS and text.lstrip("-").isdigit():
            return int(text)
        return float(text)
    except ValueError as error:
        raise InvalidRecordError("not a number", f"$.{name}") from error
