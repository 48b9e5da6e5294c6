from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import pipeline.detection
from pipeline.detection.account_rules import AccountRule
from pipeline.detection.rules import default_rules
from pipeline.users import Kind, UserChange
from tests.unit.detection.changes import ChangeFolds, change
from tests.unit.detection.users import edges

EXAMPLES = Path(pipeline.detection.__path__[0]) / "examples"
RULES = [rule.id for rule in default_rules().all() if isinstance(rule, AccountRule)]


class Send(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"now": "is"}):
    kind: Kind
    at_s: float = 0.0
    every_s: float = 0.0
    times: int = 1
    user: str = "u1"
    id: str = ""
    was: dict[str, str] = {}
    now: dict[str, str] = {}
    by_ttl: bool = False


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    sends: tuple[Send, ...]
    expect: tuple[str, ...]


class Examples(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    example: tuple[Example, ...]


def examples(rule_id: str) -> tuple[Example, ...]:
    text = (EXAMPLES / f"{rule_id}.toml").read_text("utf-8")
    return msgspec.toml.decode(text, type=Examples).example


def changes(example: Example) -> Iterator[UserChange]:
    for number, send in enumerate(example.sends):
        for i in range(send.times):
            now = {name: text.replace("{i}", str(i)) for name, text in send.now.items()}
            yield change(
                send.id or f"{number}-{i}",
                send.at_s + i * send.every_s,
                send.kind,
                send.was,
                now,
                user=send.user.replace("{i}", str(i)),
                by_ttl=send.by_ttl,
            )


@pytest.mark.parametrize(
    ("rule_id", "example"),
    [
        pytest.param(rule_id, example, id=f"{rule_id}: {example.name}")
        for rule_id in RULES
        for example in examples(rule_id)
    ],
)
def test_a_rule_about_accounts_yields_exactly_the_facts_of_its_example(
    rule_id: str, example: Example
) -> None:
    facts = ChangeFolds().take(changes(example))

    assert edges(facts, rule_id) == list(example.expect)


@pytest.mark.parametrize("rule_id", RULES)
def test_every_rule_about_accounts_has_an_example_that_fires_and_one_that_does_not(
    rule_id: str,
) -> None:
    outcomes = {bool(example.expect) for example in examples(rule_id)}

    assert outcomes == {True, False}
