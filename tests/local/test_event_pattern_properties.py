"""Laws of event patterns over random events."""

import json
import re
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.local.semantics.event_pattern import compile_pattern, parse_json

NAMES = st.sampled_from(["a", "b", "c", "d"])
TEXTS = st.text("ab*\\.\né", max_size=6)
SCALARS = st.one_of(TEXTS, st.integers(-5_000, 5_000), st.booleans(), st.none())
EVENTS = st.dictionaries(
    NAMES,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)
WILDCARDS = st.text("ab*.", max_size=6).filter(lambda text: "**" not in text)


def leaves(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for name, child in value.items():
            yield from leaves(child, (*path, name))
    elif isinstance(value, list):
        for element in value:
            yield from leaves(element, path)
    else:
        yield path, value


def pattern_of(path: tuple[str, ...], alternatives: list[Any]) -> str:
    pattern: Any = alternatives
    for name in reversed(path):
        pattern = {name: pattern}
    return json.dumps(pattern)


@given(EVENTS)
def test_an_event_matches_each_of_its_own_leaves(event: dict[str, Any]) -> None:
    missed = [
        path
        for path, value in leaves(event)
        if not compile_pattern(pattern_of(path, [value]))(event)
    ]

    assert missed == []


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, SCALARS, min_size=1), min_size=1))
def test_an_event_without_arrays_matches_all_of_its_leaves_at_once(
    event: dict[str, dict[str, Any]],
) -> None:
    pattern = {name: {key: [leaf] for key, leaf in inner.items()} for name, inner in event.items()}

    assert compile_pattern(json.dumps(pattern))(event)


@given(EVENTS)
def test_python_values_and_their_json_text_match_alike(event: dict[str, Any]) -> None:
    decoded = parse_json(json.dumps(event))

    for path, value in leaves(event):
        assert compile_pattern(pattern_of(path, [value]))(decoded)


@given(EVENTS, NAMES)
def test_a_field_is_either_there_or_not(event: dict[str, Any], name: str) -> None:
    there = compile_pattern(pattern_of((name,), [{"exists": True}]))(event)
    absent = compile_pattern(pattern_of((name,), [{"exists": False}]))(event)

    assert there is not absent


@given(SCALARS, st.lists(TEXTS, min_size=1, max_size=3))
def test_anything_but_texts_is_the_complement_on_a_present_value(
    value: Any,  # noqa: ANN401  any plain value
    texts: list[str],
) -> None:
    among = compile_pattern(pattern_of(("a",), list(texts)))({"a": value})
    others = compile_pattern(pattern_of(("a",), [{"anything-but": texts}]))({"a": value})

    assert among is not others


@given(SCALARS, st.lists(st.integers(-9, 9), min_size=1, max_size=3))
def test_anything_but_numbers_is_the_complement_on_a_present_value(
    value: Any,  # noqa: ANN401  any plain value
    numbers: list[int],
) -> None:
    among = compile_pattern(pattern_of(("a",), list(numbers)))({"a": value})
    others = compile_pattern(pattern_of(("a",), [{"anything-but": numbers}]))({"a": value})

    assert among is not others


@given(WILDCARDS, st.text("ab.", max_size=8))
def test_a_wildcard_agrees_with_a_regular_expression(wildcard: str, value: str) -> None:
    expression = "".join("[ab.]*" if letter == "*" else re.escape(letter) for letter in wildcard)

    matches = compile_pattern(pattern_of(("a",), [{"wildcard": wildcard}]))

    assert matches({"a": value}) is bool(re.fullmatch(expression, value))


@given(TEXTS)
def test_an_escaped_text_matches_itself_alone(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace("*", "\\*")

    matches = compile_pattern(pattern_of(("a",), [{"wildcard": escaped}]))

    assert matches({"a": text})
    assert not matches({"a": f"{text}x"})


@given(st.integers(-100, 100), st.integers(-100, 100), st.integers(1, 50))
def test_a_range_agrees_with_python(value: int, low: int, width: int) -> None:
    high = low + width

    within = compile_pattern(pattern_of(("a",), [{"numeric": [">=", low, "<", high]}]))

    assert within({"a": value}) is (low <= value < high)
