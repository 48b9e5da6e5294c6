import random
from importlib.resources import files
from typing import Any

import msgspec
import pytest

from pipeline.detection.detector import detectors, pooled_detectors
from pipeline.detection.rules import RulesError, default_rules, load_rules
from pipeline.detection.signups import PER_USER, change_detectors
from pipeline.users import UserChange
from tests.unit.detection.changes import ChangeFolds, change
from tests.unit.detection.series import START

TAKEN_OVER = [
    change(1, 0, was={"email": "a@example.com"}, now={"email": "b@example.org"}),
    change(2, 60, was={"password_hash": "1"}, now={"password_hash": "2"}),
    change(3, 120, was={"phone": "+1"}, now={"phone": "+2"}),
]


def removals(count: int, every_s: float = 1.0) -> list[UserChange]:
    return [change(n, n * every_s, "REMOVE", user=f"u{n}") for n in range(count)]


def test_a_take_over_names_the_attributes_and_no_value() -> None:
    facts = ChangeFolds().take(TAKEN_OVER[:2])

    (fact,) = facts
    assert fact.title == "E-mail and password of u1 replaced within 1 h"
    assert fact.dedup_key == "account_takeover#u1"
    assert fact.labels == {"user_id": "u1"}
    assert b"example" not in msgspec.json.encode(fact)


@pytest.mark.parametrize("order", range(6))
def test_changes_in_any_order_are_one_take_over(order: int) -> None:
    shuffled = random.Random(order).sample(TAKEN_OVER, 3)

    facts = ChangeFolds().take(shuffled)

    assert [fact.edge for fact in facts] == ["opened", "escalated"]


def test_a_repetition_yields_no_fact_and_leaves_the_states_as_they_are() -> None:
    everything = [*TAKEN_OVER, *removals(60)]
    folds = ChangeFolds()
    folds.take(everything)
    before = dict(folds.rows)

    facts = folds.take(everything[-30:])

    assert facts == []
    assert folds.rows == before


def test_users_who_expire_do_not_fill_the_window_of_the_others() -> None:
    expired = [change(f"x{n}", n, "REMOVE", by_ttl=True, user=f"x{n}") for n in range(100)]

    facts = ChangeFolds().take([*expired, *removals(20)])

    assert facts == []


def test_a_mass_deletion_says_how_many_at_least() -> None:
    facts = ChangeFolds().take(removals(21))

    (fact,) = facts
    assert fact.title == "More than 20 users removed within 10 min"
    assert fact.subject == "users"
    assert fact.opened_at.timestamp() == START.timestamp() + 20


def test_facts_do_not_depend_on_when_they_are_computed() -> None:
    first = ChangeFolds().take(removals(300))
    second = ChangeFolds().take(removals(300))

    assert first == second


def test_each_state_of_a_user_is_on_the_list_of_what_is_erased() -> None:
    rules = default_rules()
    per_user = {"payment", "travel", "login_user", "takeover", "fraud_card"}

    everything: list[Any] = [
        *detectors(rules),
        *pooled_detectors(rules),
        *change_detectors(rules),
    ]
    names = {f"{detector.name}#{detector.version}" for detector in everything}

    assert set(PER_USER) == {name for name in names if name.partition("#")[0] in per_user}
    assert len(PER_USER) == len(per_user)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("attributes = 2", "attributes = 1", "account_takeover"),
        ("public_count = 40", "public_count = 4", "`public_count` must be at least `count`"),
        ("memory_s = 604800.0\npublic", "memory_s = 600.0\npublic", "ten times"),
        ('"gmail.com"', '"Gmail.com"', "lower case"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(old: str, new: str, message: str) -> None:
    text = files("pipeline.detection").joinpath("rules.toml").read_text("utf-8")
    assert text.count(old) == 1

    with pytest.raises(RulesError, match=message):
        load_rules(text.replace(old, new))
