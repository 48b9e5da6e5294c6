"""A storm, a group and their ends with a fault at every single call, and in any order."""

import json
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.detection.alerting import Budget
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.rules import Rules, default_rules
from pipeline.errors import RetryableError
from pipeline.flows.alerts.outbox import LEASE
from tests.fakes.alert_world import World, payment_fact, record
from tests.fakes.alerts import FAULTS, NOON, CrashError, Fault, cpu_fact

CALLS_OF_STORY: Final = 127
HOUR: Final = 3600.0


def host(number: int, **changes: object) -> Anomaly:
    name = f"web-{number}"
    return cpu_fact(**{"subject": f"{name}/cpu_usage", "source": name} | changes)


def calm(number: int) -> Anomaly:
    return host(number, edge="cleared", event_id="e-3", occurred_at=NOON)


WAVES: Final = (
    (host(1), host(2), host(3)),
    (payment_fact(1), payment_fact(2), payment_fact(3)),
    (calm(2), calm(1), calm(3)),
)
"""With a budget of three: a page, the group's update, a page, two held back; then all is over."""


def small_budget() -> Rules:
    rules = default_rules()
    budget = Budget(notifications=3, window_s=300.0)
    return msgspec.structs.replace(
        rules, alerting=msgspec.structs.replace(rules.alerting, budget=budget)
    )


def struck_at(call: int, fault: Fault) -> World:
    world = World(small_budget())
    world.faults.strike = lambda number, _: fault if number == call else None
    return world


def deliver(world: World, facts: Sequence[Anomaly]) -> None:
    """Deliver facts as the stream does: again from the first that was not taken."""
    records = [record(fact, str(number)) for number, fact in enumerate(facts)]
    taken = 0
    while taken < len(records):
        try:
            report = world.worker().take_batch(records[taken:])
        except CrashError:
            world.clock.advance(LEASE.total_seconds() + 1)
        else:
            taken += report.taken
            world.clock.advance(1 if report.failed is None else LEASE.total_seconds() + 1)


def sweep(world: World) -> None:
    try:
        world.sweep()
    except (CrashError, RetryableError):
        world.clock.advance(LEASE.total_seconds() + 1)


def story(world: World) -> None:
    for wave in WAVES:
        deliver(world, wave)
        world.clock.advance(30)
        sweep(world)
    for seconds in (300, 300, HOUR, 60, 300, HOUR, 300, HOUR):
        world.clock.advance(seconds)
        sweep(world)


def check(world: World) -> None:
    """Assert that nothing fires or waits, and that everybody has heard of everything."""
    for row in world.store.rows.values():
        alert = json.loads(row.document)
        assert not alert["firing"]
        assert "outbox" not in alert
    accounts = world.ledger.accounts.values()
    assert sum(one.held for one in accounts) == sum(one.told for one in accounts)
    opened = {page["alert_id"] for page in world.pages if page["status"] != "resolved"}
    ended = {page["alert_id"] for page in world.pages if page["status"] == "resolved"}
    assert opened <= ended  # nothing that people or PagerDuty have open stays open
    named = {subject for one in accounts for subject in one.subjects}
    heard = {page["dedup_key"].partition("#")[2] for page in world.pages}
    assert {fact.subject for wave in WAVES for fact in wave} <= named | heard


def test_the_story_has_a_group_a_storm_and_their_ends() -> None:
    world = World(small_budget())

    story(world)

    check(world)
    assert Counter(world.reasons) == {
        "first": 2,
        "group": 3,  # who has joined, who of them is over, and what the digest told of
        "storm_digest": 1,
        "resolved": 3,
    }
    assert len({sent.body for sent in world.pager.sent}) == len(world.pager.sent) == 18
    assert len(world.faults.calls) == CALLS_OF_STORY


@pytest.mark.parametrize("call", range(1, CALLS_OF_STORY + 1))
def test_a_fault_at_any_call_loses_nothing_and_doubles_nothing_without_cause(call: int) -> None:
    for fault in FAULTS:
        world = struck_at(call, fault)

        story(world)

        check(world)
        copies = Counter((sent.topic, _id(sent.body)) for sent in world.pager.sent)
        doubled = sum(count - 1 for count in copies.values())
        assert doubled <= _allowed(world.faults.calls, call, fault), fault


@settings(max_examples=100, deadline=None)
@given(
    st.permutations([fact for wave in WAVES for fact in wave]),
    st.lists(st.integers(0, 8), max_size=4),
    st.integers(0, 150),
    st.sampled_from(FAULTS),
)
def test_any_order_any_portions_and_deliveries_again_tell_everything_once(
    facts: list[Anomaly], cuts: list[int], call: int, fault: Fault
) -> None:
    world = struck_at(call, fault)
    edges = [0, *sorted(cuts), len(facts)]

    for begin, end in pairwise(edges):
        deliver(world, facts[max(0, begin - 2) : end])  # the last two come again
        world.clock.advance(20)
        sweep(world)
    deliver(world, facts)
    for seconds in (300, 300, HOUR, 60, 300, HOUR, 300, HOUR, HOUR):
        world.clock.advance(seconds)
        sweep(world)

    check(world)
    copies = Counter((sent.topic, _id(sent.body)) for sent in world.pager.sent)
    allowed = _allowed(world.faults.calls, call, fault) if call else 0
    assert sum(count - 1 for count in copies.values()) <= allowed


def _id(body: str) -> str:
    """Return the id of a machine record; a text bears its alert's, so it is told by its words."""
    return str(json.loads(body)["id"]) if body.startswith("{") else body


def _allowed(calls: Sequence[str], call: int, fault: Fault) -> int:
    """Return how many second copies a fault excuses: between a publish and its mark, one."""
    if len(calls) < call:
        return 0
    struck, before = calls[call - 1], calls[call - 2]
    is_unmarked = struck.startswith("publish") and fault in {"lost reply", "crash after"}
    is_mark_lost = before.startswith("publish") and fault in {"throttle", "crash before"}
    return int(is_unmarked or is_mark_lost)
