"""A standard JSON Schema validator and the decoder judge alike, but for a short list."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pipeline.errors import InvalidRecordError
from pipeline.events import decode

ROOT = Path(__file__).resolve().parents[2]

VALIDATORS = [
    Draft202012Validator(
        json.loads((ROOT / "schemas" / f"{name}.json").read_text()),
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )
    for name in ["user_activity", "system_metric", "transaction", "fraud_report"]
]


class Difference(NamedTuple):
    """An event that only one of the two accepts."""

    name: str
    event: bytes
    accepted_by: str


def activity(more: str) -> bytes:
    head = '{"event_type": "user_activity", "activity_type": "a", '
    return (head + more + "}").encode()


def transaction(amount: str) -> bytes:
    head = (
        '{"event_type": "transaction", "transaction_id": "t", "user_id": "u", "currency": "CHF", '
    )
    return (head + f'"timestamp": "2026-01-31T12:00:00Z", "amount": {amount}}}').encode()


NOW = '"timestamp": "2026-01-31T12:00:00Z"'
USER = '"user_id": "u"'

DIFFERENCES = [
    Difference(
        "A space between date and time",
        activity(USER + ', "timestamp": "2026-01-31 12:00:00Z"'),
        "decoder",
    ),
    Difference(
        "An offset without its colon, `+0100`",
        activity(USER + ', "timestamp": "2026-01-31T12:00:00+0100"'),
        "decoder",
    ),
    Difference(
        "A timestamp that rounds up into the year 10000",
        activity(USER + ', "timestamp": "9999-12-31T23:59:59.9999999Z"'),
        "schema",
    ),
    Difference(
        "A line feed after a timestamp (a slip of Python's format checker)",
        activity(USER + r', "timestamp": "2026-01-31T12:00:00Z\n"'),
        "schema",
    ),
    Difference(
        "An amount given as a number that a double rounds to the bound of 10^18",
        transaction("999999999999999999.99"),
        "decoder",
    ),
    Difference(
        "An amount given as a number with more than 20 fractional digits",
        transaction("0.000000000000000000001"),
        "schema",
    ),
    Difference(
        "Half of a surrogate pair in a text",
        activity(USER + ", " + NOW + r', "session_id": "\ud800"'),
        "schema",
    ),
    Difference(
        "A field given twice, the first time wrongly",
        activity('"user_id": 1, ' + USER + ", " + NOW),
        "schema",
    ),
    Difference(
        "`details` above 32 KiB of JSON",
        activity(f'{USER}, {NOW}, "details": {{"a": "{"x" * 32_768}"}}'),
        "schema",
    ),
    Difference(
        "An event above 256 KiB",
        activity(f'{USER}, {NOW}, "unknown": "{"x" * 262_144}"'),
        "schema",
    ),
]


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def valid_by_schema(data: bytes) -> bool:
    """Judge as any validator would: JSON read with doubles, one of the four schemas has to hold."""
    try:
        instance = json.loads(data.decode(), parse_constant=refuse_constant)
    except ValueError:
        return False
    return any(validator.is_valid(instance) for validator in VALIDATORS)


def valid_by_decoder(data: bytes) -> bool:
    try:
        decode(data)
    except InvalidRecordError:
        return False
    return True


def texts(shortest: int, longest: int) -> st.SearchStrategy[str]:
    """Draw texts of any script, short ones and some at the bounds."""
    characters = st.characters(exclude_categories=["Cs"])
    bounds = st.sampled_from(["é" * longest, "x" * shortest, "\U0001f600" * longest])
    return bounds | st.text(characters, min_size=shortest, max_size=min(longest, 20))


def numbers(bound: float) -> st.SearchStrategy[float]:
    return st.sampled_from([0, -bound, bound]) | st.floats(-bound, bound)


IDENTIFIER, LABEL = texts(1, 128), texts(0, 256)
TIMESTAMP = st.sampled_from(
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31t12:00:00z",
        "2024-02-29T23:59:59.123456789+14:00",
        "0001-01-01T00:00:00-23:59",
        "9999-12-31T23:59:59.999999-00:00",
    ]
)
AMOUNT = (
    st.sampled_from(["0", "-0.00", "9" * 18 + "." + "9" * 20, 10**18 - 1, -(10**18) + 1, 1e-20])
    | st.integers(-(10**18) + 1, 10**18 - 1)
    | st.decimals(-1000, 1000, places=2).map(str)
)
POSITION = st.fixed_dictionaries(
    {"latitude": numbers(90.0), "longitude": numbers(180.0)},
    optional={"city": LABEL, "country": LABEL},
)
PLACE = LABEL | POSITION
DETAILS = st.dictionaries(st.text(max_size=5), st.integers() | st.lists(st.none()), max_size=3)
TAGS = st.dictionaries(IDENTIFIER, LABEL, max_size=4) | st.just({str(n): "" for n in range(50)})
IDENTITY = {"event_id": IDENTIFIER, "producer": IDENTIFIER, "unknown": st.none() | LABEL}

EVENTS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries(
        {
            "event_type": st.just("user_activity"),
            "user_id": IDENTIFIER,
            "activity_type": IDENTIFIER,
            "timestamp": TIMESTAMP,
        },
        optional={
            "details": DETAILS,
            "session_id": IDENTIFIER,
            "ip_address": texts(0, 45),
            "location": PLACE,
            **IDENTITY,
        },
    ),
    st.fixed_dictionaries(
        {
            "event_type": st.just("system_metric"),
            "metric_name": IDENTIFIER,
            "value": numbers(1e100),
            "timestamp": TIMESTAMP,
            "source": texts(1, 256),
        },
        optional={"unit": texts(0, 32), "tags": TAGS, **IDENTITY},
    ),
    st.fixed_dictionaries(
        {
            "event_type": st.just("transaction"),
            "transaction_id": IDENTIFIER,
            "user_id": IDENTIFIER,
            "amount": AMOUNT,
            "currency": st.sampled_from(["CHF", "USD"]),
            "timestamp": TIMESTAMP,
        },
        optional={
            "merchant": IDENTIFIER,
            "category": LABEL,
            "status": LABEL,
            "location": PLACE,
            **IDENTITY,
        },
    ),
    st.fixed_dictionaries(
        {
            "event_type": st.just("fraud_report"),
            "transaction_id": IDENTIFIER,
            "user_id": IDENTIFIER,
            "transaction_timestamp": TIMESTAMP,
            "is_fraud": st.booleans(),
            "timestamp": TIMESTAMP,
        },
        optional={"merchant": IDENTIFIER, **IDENTITY},
    ),
)

MUTANTS = st.one_of(
    st.sampled_from([None, True, False, 0, 1, -1, 1.0, 10**18, -(10**18), 2**64, 10**30, 1e18]),
    st.sampled_from([1e100, -1e100, 1e101, -1e101, 1e308, 5e-324, 90.1, -90.1, 180.1, -180.1]),
    st.sampled_from([[], {}, [""], {"": ""}, {"": 1}, {"a": None}, {"a": "x" * 257}]),
    st.sampled_from([{"latitude": 1}, {"latitude": 1, "longitude": True}, {"longitude": 1}]),
    st.sampled_from(["x" * length for length in (0, 1, 32, 33, 45, 46, 128, 129, 256, 257)]),
    st.sampled_from(["chf", "CHFX", "CH", "CHF\n", "CHÉ", "\u0000", "transaction", "heartbeat"]),
    st.sampled_from(["1E+5", "NaN", "01", "1.", ".5", "+1", " 1", "1\n", "1_0", "\u0661", "-"]),
    st.sampled_from(["9" * 19, "0." + "1" * 21, "1e5", "-0", "1." + "0" * 20, "1,5"]),
    st.sampled_from(["2026-01-31", "2026-01-31T12:00:00", "2026-02-29T12:00:00Z", "12:00:00Z"]),
    st.sampled_from(["2026-01-31T24:00:00Z", "2026-12-31T23:59:60Z", "2026-01-31T12:00Z"]),
    st.sampled_from(["0000-01-01T00:00:00Z", "2026-01-31T12:00:00+24:00", "2026-01-31T12:00:00.Z"]),
    st.sampled_from([" 2026-01-31T12:00:00Z", "20260131T120000Z"]),
    st.just({str(n): "" for n in range(51)}),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
        max_leaves=4,
    ).filter(lambda value: "Infinity" not in json.dumps(value)),
)  # fmt: skip


@given(EVENTS)
@settings(derandomize=True, deadline=None, max_examples=200)
def test_both_accept_each_valid_event(event: dict[str, Any]) -> None:
    data = json.dumps(event).encode()

    verdicts = (valid_by_schema(data), valid_by_decoder(data))

    assert verdicts == (True, True)


@given(event=EVENTS, data=st.data())
@settings(derandomize=True, deadline=None, max_examples=800)
def test_both_judge_a_changed_event_alike(event: dict[str, Any], data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(sorted(event)))
    event[field] = data.draw(MUTANTS)
    if isinstance(event[field], dict):
        inner = data.draw(st.sampled_from(["latitude", "city", "x"]))
        event[field] = {**event[field], inner: data.draw(MUTANTS)}
    changed = json.dumps(event).encode()

    verdicts = (valid_by_schema(changed), valid_by_decoder(changed))

    assert verdicts[0] == verdicts[1], verdicts


@given(event=EVENTS, data=st.data())
@settings(derandomize=True, deadline=None, max_examples=200)
def test_both_judge_an_event_without_one_of_its_fields_alike(
    event: dict[str, Any], data: st.DataObject
) -> None:
    del event[data.draw(st.sampled_from(sorted(event)))]
    shortened = json.dumps(event).encode()

    verdicts = (valid_by_schema(shortened), valid_by_decoder(shortened))

    assert verdicts[0] == verdicts[1], verdicts


@pytest.mark.parametrize(
    "text", ["null", "[]", "3", '"a"', "{}", "", "{", "{]", '{"a": NaN}', '{"a": 01}', "\ufeff{}"]
)
def test_both_refuse_what_is_no_event(text: str) -> None:
    data = text.encode()

    verdicts = (valid_by_schema(data), valid_by_decoder(data))

    assert verdicts == (False, False)


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.name)
def test_each_listed_difference_is_one(difference: Difference) -> None:
    by_schema = valid_by_schema(difference.event)

    by_decoder = valid_by_decoder(difference.event)

    assert (by_schema, by_decoder) == (
        difference.accepted_by == "schema",
        difference.accepted_by == "decoder",
    )


def test_the_documents_list_the_same_differences() -> None:
    text = (ROOT / "docs" / "contracts.md").read_text()
    section = text.split("\n## Schema and decoder\n")[1].split("\n## ")[0]

    rows = re.findall(r"^\| (.+?) \| (schema|decoder) \|", section, re.MULTILINE)

    assert rows == [(item.name, item.accepted_by) for item in DIFFERENCES]
