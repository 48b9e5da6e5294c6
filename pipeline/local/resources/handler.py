"""What every resource handler works with: the resource's properties and the stack it belongs to."""

# ruff: noqa: ANN401 - a property is whatever the template's author wrote

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from pipeline.local.deployment import EventRoutes, EventSourceMapping, Function, QueueMapping
from pipeline.local.endpoint import Endpoint
from pipeline.local.intrinsics import PhysicalResource, TemplateError


class DeployError(Exception):
    """The endpoint refused a resource, or cannot change it to what the template says now."""


class Properties:
    """A resource's resolved properties; it knows which of them the handler has not looked at.

    Handlers take what they apply and say what has no meaning locally. The rest is reported, so
    that no property is ignored in silence.

    Args:
        values: The properties, everything resolved.
        place: Where they stand in the template, for error messages.
    """

    def __init__(self, values: Mapping[str, Any], place: str) -> None:
        self.place = place
        self._values = values
        self._open = set(values)
        self._sections: dict[str, Properties] = {}

    def take(self, name: str, default: Any = None) -> Any:
        """Give a property that the handler applies, or the default without it."""
        self._open.discard(name)
        return self._values.get(name, default)

    def require(self, name: str) -> Any:
        """Give a property that must be there.

        Raises:
            TemplateError: It is not.
        """
        if self._values.get(name) is None:
            raise TemplateError(f"{self.place}.{name} is missing")
        return self.take(name)

    def text(self, name: str) -> str:
        """Give a text that must be there."""
        return str(self.require(name))

    def number(self, name: str, default: int | None = None) -> int:
        """Give a whole number; parameters arrive as texts.

        Raises:
            TemplateError: It is missing without a default, or no whole number.
        """
        value = self.require(name) if default is None else self.take(name, default)
        try:
            return int(value)
        except (TypeError, ValueError) as error:
            raise TemplateError(f"{self.place}.{name}: {value!r} is no whole number") from error

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Give a boolean; parameters arrive as texts.

        Raises:
            TemplateError: It is neither true nor false.
        """
        value = str(self.take(name, default)).lower()
        if value not in ("true", "false"):
            raise TemplateError(f"{self.place}.{name}: {value!r} is neither true nor false")
        return value == "true"

    def section(self, name: str) -> "Properties | None":
        """Give a nested mapping whose entries are accounted for one by one."""
        value = self.take(name)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise TemplateError(f"{self.place}.{name}: a mapping is needed, not {value!r}")
        return self._sections.setdefault(name, Properties(value, f"{self.place}.{name}"))

    def pick(self, *names: str) -> dict[str, Any]:
        """Give those of the named properties that are there, under the same names."""
        return {name: self.take(name) for name in names if self._values.get(name) is not None}

    def tags(self) -> list[dict[str, str]]:
        """Give the tags as a list of `Key` and `Value`; CloudFormation also has a mapping form."""
        tags = self.take("Tags") or []
        if isinstance(tags, Mapping):
            return [{"Key": str(key), "Value": str(value)} for key, value in tags.items()]
        return [{"Key": str(tag["Key"]), "Value": str(tag["Value"])} for tag in tags]

    def without_meaning(self, reasons: Mapping[str, str]) -> None:
        """Account for properties that change nothing on a laptop; each comes with its reason."""
        self._open -= reasons.keys()

    def report(self, name: str) -> None:
        """Report something that the handler has looked at and cannot apply."""
        self._open.add(name)

    def ignored(self) -> tuple[str, ...]:
        """Give the dotted names of everything that the handler did not account for."""
        nested = (
            f"{name}.{inner}"
            for name, section in self._sections.items()
            for inner in section.ignored()
        )
        return tuple(sorted([*self._open, *nested]))


@dataclass(frozen=True, slots=True)
class Stack:
    """The deployment that a resource belongs to; handlers add functions and mappings to it."""

    name: str
    stack_id: str
    endpoint: Endpoint
    region: str
    account_id: str
    partition: str
    code_directories: Mapping[str, Path]
    functions: dict[str, Function] = field(default_factory=dict)
    mappings: list[EventSourceMapping] = field(default_factory=list)
    queue_mappings: list[QueueMapping] = field(default_factory=list)
    routes: EventRoutes = field(default_factory=EventRoutes)

    def client(self, service: str) -> Any:
        """Give the boto3 client of a service."""
        return self.endpoint.client(service)

    def arn(self, service: str, resource: str) -> str:
        """Compose an ARN of this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account_id}:{resource}"

    def physical_name(self, logical_id: str, limit: int = 255) -> str:
        """Compose the name of a resource that the template does not name; always the same one."""
        return shorten(f"{self.name}-{logical_id}", limit)


Handler: TypeAlias = Callable[[Stack, str, Properties], PhysicalResource | None]
"""Brings one resource, given its logical id, to what its properties say.

It creates what is missing, changes what differs and leaves the rest alone, so that a second call
has no effect. `None` says that the resource is of a kind that the local run cannot do.
"""


def shorten(name: str, limit: int) -> str:
    """Cut a name to a service's limit and keep it unique by a digest of the whole."""
    if len(name) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: limit - 9]}-{digest}"


def json_text(value: Any) -> str:
    """Write a policy document or another nested property as AWS wants it: as JSON text."""
    return value if isinstance(value, str) else json.dumps(value)


def with_numbers(value: Any, names: frozenset[str]) -> Any:
    """Turn texts under the given keys, at any depth, into the numbers that an API asks for.

    A parameter of type Number arrives as a text, which CloudFormation converts by the schema.
    """
    if isinstance(value, Mapping):
        return {
            key: _as_number(item) if key in names else with_numbers(item, names)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [with_numbers(item, names) for item in value]
    return value


def _as_number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return int(value) if re.fullmatch(r"-?\d+", value) else float(value)
