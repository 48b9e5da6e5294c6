from datetime import timedelta

import pytest

from pipeline.flows.alerts.alert import Alert, alert_id
from pipeline.flows.alerts.hands import Hand, acknowledge, resolve_by_hand
from tests.fakes.alert_world import World
from tests.fakes.alerts import NOON, cpu_fact

ANN = Hand(by="ann", at=NOON + timedelta(minutes=1), note="on it")
CPU = cpu_fact()
CLEARED = cpu_fact(edge="cleared", event_id="e-3", occurred_at=NOON, count=9)
ESCALATED = cpu_fact(edge="escalated", event_id="e-2", severity="critical", count=9)


@pytest.fixture
def world() -> World:
    world = World()
    world.take(CPU)
    return world


def test_who_is_at_it_stands_in_the_alert(world: World) -> None:
    taken = acknowledge(world.alert(CPU), ANN)

    assert taken is not None
    assert taken.acknowledged == ANN
    assert taken.firing


def test_others_hear_who_is_at_it(world: World) -> None:
    world.by_hand(CPU, lambda alert: acknowledge(alert, ANN))

    for _ in range(10):
        world.wait(60)

    assert world.reasons == ["first", "acknowledged"]


def test_an_alert_that_is_over_takes_no_hand(world: World) -> None:
    world.take(CLEARED)
    over: Alert = world.alert(CPU)

    assert acknowledge(over, ANN) is None
    assert resolve_by_hand(over, ANN) is None


def test_an_alert_resolved_by_hand_ends_then_and_is_due_to_be_told(world: World) -> None:
    closed = resolve_by_hand(world.alert(CPU), ANN)

    assert closed is not None
    assert (closed.firing, closed.ends_at, closed.closed) == (False, ANN.at, ANN)
    assert (closed.untold, closed.check_at) == ("resolved", ANN.at)


def test_the_clearing_of_what_was_resolved_by_hand_is_noted_and_not_told(world: World) -> None:
    world.by_hand(CPU, lambda alert: resolve_by_hand(alert, ANN))

    world.take(CLEARED)
    world.wait(120)

    assert world.reasons == ["first", "resolved"]
    assert CPU.opened_at in world.alert(CPU).ended


def test_what_gets_worse_after_a_hand_resolved_it_is_a_new_alert(world: World) -> None:
    world.by_hand(CPU, lambda alert: resolve_by_hand(alert, ANN))
    world.wait(120)

    world.take(ESCALATED)

    assert world.told == [("first", "high"), ("resolved", "high"), ("first", "critical")]
    assert world.alert(CPU).alert_id != alert_id(CPU)
    assert world.alert(CPU).firing


def test_a_resolve_by_hand_that_is_untold_survives_a_new_alert(world: World) -> None:
    world.by_hand(CPU, lambda alert: resolve_by_hand(alert, ANN))
    world.take(ESCALATED)

    world.wait(120)

    assert sorted(world.reasons) == ["first", "first", "resolved"]
