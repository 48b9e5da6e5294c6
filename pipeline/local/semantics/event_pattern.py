"""Event patterns of a mapping's FilterCriteria, in a part of EventBridge's language.

Done: nested objects; lists of alternatives; exact strings, whole numbers, booleans and null;
`prefix`, `exists` and `anything-but` of strings and whole numbers. Anything else is refused when
the pattern is compiled, so no record is ever judged by a rule that was not understood.
Source: Amazon EventBridge User Guide, "Comparison operators for use in event patterns".
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Matcher = Callable[[Mapping[str, Any]], bool]
_Rule = Callable[[Sequence[object]], bool]


class UnsupportedPatternError(ValueError):
    """The pattern is wrong, or uses an operator that the local run does not know."""


def compile_pattern(text: str) -> Matcher:
    """Turn a pattern's JSON text into a predicate over events.

    Raises:
        UnsupportedPatternError: Names the field and the operator.
    """
    try:
        pattern = json.loads(text)
    except ValueError as error:
        raise UnsupportedPatternError(f"event pattern is not JSON: {text}") from error
    if not isinstance(pattern, dict) or not pattern:
        raise UnsupportedPatternError(f"event pattern is not an object with fields: {text}")
    return _object(pattern, "")


def _object(pattern: Mapping[str, Any], path: str) -> Matcher:
    fields = {name: _field(rule, f"{path}.{name}") for name, rule in pattern.items()}
    return lambda event: all(matches(event.get(name, _ABSENT)) for name, matches in fields.items())


class _Absent:
    """The value of a field that an event does not have."""


_ABSENT = _Absent()


def _field(pattern: object, path: str) -> Callable[[object], bool]:
    if isinstance(pattern, dict) and pattern:
        matches = _object(pattern, path)

        def match_object(value: object) -> bool:
            # In an array of objects one element must fulfil all of the pattern.
            elements = value if isinstance(value, list) else [value]
            return any(matches(each if isinstance(each, dict) else {}) for each in elements)

        return match_object
    if isinstance(pattern, list) and pattern:
        rules = [_rule(rule, path) for rule in pattern]
        return lambda value: any(rule(_leaves(value)) for rule in rules)
    raise UnsupportedPatternError(f"{path}: expected an object or a list of alternatives")


def _leaves(value: object) -> list[object]:
    """Return the plain values of a field; an object has none, which is how `exists` sees it."""
    if isinstance(value, list):
        return [leaf for element in value for leaf in _leaves(element)]
    return [] if isinstance(value, dict | _Absent) else [value]


def _rule(rule: object, path: str) -> _Rule:
    match rule:
        case {"prefix": str(prefix), **rest} if not rest:
            return lambda values: any(isinstance(v, str) and v.startswith(prefix) for v in values)
        case {"exists": bool(wanted), **rest} if not rest:
            return lambda values: bool(values) is wanted
        case {"anything-but": excluded, **rest} if not rest:
            alternatives = excluded if isinstance(excluded, list) else [excluded]
            if alternatives and all(type(each) in (str, int) for each in alternatives):
                return lambda values: any(not _is_one_of(v, alternatives) for v in values)
        case str() | bool() | int() | None:
            return lambda values: any(_is_one_of(value, [rule]) for value in values)
    raise UnsupportedPatternError(
        f"{path}: the local run does not know the rule {json.dumps(rule)}; "
        "it knows exact values, prefix, exists and anything-but"
    )


def _is_one_of(value: object, alternatives: Sequence[object]) -> bool:
    # 300, 300.0 and true are three different values for EventBridge.
    return any(type(value) is type(each) and value == each for each in alternatives)
