"""What an event pattern is compared with: the plain values of JSON, numbers with their text."""

import ipaddress
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn

MAX_NUMBER: Final = Decimal("5e9")
"""Largest magnitude that the operators compare as a number."""

MAX_DECIMALS: Final = 6

# A power of ten beyond any comparable number: `Decimal` must not write it out.
_MAX_EXPONENT: Final = 400

# Inferred: AWS publishes no limit. It accepts `arn:*:events:*:*:event-bus/*` (weight 7 here) and
# calls `*:*:*:*:*:event-bus/*` (weight 11) too complex.
_MAX_WILDCARD_WEIGHT: Final = 10

_IPV4: Final = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+")
_IPV6: Final = re.compile(r"[0-9a-fA-F:]*:[0-9a-fA-F:]*")
_IPV4_BITS: Final = 32
_IPV6_BITS: Final = 128


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it stands in its JSON text: 300, 300.0 and 3e2 are three of them."""

    text: str


Leaf = str | Number | bool | None
"""A plain value of an event."""

Test = Callable[[Leaf], bool]


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401  any JSON value
    """Decode JSON and keep the text of its numbers, as `Number`.

    Raises:
        ValueError: It is no JSON; NaN and Infinity are none.
        RecursionError: It is nested too deep for Python.
    """
    return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=_refuse_constant)


def leaf_of(value: object) -> Leaf:
    """Return a plain value as patterns see it; a Python number takes the text that JSON gives it.

    Raises:
        TypeError: It is no value of JSON.
    """
    if value is None or isinstance(value, str | bool | Number):
        return value
    if isinstance(value, int | float):
        return Number(json.dumps(value))
    raise TypeError(f"{type(value).__name__} is no value of a JSON event")


def comparable(leaf: Leaf) -> Decimal | None:
    """Return the value of a number that operators can compare, None for everything else.

    Source: Amazon EventBridge User Guide, "Numeric matching": -5.0e9 to 5.0e9 inclusive, six
    digits behind the point. What has more of them is compared with nothing, as in Event Ruler.
    """
    if not isinstance(leaf, Number):
        return None
    try:
        value = Decimal(leaf.text)
    except InvalidOperation:  # an exponent of more digits than `Decimal` takes
        return None
    if not value:
        return Decimal(0)
    exponent = value.adjusted()
    if not -_MAX_EXPONENT < exponent < _MAX_EXPONENT or abs(value) > MAX_NUMBER:
        return None
    return value if value == round(value, MAX_DECIMALS) else None


def wildcard_test(pattern: str) -> Test:
    """Compile a wildcard: `*` is any text, a backslash takes the meaning from `*` and backslash.

    Raises:
        ValueError: Two wildcards in a row, another escape, or a pattern too complex for AWS.
    """
    # Positions count the opening quote of the JSON text, as AWS counts them.
    pieces = [""]
    position = 0
    while position < len(pattern):
        character = pattern[position]
        if character == "*":
            if pattern[position + 1 : position + 2] == "*":
                raise ValueError(f"Consecutive wildcard characters at pos {position + 1}")
            pieces.append("")
        elif character == "\\":
            position += 1
            if pattern[position : position + 1] not in {"*", "\\"}:
                raise ValueError(f"Invalid escape character at pos {position}")
            pieces[-1] += pattern[position]
        else:
            pieces[-1] += character
        position += 1
    _check_wildcard_weight(pieces)
    expression = re.compile(".*".join(map(re.escape, pieces)), re.DOTALL)
    return lambda leaf: isinstance(leaf, str) and expression.fullmatch(leaf) is not None


def cidr_test(text: str) -> Test:
    """Compile a block of addresses.

    The block begins at the address that is given, not at its network: Event Ruler clears no bits.

    Raises:
        ValueError: It is no block.
    """
    address, slash, bits_text = text.partition("/")
    if not slash or "/" in bits_text:
        raise ValueError("Malformed CIDR, one '/' required")
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", bits_text):
        raise ValueError("Malformed CIDR, mask bits must be an integer")
    bits = int(bits_text)
    if bits < 0:
        raise ValueError("Malformed CIDR, mask bits must not be negative")
    low = _address(address)
    if low is None:
        raise ValueError(f"Nonstandard IP address: {address}")
    width = _IPV4_BITS if low.version == 4 else _IPV6_BITS
    if bits >= width:
        raise ValueError(f"IPv{low.version} mask bits must be < {width}")
    lowest, highest = int(low), int(low) | ((1 << (width - bits)) - 1)

    def test(leaf: Leaf) -> bool:
        found = _address(leaf) if isinstance(leaf, str) else None
        return (
            found is not None and found.version == low.version and lowest <= int(found) <= highest
        )

    return test


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if not _IPV4.fullmatch(text) and not _IPV6.fullmatch(text):
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _check_wildcard_weight(pieces: list[str]) -> None:
    """Weigh the wildcards and those of them that one character leads on at the same time."""
    starts = [piece[:1] for piece in pieces[1:] if piece]
    repeated = max(map(starts.count, starts), default=0)
    if len(pieces) - 1 + repeated > _MAX_WILDCARD_WEIGHT:
        raise ValueError(
            "Rule is too complex - try using fewer wildcard characters or fewer repeating "
            "character sequences after a wildcard character"
        )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
