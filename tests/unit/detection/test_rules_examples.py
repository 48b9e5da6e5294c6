from pathlib import Path

import msgspec
import pytest

import pipeline.detection
from pipeline.detection.rules import default_rules
from tests.unit.detection.series import fold, series

EXAMPLES = Path(pipeline.detection.__path__[0]) / "examples"


class Segment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    values: tuple[float, ...]
    times: int = 1


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    metric: str
    every_s: float
    segments: tuple[Segment, ...]
    expect: tuple[str, ...]
    unit: str | None = None


class Examples(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    example: tuple[Example, ...]


def examples(rule_id: str) -> tuple[Example, ...]:
    text = (EXAMPLES / f"{rule_id}.toml").read_text("utf-8")
    return msgspec.toml.decode(text, type=Examples).example


RULES = [rule.id for rule in default_rules().all() if rule.detector != "health"]


@pytest.mark.parametrize(
    ("rule_id", "example"),
    [
        pytest.param(rule_id, example, id=f"{rule_id}: {example.name}")
        for rule_id in RULES
        for example in examples(rule_id)
    ],
)
def test_a_rule_yields_exactly_the_facts_of_its_example(rule_id: str, example: Example) -> None:
    values = [value for part in example.segments for value in part.values * part.times]
    points = series(values, example.every_s, example.metric, example.unit)

    folded = fold(points)

    assert folded.of(rule_id) == list(example.expect)


@pytest.mark.parametrize("rule_id", RULES)
def test_every_rule_of_a_fold_has_an_example_that_fires_and_one_that_does_not(rule_id: str) -> None:
    outcomes = {bool(example.expect) for example in examples(rule_id)}

    assert outcomes == {True, False}


def test_every_example_file_belongs_to_a_rule_of_a_fold() -> None:
    files = {path.stem for path in EXAMPLES.glob("*.toml")}

    assert files == set(RULES)
