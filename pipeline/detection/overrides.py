"""What a deployment changes of the packaged rules: a TOML fragment, laid over them and checked."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

import msgspec

from pipeline.detection.rules import Rules, RulesError

MAX_STANDARD_CHARS: Final = 4096
"""Longest parameter of the free tier; source: AWS Systems Manager User Guide, "Managing parameter
tiers"."""

MAX_ADVANCED_CHARS: Final = 8192
"""Longest parameter of the advanced tier, which is charged by the month; same source."""

_NAMED: Final[Mapping[tuple[str, ...], str]] = {("static_limit", "limits"): "metric"}
"""Lists whose entries are laid over those of the same name; any other list replaces the old one."""

_ABSENT: Final = object()


class Difference(NamedTuple):
    """A value that two sets of rules do not share, by its path; texts are empty where it lacks."""

    path: str
    before: str
    after: str


@lru_cache(maxsize=2)  # nobody can change them, and reading takes a hundredth of a second
def overridden(override: str) -> Rules:
    """Return the packaged rules with an override laid over them; an empty one changes nothing.

    Tables merge by their names, the static limits by their metric. Every other value and list
    replaces the packaged one.

    Raises:
        RulesError: Not TOML, or the result has a field that is unknown or has no usable value; the
            message names it.
    """
    merged: dict[str, Any] = {}
    try:
        merged = _merged(packaged(), msgspec.toml.decode(override), ())
        return msgspec.convert(merged, Rules)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise RulesError(f"override of the rules: {_placed(str(error), merged)}") from error


def packaged() -> dict[str, Any]:
    """Read the packaged rules as plain values."""
    text = files("pipeline.detection").joinpath("rules.toml").read_text("utf-8")
    plain: dict[str, Any] = msgspec.toml.decode(text)
    return plain


def touched_by(override: str) -> frozenset[str]:
    """Return the ids of the rules that a valid override has a table for."""
    fragment = msgspec.toml.decode(override)
    named = {*fragment, *fragment.get("health", {}), *fragment.get("alerting", {}).get("rules", {})}
    return frozenset(named)


def differences(before: Rules, after: Rules) -> Sequence[Difference]:
    """Return what differs, in the order of the rules."""
    old, new = dict(_leaves(before)), dict(_leaves(after))
    paths = [*new, *(path for path in old if path not in new)]
    return [
        Difference(path, _text(old.get(path, _ABSENT)), _text(new.get(path, _ABSENT)))
        for path in paths
        if old.get(path, _ABSENT) != new.get(path, _ABSENT)
    ]


def changed_without_version(before: Rules, after: Rules) -> Sequence[str]:
    """Return the rules that judge otherwise under the same version, which facts then cannot tell.

    Texts and staging do not change what a rule means.
    """
    old = {rule.id: rule for rule in before.all()}
    silent = ("runbook", "impact", "next_steps", "staged", "severity")
    found = []
    for rule in after.all():
        was = msgspec.to_builtins(old[rule.id], order="deterministic")
        now = msgspec.to_builtins(rule, order="deterministic")
        judged = {key: value for key, value in now.items() if key not in silent}
        if rule.version == was["version"] and judged != {key: was.get(key) for key in judged}:
            found.append(rule.id)
    return found


def _merged(under: Any, over: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401  TOML values
    if isinstance(under, dict) and isinstance(over, dict):
        kept = {key: value for key, value in under.items() if key not in over}
        laid = {
            key: _merged(under[key], value, (*path, key)) if key in under else value
            for key, value in over.items()
        }
        return {**kept, **laid}
    if path in _NAMED and isinstance(under, list) and isinstance(over, list):
        return _merged_list(under, over, _NAMED[path])
    return over


def _merged_list(under: list[Any], over: list[Any], name: str) -> list[Any]:
    known = {entry[name]: entry for entry in under}
    laid = dict(known)
    for entry in over:
        named = entry.get(name) if isinstance(entry, dict) else None
        if not isinstance(named, str):
            raise RulesError(f"override of the rules: an entry of a list has no `{name}`")
        laid[named] = {**known.get(named, {}), **entry}
    return list(laid.values())


def _placed(message: str, merged: Mapping[str, Any]) -> str:
    """Name a limit by its metric: its place in the merged list is not that in the override."""

    def metric(found: re.Match[str]) -> str:
        return f"static_limit.limits.{merged['static_limit']['limits'][int(found[1])]['metric']}"

    return re.sub(r"static_limit\.limits\[(\d+)\]", metric, message)


def _leaves(value: object) -> Iterator[tuple[str, object]]:
    return _walk(msgspec.to_builtins(value, order="deterministic"), "")


def _walk(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _walk(part, f"{path}.{key}" if path else str(key))
    elif path == "static_limit.limits" and isinstance(value, list | tuple):
        for part in value:
            yield from _walk(part, f"{path}.{part['metric']}")
    elif value not in (None, [], ()):  # an option that is left out says nothing
        yield path, value


def _text(value: object) -> str:
    return "" if value is _ABSENT else msgspec.json.encode(value).decode()
