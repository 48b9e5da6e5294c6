"""What DynamoDB refuses of attribute values and moto stores.

Source: Amazon DynamoDB Developer Guide, "Supported data types and naming rules" and "Quotas".
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from pipeline.local.server.guard_rules import Violation

_SIMPLE: Final = frozenset({"B", "BOOL", "NULL", "S"})
_MAX_DIGITS: Final = 38
_MAX_DEPTH: Final = 31  # lists and maps around a value, its own type not counted
_MAX_EXPONENT: Final = 125
_MIN_EXPONENT: Final = -130
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,6})?", re.ASCII)
_SHORT_NUMBER = re.compile(r"-?\d{1,30}(\.\d{1,8})?", re.ASCII)


def identity_of(kind: str, content: str) -> object:
    """Return what tells values of a type apart: 1 and 1.0 are one number."""
    return Decimal(content) if kind == "N" and _NUMBER.fullmatch(content) else content


def violations(values: Iterable[Mapping[str, Any]]) -> Iterator[Violation]:
    """Find what is wrong with attribute values; quick about those that cannot be wrong."""
    for value in values:
        kind = next(iter(value), "")
        if len(value) == 1 and (kind in _SIMPLE or (kind == "N" and _is_short(value["N"]))):
            continue
        yield from value_violations(value)


def _is_short(number: object) -> bool:
    return isinstance(number, str) and _SHORT_NUMBER.fullmatch(number) is not None


def value_violations(value: Mapping[str, Any], depth: int = 0) -> Iterator[Violation]:
    """Find what is wrong with an attribute value in DynamoDB JSON, at any depth."""
    if len(value) != 1:
        amount = "has more than one datatypes set" if value else "is empty"
        yield Violation(
            "dynamodb-one-type",
            f"Supplied AttributeValue {amount}, must contain exactly one of the supported "
            "datatypes",
        )
        return
    ((kind, content),) = value.items()
    if kind == "N":
        yield from _number(content)
    elif kind in {"SS", "NS", "BS"}:
        yield from _set(kind, content)
    elif kind in {"M", "L"}:
        if depth >= _MAX_DEPTH:
            yield Violation(
                "dynamodb-nesting",
                "Nesting Levels have exceeded supported limits: Attributes in the item have nested "
                "levels beyond supported limit",
            )
            return
        for element in content.values() if kind == "M" else content:
            yield from value_violations(element, depth + 1)


def _number(text: object) -> Iterator[Violation]:
    if not isinstance(text, str):
        return  # moto refuses that itself
    if _SHORT_NUMBER.fullmatch(text):
        return
    if not _NUMBER.fullmatch(text):
        yield Violation(
            "dynamodb-number-form",
            f"The parameter cannot be converted to a numeric value: {text}",
        )
        return
    value = Decimal(text)
    if not value:
        return
    digits = "".join(map(str, value.as_tuple().digits)).strip("0")
    if len(digits) > _MAX_DIGITS:
        yield Violation(
            "dynamodb-number-digits",
            "Attempting to store more than 38 significant digits in a Number",
        )
    elif value.adjusted() > _MAX_EXPONENT:
        yield Violation(
            "dynamodb-number-range",
            "Number overflow. Attempting to store a number with magnitude larger than supported "
            "range",
        )
    elif value.adjusted() < _MIN_EXPONENT:
        yield Violation(
            "dynamodb-number-range",
            "Number underflow. Attempting to store a number with magnitude smaller than supported "
            "range",
        )


def _set(kind: str, elements: list[str]) -> Iterator[Violation]:
    if not elements:
        what = {"SS": "An string set  may", "NS": "An number set  may", "BS": "Binary sets should"}
        yield Violation(
            "dynamodb-set-empty",
            f"One or more parameter values were invalid: {what[kind]} not be empty",
        )
    if kind == "NS":
        for element in elements:
            yield from _number(element)
    distinct = {identity_of(kind[0], element) for element in elements}
    if len(distinct) < len(elements):
        shown = f"[{', '.join(elements)}]"
        yield Violation(
            "dynamodb-set-duplicates",
            {
                "SS": "One or more parameter values were invalid: Input collection "
                f"{shown} contains duplicates.",
                "NS": "Input collection contains duplicates",
                "BS": "One or more parameter values were invalid: Input collection "
                f"{shown}of type BS contains duplicates.",
            }[kind],
        )
