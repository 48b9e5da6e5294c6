from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest

import pipeline.detection
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.kpis import drifts
from pipeline.detection.rules import default_rules

RULE = default_rules().kpi_drift
MONDAY = date(2026, 3, 2)
EXAMPLES = Path(pipeline.detection.__path__[0]) / "examples" / "kpi_drift.toml"


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    days: tuple[float, ...]
    expect: tuple[str, ...]


class Examples(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    example: tuple[Example, ...]


def examples() -> tuple[Example, ...]:
    return msgspec.toml.decode(EXAMPLES.read_text("utf-8"), type=Examples).example


def judge(values: tuple[float, ...]) -> list[Anomaly]:
    """Judge the last of the figures of consecutive days."""
    days = {MONDAY + timedelta(days=i): {"users": value} for i, value in enumerate(values)}
    last = max(days)
    return list(drifts(RULE, "daily", last, days[last], days))


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_a_days_figure_yields_exactly_the_facts_of_its_example(example: Example) -> None:
    facts = judge(example.days)

    assert [f"{fact.edge} {fact.severity}" for fact in facts] == list(example.expect)


def test_the_examples_fire_and_do_not_fire() -> None:
    assert {bool(example.expect) for example in examples()} == {True, False}


def test_a_fact_says_what_was_expected_and_from_what() -> None:
    (fact,) = judge((100, 100, 100, 100, 100, 100, 100, 10))

    assert fact.subject == "daily.users"
    assert fact.fact_key == "2026-03-09T00:00:00.000000Z#2026-03-09#opened"
    assert fact.title == "daily.users unusual on 2026-03-09"
    assert fact.expected == "52 to 148"
    assert fact.reasons == ("10 is 11.2 deviations below 100, the median of 7 days",)
    assert fact.recent == (100, 100, 100, 100, 100, 100, 100)


def test_from_days_of_zeros_no_distance_is_told() -> None:
    (fact,) = judge((0, 0, 0, 0, 0, 0, 0, 1285))

    assert fact.expected == "0"
    assert fact.reasons == ("1,285 is above 0, the median of 7 days",)


def test_days_of_the_future_and_of_long_ago_are_no_history() -> None:
    day = MONDAY + timedelta(days=100)
    near = {day - timedelta(days=i): {"users": 100.0} for i in range(1, 7)}
    far = {day + timedelta(days=i): {"users": 100.0} for i in (1, -57, -58)}

    facts = list(drifts(RULE, "daily", day, {"users": 0.0}, {**near, **far}))

    assert facts == []


def test_each_figure_is_judged_by_its_own_history() -> None:
    days = {MONDAY - timedelta(days=i): {"a": 100.0, "b": 5.0} for i in range(1, 20)}

    facts = list(drifts(RULE, "daily", MONDAY, {"a": 5.0, "b": 5.0, "new": 1.0}, days))

    assert [fact.subject for fact in facts] == ["daily.a"]
