from pathlib import Path

import pipeline.detection
from pipeline.cli.rules.examples import ELSEWHERE, WITHOUT_EXAMPLES, outcomes
from pipeline.detection.rules import default_rules

EXAMPLES = Path(pipeline.detection.__path__[0]) / "examples"
RULES = {rule.id for rule in default_rules().all()}


def test_every_rule_has_examples_or_is_said_to_have_none() -> None:
    with_examples = {path.stem for path in EXAMPLES.glob("*.toml")}

    assert with_examples | WITHOUT_EXAMPLES == RULES
    assert with_examples & WITHOUT_EXAMPLES == set()
    assert with_examples > ELSEWHERE


def test_every_rule_that_is_tried_has_an_example_that_fires_and_one_that_does_not() -> None:
    tried = RULES - ELSEWHERE - WITHOUT_EXAMPLES

    expected = {
        rule: {bool(one.expected) for one in outcomes(rule, default_rules())} for rule in tried
    }

    assert expected == {rule: {True, False} for rule in tried}


def test_the_docs_say_what_a_rule_without_examples_waits_for() -> None:
    text = Path("docs/detection.md").read_text(encoding="utf-8")

    told = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}

    assert told >= WITHOUT_EXAMPLES
