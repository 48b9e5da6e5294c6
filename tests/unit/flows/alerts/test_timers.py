from datetime import timedelta

import msgspec
import pytest

from pipeline.detection.alerting import Timers
from pipeline.errors import RetryableError
from pipeline.flows.alerts.alert import Alert
from pipeline.flows.alerts.hands import Hand
from pipeline.flows.alerts.timers import due, due_at
from tests.fakes.alert_world import World, payment_fact
from tests.fakes.alerts import NOON, cpu_fact

TIMERS = Timers(repeat_s=14_400, quiet_s=3600)


@pytest.fixture
def payment() -> Alert:
    world = World()
    world.take(payment_fact())
    return world.alert(payment_fact())


def test_an_alert_of_kind_event_is_due_when_quiet_ends_it(payment: Alert) -> None:
    assert due_at(payment, TIMERS) == NOON + timedelta(hours=1)


def test_an_alert_of_kind_state_is_due_when_it_is_to_be_told_again() -> None:
    world = World()
    world.take(cpu_fact())

    assert due_at(world.alert(cpu_fact()), TIMERS) == NOON + timedelta(hours=4)


def test_what_fires_is_in_the_index_even_when_nothing_is_due() -> None:
    world = World()
    world.take(cpu_fact())
    taken = msgspec.structs.replace(world.alert(cpu_fact()), acknowledged=Hand(by="ann", at=NOON))

    moment = due_at(taken, TIMERS)

    assert moment is not None
    assert moment.year == 9999


def test_what_is_over_and_told_is_due_no_more(payment: Alert) -> None:
    over = msgspec.structs.replace(payment, firing=False)

    assert due_at(over, TIMERS) is None
    assert due(over, NOON + timedelta(days=9), TIMERS) is None


def test_what_is_hidden_is_due_when_it_is_looked_at_again(payment: Alert) -> None:
    check_at = NOON + timedelta(minutes=5)
    hidden = msgspec.structs.replace(payment, untold="first", check_at=check_at)

    change = due(hidden, check_at, TIMERS)

    assert due_at(hidden, TIMERS) == check_at
    assert change is not None
    assert change.reason == "first"


def test_what_waits_in_the_outbox_is_due_at_its_next_attempt() -> None:
    world = World()
    world.faults.strike = lambda _, name: "throttle" if name.startswith("publish") else None
    with pytest.raises(RetryableError):
        world.take(payment_fact())

    assert due_at(world.alert(payment_fact()), TIMERS) == NOON + timedelta(seconds=30)


@pytest.mark.parametrize(("after_s", "reason"), [(3599, None), (3600, "resolved")])
def test_quiet_ends_an_alert_to_the_second(
    payment: Alert, after_s: int, reason: str | None
) -> None:
    change = due(payment, NOON + timedelta(seconds=after_s), TIMERS)

    assert (change.reason if change else None) == reason


def test_what_quiet_ends_ended_with_its_last_news(payment: Alert) -> None:
    change = due(payment, NOON + timedelta(hours=2), TIMERS)

    assert change is not None
    assert (change.alert.firing, change.alert.ends_at, change.alert.quiet) == (False, NOON, True)


def test_what_nobody_has_heard_of_ends_in_silence(payment: Alert) -> None:
    unheard = msgspec.structs.replace(
        payment, untold="first", check_at=NOON, told_at=None, deliveries=()
    )

    change = due(unheard, NOON + timedelta(hours=2), TIMERS)

    assert change is not None
    assert change.reason is None
    assert not change.alert.firing
