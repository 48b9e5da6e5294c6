from datetime import timedelta

from pipeline.cli.rules.alerts_in_memory import AlertsInMemory
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.rules import default_rules
from tests.fakes.alert_world import World
from tests.fakes.alerts import NOON, cpu_fact

DAY = timedelta(days=1)


def test_an_alert_that_goes_on_firing_is_told_again_every_four_hours() -> None:
    alerts = AlertsInMemory(default_rules())

    alerts.take(cpu_fact(occurred_at=NOON, opened_at=NOON))
    alerts.run_until(NOON + timedelta(hours=9))

    assert alerts.pager.by_day == {"2026-03-01": 3}
    assert alerts.pager.by_rule == {"static_limit": 3}


def test_an_alert_of_an_event_is_over_by_quiet_and_its_end_is_told() -> None:
    alerts = AlertsInMemory(default_rules())
    fact = cpu_fact(rule_id="mass_deletion", kind="event", occurred_at=NOON, opened_at=NOON)

    alerts.take(fact)
    alerts.run_until(NOON + DAY)

    assert alerts.pager.by_rule == {"mass_deletion": 2}
    assert alerts.store.next_due() is None


def test_a_storm_is_held_back_as_by_the_functions() -> None:
    """The same facts through the alert flow on the fakes of its own tests: as many pages."""
    storm = [a_host(number) for number in range(60)]
    world, alerts = World(), AlertsInMemory(default_rules())
    world.clock.moment = NOON

    for fact in storm:
        world.clock.moment = fact.occurred_at
        world.take(fact)
        alerts.take(fact)
    for _ in range(30):
        world.wait(60)
    alerts.run_until(world.clock.moment)

    assert len(alerts.store) == 61  # the sixty and that of the storm
    assert alerts.pager.by_day.total() == len(world.on("oncall"))
    assert alerts.pager.by_day.total() < 60


def a_host(number: int) -> Anomaly:
    return cpu_fact(
        rule_id="transaction_amount",
        kind="event",
        subject=f"user-{number}",
        source=f"user-{number}",
        opened_at=NOON + timedelta(seconds=number),
        occurred_at=NOON + timedelta(seconds=number),
        event_id=f"e-{number}",
    )
