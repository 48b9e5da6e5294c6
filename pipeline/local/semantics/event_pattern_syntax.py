"""The language of event patterns: turns a pattern into the tests of its fields, or refuses it.

The reasons of refusals are AWS's own, as its API returns them.
Source: Amazon EventBridge User Guide, "Comparison operators for use in event patterns"; where it is
silent, the grammar of Event Ruler, the library that EventBridge and Lambda match with.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from pipeline.local.semantics.event_pattern_values import (
    MAX_DECIMALS,
    MAX_NUMBER,
    Leaf,
    Number,
    Test,
    cidr_test,
    comparable,
    wildcard_test,
)

MAX_COMBINATIONS: Final = 1000
"""Rules that the `$or` arrays of one pattern may multiply to."""

_OR: Final = "$or"
# Operators of today, and those that AWS reserves for the future.
_RESERVED_IN_OR: Final = frozenset(
    {
        *("exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists"),
        *("wildcard", "numeric", "cidr", "html", "regex", "=", "<", "<=", ">", ">="),
        *("not-wildcard", "not-equals-ignore-case", "in-date-range"),
        *("date-after", "date-on-or-after", "date-before", "date-on-or-before"),
        *("ip-address-in-range", "ip-address-not-in-range"),
    }
)
_COMPARISONS: Final[Mapping[str, Callable[[Decimal, Decimal], bool]]] = {
    "=": lambda value, bound: value == bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
}


class PatternError(ValueError):
    """AWS refuses the pattern.

    Attributes:
        reason: Why, with the field at fault.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"Event pattern is not valid. Reason: {reason}")
        self.reason = reason


class _RefusedError(ValueError):
    """A value of a pattern is wrong; whoever knows the field adds it."""


@dataclass(frozen=True, slots=True)
class Field:
    """What a pattern wants of one field: that a value passes one of the tests, or that none is."""

    tests: tuple[Test, ...]
    may_be_absent: bool

    def passes(self, leaf: Leaf) -> bool:
        """Judge one value of the field."""
        return any(test(leaf) for test in self.tests)


Rule = dict[str, Field]
"""Fields by their path, joined by dots; all of them must be fulfilled."""


def parse_rules(pattern: object) -> list[Rule]:
    """Return the rules of a pattern, one of which an event must fulfil; `$or` makes them many.

    Raises:
        PatternError: The pattern is wrong.
    """
    if not isinstance(pattern, dict):
        raise PatternError("Filter is not an object")
    return _object([{}], (), pattern, is_in_or=False)


def _object(
    rules: list[Rule], path: tuple[str, ...], pattern: Mapping[str, Any], *, is_in_or: bool
) -> list[Rule]:
    if not pattern:
        raise _error("Empty objects are not allowed", path)
    for name, value in pattern.items():
        place = (*path, name)
        if name == _OR:
            rules = list(_alternatives(rules, path, value))
        elif is_in_or and name in _RESERVED_IN_OR:
            raise _error(
                f"{name} is Ruler reserved fieldName which cannot be used inside $or.", path
            )
        elif isinstance(value, dict):
            rules = _object(rules, place, value, is_in_or=is_in_or)
        elif isinstance(value, list):
            field = _field(place, value)
            rules = [{**rule, ".".join(place): field} for rule in rules]
        else:
            raise _error(f'"{name}" must be an object or an array', path)
    return rules


def _alternatives(rules: list[Rule], path: tuple[str, ...], branches: object) -> Iterator[Rule]:
    if not isinstance(branches, list):
        raise _error("It must be an Array followed with $or.", path)
    if any(not isinstance(branch, dict) for branch in branches):
        raise _error("Only JSON object is allowed in array of $or relationship.", path)
    if len(branches) < 2:
        raise _error("There must have at least 2 Objects in $or relationship.", path)
    combinations = 0
    for branch in branches:
        made = _object(rules, path, branch, is_in_or=True)
        combinations += len(made)
        if combinations > MAX_COMBINATIONS:
            raise _error(f"$or makes more than {MAX_COMBINATIONS} rule combinations", path)
        yield from made


def _field(path: tuple[str, ...], values: list[Any]) -> Field:
    if not values:
        raise _error("Empty arrays are not allowed", path)
    try:
        tests = [_value_test(value) for value in values]
    except ValueError as error:
        raise _error(str(error), path) from error
    present = tuple(test for test in tests if test is not None)
    return Field(present, may_be_absent=len(present) < len(tests))


def _error(reason: str, path: tuple[str, ...]) -> PatternError:
    return PatternError(f"{reason} (at {'.'.join(path)})" if path else reason)


def _value_test(value: object) -> Test | None:
    """Compile one alternative; None stands for the absence of the field."""
    if isinstance(value, dict):
        if not value:
            raise _RefusedError("Match expression name not found")
        operator, operand = next(iter(value.items()))
        known = _OPERATORS.get(operator)
        if known is None:
            raise _RefusedError(f"Unrecognized match type {operator}")
        test = known(operand)
        if len(value) > 1:
            raise _RefusedError("Only one key allowed in match expression")
        return test
    if isinstance(value, list):
        raise _RefusedError("Match value must be String, number, true, false, or null")
    # `true` equals 1 in Python, but no `Number`.
    return lambda leaf: type(leaf) is type(value) and leaf == value


def _exists(wanted: object) -> Test | None:
    if not isinstance(wanted, bool):
        raise _RefusedError("exists match pattern must be either true or false.")
    return (lambda _: True) if wanted else None


def _affix(operator: str) -> Callable[[object], Test]:
    def compiled(operand: object) -> Test:
        ignores_case = isinstance(operand, dict)
        if isinstance(operand, dict):
            if not operand:
                raise _RefusedError(f"{operator.capitalize()} expression name not found")
            for nested in operand:
                if nested != "equals-ignore-case":
                    raise _RefusedError(f"Unsupported {operator} pattern: {nested}")
            operand = _text("equals-ignore-case", operand["equals-ignore-case"])
        return _text_test(operator, _text(operator, operand), ignores_case=ignores_case)

    return compiled


def _text_test(operator: str, text: str, *, ignores_case: bool = False) -> Test:
    wanted = text.lower() if ignores_case else text

    def test(leaf: Leaf) -> bool:
        if not isinstance(leaf, str):
            return False
        found = leaf.lower() if ignores_case else leaf
        match operator:
            case "prefix":
                return found.startswith(wanted)
            case "suffix":
                return found.endswith(wanted)
            case _:
                return found == wanted

    return test


def _text(operator: str, operand: object) -> str:
    if not isinstance(operand, str):
        raise _RefusedError(f"{operator} match pattern must be a string")
    return operand


def _equals_ignore_case(operand: object) -> Test:
    text = _text("equals-ignore-case", operand)
    return _text_test("equals-ignore-case", text, ignores_case=True)


def _wildcard(operand: object) -> Test:
    return wildcard_test(_text("wildcard", operand))


def _cidr(operand: object) -> Test:
    # The message is AWS's, slip included.
    return cidr_test(_text("prefix", operand))


def _anything_but(operand: object) -> Test:
    if isinstance(operand, dict):
        return _none_of(_nested_anything_but(operand))
    if not isinstance(operand, list | str | Number):
        raise _RefusedError("Value of anything-but must be an array or single string/number value.")
    values = operand if isinstance(operand, list) else [operand]
    if any(not isinstance(value, str | Number) for value in values):
        raise _RefusedError("Inside anything but list, start|null|boolean is not supported.")
    if len({type(value) for value in values}) != 1:
        raise _RefusedError(
            "Inside anything but list, either all values are number or string, mixed type is not "
            "supported"
        )
    if isinstance(values[0], str):
        return _none_of([_value_test(value) for value in values])
    bounds = {_bound(value) for value in values if isinstance(value, Number)}
    return lambda leaf: comparable(leaf) not in bounds


def _nested_anything_but(operand: Mapping[str, Any]) -> Iterator[Test]:
    if not operand:
        raise _RefusedError("Anything-But expression name not found")
    operator, nested = next(iter(operand.items()))
    if operator not in _NESTED_TESTS:
        raise _RefusedError(f"Unsupported anything-but pattern: {operator}")
    if len(operand) > 1:
        raise _RefusedError("Only one key allowed in match expression")
    if not isinstance(nested, list | str | Number):
        raise _RefusedError("Value of anything-but must be an array or single string/number value.")
    texts = nested if isinstance(nested, list) else [nested]
    if not texts:
        raise _RefusedError("Empty arrays are not allowed")
    for text in texts:
        yield _NESTED_TESTS[operator](text)


def _nested_ignore_case(text: object) -> Test:
    if not isinstance(text, str):
        raise _RefusedError(
            "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not "
            "supported."
        )
    return _equals_ignore_case(text)


def _nested_affix(operator: str) -> Callable[[object], Test]:
    def compiled(text: object) -> Test:
        if text == "":
            raise _RefusedError("Null prefix/suffix not allowed")
        return _text_test(operator, _text("prefix/suffix", text))

    return compiled


def _none_of(tests: Iterable[Test | None]) -> Test:
    excluded = [test for test in tests if test is not None]
    return lambda leaf: not any(test(leaf) for test in excluded)


def _numeric(operand: object) -> Test:
    if not isinstance(operand, list):
        raise _RefusedError("Value of numeric must be an array.")
    if not operand or not isinstance(operand[0], str):
        raise _RefusedError(f"Invalid member in numeric match: {_shown(operand)}")
    operator = operand[0]
    if operator not in _COMPARISONS:
        raise _RefusedError(f"Unrecognized numeric range operator: {operator}")
    parts = [(operator, _operand(operator, operand, 1))]
    if len(operand) > 2:
        parts.append(_range_end(operator, operand))
        if parts[0][1] >= parts[1][1]:
            raise _RefusedError("Bottom must be less than top")

    def test(leaf: Leaf) -> bool:
        value = comparable(leaf)
        return value is not None and all(_COMPARISONS[name](value, bound) for name, bound in parts)

    return test


def _range_end(operator: str, operand: list[Any]) -> tuple[str, Decimal]:
    if operator not in {">", ">="}:
        raise _RefusedError("Too many elements in numeric expression")
    if not isinstance(operand[2], str):
        raise _RefusedError(f"Bad value in numeric range: {_shown(operand[2:])}")
    if operand[2] not in {"<", "<="}:
        raise _RefusedError(f"Bad numeric range operator: {operand[2]}")
    end = (operand[2], _operand(operand[2], operand, 3))
    if len(operand) > 4:
        raise _RefusedError("Too many terms in numeric range expression")
    return end


def _operand(operator: str, operand: list[Any], index: int) -> Decimal:
    if index >= len(operand) or not isinstance(operand[index], Number):
        name = "equals" if operator == "=" else operator
        raise _RefusedError(f"Value of {name} must be numeric")
    return _bound(operand[index])


def _bound(number: Number) -> Decimal:
    value = comparable(number)
    if value is not None:
        return value
    if abs(float(number.text)) > MAX_NUMBER:
        raise _RefusedError("Value must be between -5.0E9 and 5.0E9, inclusive")
    raise _RefusedError(f"Only values upto {MAX_DECIMALS} decimals are supported: {number.text}")


def _shown(values: list[Any]) -> str:
    if not values:
        return "]"
    return values[0].text if isinstance(values[0], Number) else str(values[0])


_OPERATORS: Final[Mapping[str, Callable[[Any], Test | None]]] = {
    "anything-but": _anything_but,
    "cidr": _cidr,
    "equals-ignore-case": _equals_ignore_case,
    "exists": _exists,
    "numeric": _numeric,
    "prefix": _affix("prefix"),
    "suffix": _affix("suffix"),
    "wildcard": _wildcard,
}

_NESTED_TESTS: Final[Mapping[str, Callable[[object], Test]]] = {
    "equals-ignore-case": _nested_ignore_case,
    "prefix": _nested_affix("prefix"),
    "suffix": _nested_affix("suffix"),
    "wildcard": _wildcard,
}
