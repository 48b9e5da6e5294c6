"""What the guard's modules share: requests, rules, and what a broken rule says."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class Refusal(NamedTuple):
    """The error that AWS answers with."""

    code: str
    message: str
    status: int = 400


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that AWS refuses and moto does not, or not with AWS's error.

    `moto` says what moto does instead.
    """

    name: str
    service: str
    code: str
    moto: str


class TableKeys(NamedTuple):
    """The key attributes of a table with their types, and those of its indexes by index."""

    keys: Mapping[str, str]
    hash_key: str
    indexes: Mapping[str, Mapping[str, str]]


KeysOf = Callable[[str], TableKeys | None]
"""Looks up a table; None for one that does not exist."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came over the wire: parameters as in the service's API, binaries in base64.

    `size_bytes` is that of the body.
    """

    operation: str
    params: Mapping[str, Any]
    size_bytes: int
    keys_of: KeysOf


class Violation(NamedTuple):
    """A broken rule; the code is the rule's unless another is given."""

    rule: str
    message: str
    code: str | None = None


Check = Callable[[Request], Iterator[Violation]]


def length_error(name: str, value: str, constraint: str) -> str:
    """Word AWS's refusal of a parameter of the wrong length or form."""
    shown = f"Value '{value}' at" if value else "Value at"
    return (
        f"1 validation error detected: {shown} '{name}' failed to satisfy constraint: {constraint}"
    )


def decoded_size_bytes(base64_text: str) -> int:
    """Return the size of a binary from its base64 text."""
    return len(base64_text) * 3 // 4 - base64_text[-2:].count("=")
