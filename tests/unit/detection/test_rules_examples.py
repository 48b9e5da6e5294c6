import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

import pipeline.detection
from pipeline.detection.account_rules import AccountRule
from pipeline.detection.image_rules import ImageRule
from pipeline.detection.kpi_rules import KpiDrift
from pipeline.detection.page_test import PageTest
from pipeline.detection.rules import default_rules
from pipeline.detection.user_rules import UserRule
from pipeline.events import decode
from tests.unit.detection.series import START, fold, series
from tests.unit.detection.users import Folds, Sent, edges

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


class Send(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    event: dict[str, Any]
    at_s: float = 0.0
    every_s: float = 0.0
    times: int = 1


class UserExample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    sends: tuple[Send, ...]
    expect: tuple[str, ...]


class UserExamples(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    example: tuple[UserExample, ...]


def examples(rule_id: str) -> tuple[Example, ...]:
    return msgspec.toml.decode(text(rule_id), type=Examples).example


def user_examples(rule_id: str) -> tuple[UserExample, ...]:
    return msgspec.toml.decode(text(rule_id), type=UserExamples).example


def text(rule_id: str) -> str:
    return (EXAMPLES / f"{rule_id}.toml").read_text("utf-8")


def sent(example: UserExample) -> Iterator[Sent]:
    """Yield what an example sends, decoded as the contract has it."""
    for number, send in enumerate(example.sends):
        for i in range(send.times):
            moment = START + timedelta(seconds=send.at_s + i * send.every_s)
            fields = json.dumps({**send.event, "timestamp": moment.isoformat()})
            event = decode(fields.replace("{i}", str(i)).encode())
            yield event, f"event-{number}-{i}" if event.event_id is UNSET else event.event_id


ALL = [rule for rule in default_rules().all() if rule.detector != "health"]
NOT_OF_SERIES = UserRule | ImageRule | KpiDrift | PageTest
RULES = [rule.id for rule in ALL if not isinstance(rule, NOT_OF_SERIES)]
USER_RULES = [
    rule.id for rule in ALL if isinstance(rule, UserRule) and not isinstance(rule, AccountRule)
]


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


@pytest.mark.parametrize(
    ("rule_id", "example"),
    [
        pytest.param(rule_id, example, id=f"{rule_id}: {example.name}")
        for rule_id in USER_RULES
        for example in user_examples(rule_id)
    ],
)
def test_a_rule_about_users_yields_exactly_the_facts_of_its_example(
    rule_id: str, example: UserExample
) -> None:
    facts = Folds().take(sent(example))

    assert edges(facts, rule_id) == list(example.expect)


@pytest.mark.parametrize("rule_id", RULES + USER_RULES)
def test_every_rule_of_a_fold_has_an_example_that_fires_and_one_that_does_not(rule_id: str) -> None:
    found = user_examples(rule_id) if rule_id in USER_RULES else examples(rule_id)

    outcomes = {bool(example.expect) for example in found}

    assert outcomes == {True, False}


def test_every_example_file_belongs_to_a_rule_of_a_fold() -> None:
    files = {path.stem for path in EXAMPLES.glob("*.toml")}

    images = {rule.id for rule in ALL if isinstance(rule, ImageRule)}  # see test_images.py
    accounts = {rule.id for rule in ALL if isinstance(rule, AccountRule)}  # test_accounts_examples
    days = {rule.id for rule in ALL if isinstance(rule, KpiDrift)}  # see test_kpis.py
    of_the_pipeline = {  # see flows/alerts/test_checkup_examples.py
        "pipeline_behind",
        "pipeline_dead_letters",
        "pipeline_rules_invalid",
        "pipeline_schema_drift",
        "pipeline_silent_source",
    }
    of_batches = {"pipeline_refused_records", "pipeline_stray_key"}  # flows/events, cli/rules
    by_hand = {"page_test"}  # cli/rules
    folds = {*RULES, *USER_RULES, *images, *accounts, *days}
    assert files == folds | of_the_pipeline | of_batches | by_hand
