import pytest

from pipeline.detection.overrides import overridden
from pipeline.detection.rules import default_rules
from tests.fakes.alert_world import World
from tests.fakes.alerts import NOON, cpu_fact

STAGED = overridden("[static_limit]\nstaged = true")
CPU = cpu_fact()
CLEARED = cpu_fact(edge="cleared", event_id="e-3", occurred_at=NOON, count=9)
ESCALATED = cpu_fact(edge="escalated", event_id="e-2", severity="critical", count=9)


@pytest.fixture
def world() -> World:
    return World(STAGED)


def test_a_staged_rule_keeps_its_alert_and_pages_nobody(world: World) -> None:
    world.take(CPU, ESCALATED)
    for _ in range(300):
        world.wait(60)
    world.take(CLEARED)
    world.wait(600)

    assert world.pager.sent == []
    alert = world.alert(CPU)
    assert (alert.staged, alert.firing, alert.count, alert.untold) == (True, False, 9, None)


def test_what_still_fires_when_the_trial_ends_is_told_within_the_recheck_time(
    world: World,
) -> None:
    world.take(CPU)
    world.rules = default_rules()

    for _ in range(6):
        world.wait(60)

    assert world.reasons == ["first"]
    assert not world.alert(CPU).staged


def test_what_was_paged_before_the_trial_is_seen_to_end_and_nothing_else() -> None:
    world = World()
    world.take(CPU)
    world.rules = STAGED

    world.take(ESCALATED, CLEARED)

    assert world.reasons == ["first", "resolved"]


def test_a_staged_alert_explains_no_other(world: World) -> None:
    unusual = cpu_fact(rule_id="metric_baseline", severity="medium")

    world.take(CPU, unusual)

    assert [page["rule_id"] for page in world.pages] == ["metric_baseline"]


def test_a_rule_seen_to_end_before_it_opens_pages_nobody_while_it_is_staged(world: World) -> None:
    world.take(CLEARED)
    world.wait(600)

    assert world.pager.sent == []
    assert world.alert(CPU).untold is None
