"""Event patterns: those of EventBridge rules and those of a mapping's FilterCriteria.

`compile_pattern` and `compile_filter` turn a pattern's JSON text into a predicate over events, or
refuse it with AWS's reason. Both are pure and know all of EventBridge's operators.

Events are Python's values of JSON. The text of a number matters: 300 matches neither 300.0 nor
3e2. `parse_json` decodes an event and keeps it; a plain int or float counts with the text that
JSON would give it.

An event counts as the list of its plain values, each under its path; patterns may join a path by
dots. Arrays leave no trace in a path, and any element may match, but the values that fulfil one
pattern must not come from different elements of one array.
Source: Amazon EventBridge User Guide, "Comparison operators for use in event patterns" and "Arrays
in event patterns"; AWS Lambda Developer Guide, "Control which events Lambda sends to your
function"; for what they leave open Event Ruler, the library behind both.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

from pipeline.local.semantics.event_pattern_syntax import Field, PatternError, Rule, parse_rules
from pipeline.local.semantics.event_pattern_values import Leaf, Number, leaf_of, parse_json

__all__ = [
    "FilterSource",
    "Matcher",
    "Number",
    "PatternError",
    "compile_filter",
    "compile_pattern",
    "parse_json",
]

Matcher = Callable[[Mapping[str, Any]], bool]
FilterSource = Literal["dynamodb", "kinesis", "sqs"]

_CONTENT_KEYS: Final[Mapping[FilterSource, str]] = {"kinesis": "data", "sqs": "body"}

_Membership: TypeAlias = tuple[tuple[int, int], ...]
"""The arrays that a value stands in, by a number of their own, and its element in each."""

_Fields: TypeAlias = dict[str, list[tuple[Leaf, _Membership]]]


def compile_pattern(text: str) -> Matcher:
    """Turn the JSON text of an EventBridge rule's pattern into a predicate over events.

    Raises:
        PatternError: AWS refuses the pattern.
    """
    return _matcher(_parsed(text))


def compile_filter(text: str, source: FilterSource) -> Matcher:
    """Turn the JSON text of a FilterCriteria pattern into a predicate over records.

    A record is judged in the form that patterns see. The content of a Kinesis record stands in
    `data` and that of an SQS message in `body`, both on top and decoded by `parse_json`. Content
    that is no JSON is left out (`data`) or stays text (`body`). It fulfils no pattern about its
    fields, not even that one is absent.

    Raises:
        PatternError: Lambda refuses the pattern for this source.
    """
    pattern = _parsed(text)
    matches = _matcher(pattern)
    key = _CONTENT_KEYS.get(source)
    if key is None or key not in pattern:
        return matches
    if isinstance(pattern[key], dict):
        # `None` is how JSON's null comes: it has no fields, but it is JSON.
        return lambda view: key in view and not isinstance(view[key], str) and matches(view)
    if source == "kinesis":
        raise PatternError(f'"{key}" must be an object: a stream\'s pattern is in JSON')
    return lambda view: isinstance(view.get(key), str) and matches(view)


def _parsed(text: str) -> dict[str, Any]:
    try:
        pattern = parse_json(text)
    except (ValueError, RecursionError) as error:
        raise PatternError(f"it is no JSON: {error}") from error
    if not isinstance(pattern, dict):
        raise PatternError("Filter is not an object")
    return pattern


def _matcher(pattern: dict[str, Any]) -> Matcher:
    try:
        rules = parse_rules(pattern)
    except RecursionError as error:
        raise PatternError("it is nested too deep") from error
    steps = frozenset(step for rule in rules for path in rule for step in _steps(path))

    def matches(event: Mapping[str, Any]) -> bool:
        fields = _flatten(event, steps)
        return any(_fulfils(rule, fields) for rule in rules)

    return matches


def _steps(path: str) -> Iterable[str]:
    """Return every name that an event may have on the way to a path: `a.b` is also one name."""
    names = path.split(".")
    for start in range(len(names)):
        for end in range(start + 1, len(names) + 1):
            yield ".".join(names[start:end])


def _flatten(event: Mapping[str, Any], steps: frozenset[str]) -> _Fields:
    """Return the plain values below the names that matter, by path."""
    fields: _Fields = {}
    arrays = 0
    left: list[tuple[str, object, _Membership]] = [("", event, ())]
    while left:
        path, value, membership = left.pop()
        if isinstance(value, Mapping):
            for name, child in value.items():
                if name in steps:
                    left.append((f"{path}.{name}" if path else name, child, membership))
        elif isinstance(value, list):
            for index, element in enumerate(value):
                is_nested = isinstance(element, Mapping | list)
                within = (*membership, (arrays, index)) if is_nested else membership
                left.append((path, element, within))
            arrays += 1
        else:
            fields.setdefault(path, []).append((leaf_of(value), membership))
    return fields


def _fulfils(rule: Rule, fields: _Fields) -> bool:
    """Tell whether values of one element per array fulfil all fields of a rule."""
    paths = sorted(rule)
    ways: set[_Membership] = {()}
    for position, path in enumerate(paths):
        ways = set(_extended(ways, rule[path], fields.get(path, [])))
        if not ways:
            return False
        if ways != {()}:
            # The choice within an array matters no more behind its last field.
            later = _arrays(paths[position + 1 :], fields)
            ways = {tuple(place for place in way if place[0] in later) for way in ways}
    return True


def _extended(
    ways: set[_Membership], field: Field, values: list[tuple[Leaf, _Membership]]
) -> Iterable[_Membership]:
    """Yield each way to fulfil one more field."""
    passing = {membership for leaf, membership in values if field.passes(leaf)}
    present = {membership for _, membership in values}
    for way in ways:
        for membership in passing:
            if _agree(way, membership):
                yield tuple(sorted({*way, *membership}))
        if field.may_be_absent and not any(_agree(way, other) for other in present):
            yield way


def _agree(way: _Membership, membership: _Membership) -> bool:
    chosen = dict(way)
    return all(chosen.get(array, index) == index for array, index in membership)


def _arrays(paths: list[str], fields: _Fields) -> set[int]:
    return {
        array for path in paths for _, membership in fields.get(path, []) for array, _ in membership
    }
