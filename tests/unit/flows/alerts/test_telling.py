from datetime import timedelta

import pytest

from pipeline.detection.anomaly import Anomaly
from pipeline.flows.alerts.silence import Matcher, Silence
from tests.fakes.alert_world import World, payment_fact
from tests.fakes.alerts import NOON, cpu_fact

CPU = cpu_fact()
CLEARED = cpu_fact(edge="cleared", event_id="e-3", occurred_at=NOON, count=9)
ESCALATED = cpu_fact(edge="escalated", event_id="e-2", severity="critical", count=9)


@pytest.fixture
def world() -> World:
    return World()


def silence(world: World, minutes: int, matcher: Matcher) -> None:
    world.silences.add(
        Silence(
            silence_id="s-1",
            owner="ann",
            reason="new disks",
            created_at=NOON,
            starts_at=NOON,
            ends_at=NOON + timedelta(minutes=minutes),
            matcher=matcher,
        )
    )


def baseline(**changes: object) -> Anomaly:
    return cpu_fact(**{"rule_id": "metric_baseline", "severity": "medium"} | changes)


def test_a_silence_hides_the_page_and_keeps_the_alert(world: World) -> None:
    silence(world, 10, Matcher(source="web-7"))

    world.take(CPU)

    assert world.pager.sent == []
    assert world.alert(CPU).firing
    assert world.silences.rows["s-1"].hidden == 1
    assert world.silences.rows["s-1"].last_hidden_at == NOON


def test_what_still_fires_when_its_silence_ends_is_told_then(world: World) -> None:
    silence(world, 8, Matcher(source="web-7"))
    world.take(CPU)

    for _ in range(9):
        world.wait(60)

    assert world.reasons == ["first"]
    assert world.pages[0]["silenced_count"] == 1
    assert world.silences.rows["s-1"].hidden == 1


def test_a_silence_that_is_removed_hides_for_at_most_five_minutes_more(world: World) -> None:
    silence(world, 600, Matcher(source="web-7"))
    world.take(CPU)
    world.silences.remove("s-1")

    for _ in range(5):
        world.wait(60)

    assert world.reasons == ["first"]


def test_what_ends_while_it_is_silenced_is_never_told(world: World) -> None:
    silence(world, 10, Matcher(source="web-7"))

    world.take(CPU, ESCALATED, CLEARED)
    for _ in range(20):
        world.wait(60)

    assert world.pager.sent == []
    assert not world.alert(CPU).firing


def test_the_end_of_what_was_paged_is_told_once_its_silence_is_over(world: World) -> None:
    world.take(CPU)
    silence(world, 10, Matcher(source="web-7"))
    world.clock.advance(60)
    world.take(CLEARED)

    hidden = list(world.reasons)
    for _ in range(12):
        world.wait(60)

    assert hidden == ["first"]
    assert world.reasons == ["first", "resolved"]


def test_a_silence_for_one_severity_lets_a_rise_through(world: World) -> None:
    world.silences.add(
        Silence(
            silence_id="s-1",
            owner="ann",
            reason="known",
            created_at=NOON,
            starts_at=NOON,
            ends_at=NOON + timedelta(hours=2),
            matcher=Matcher(severities=("high",)),
        )
    )

    world.take(CPU, ESCALATED)

    assert world.told == [("severity", "critical")]


def test_silences_are_read_again_within_a_minute(world: World) -> None:
    worker = world.worker()
    worker.take(payment_fact(1))
    silence(world, 10, Matcher(rule="transaction_amount"))
    world.clock.advance(50)

    worker.take(payment_fact(2))

    assert world.reasons == ["first"]
    assert world.faults.calls.count("silences") == 2


def test_a_series_above_its_limit_is_not_told_as_unusual_too(world: World) -> None:
    world.take(CPU, baseline())

    assert [page["rule_id"] for page in world.pages] == ["static_limit"]
    assert world.alert(baseline()).silenced_count == 1


def test_what_is_still_unusual_once_its_cause_is_over_is_told(world: World) -> None:
    world.take(CPU, baseline(), CLEARED)

    for _ in range(5):
        world.wait(60)

    assert world.reasons == ["first", "resolved", "first"]


def test_another_series_is_told(world: World) -> None:
    world.take(CPU, baseline(subject="web-7/requests", labels={"metric_name": "requests"}))

    assert world.reasons == ["first", "first"]


def test_a_worker_heeds_what_it_has_written_before_the_index_shows_it(world: World) -> None:
    worker = world.worker()
    worker.take(CPU)
    for key, row in list(world.store.rows.items()):
        world.store.rows[key] = row._replace(
            attributes={**row.attributes, "firing_source": "not yet"}
        )

    worker.take(baseline())

    assert world.reasons == ["first"]


def test_critical_trouble_of_a_source_explains_lesser_trouble_and_never_more(world: World) -> None:
    memory = cpu_fact(
        subject="web-7/memory_usage", severity="critical", labels={"metric_name": "memory_usage"}
    )
    disk = cpu_fact(
        subject="web-7/disk_usage", severity="critical", labels={"metric_name": "disk_usage"}
    )

    world.take(memory, CPU, disk)

    assert world.told == [("first", "critical"), ("first", "critical")]


def test_the_first_page_of_a_calm_day_costs_one_write_for_its_budget(world: World) -> None:
    world.take(payment_fact())

    assert world.faults.calls == [
        "latest",
        "silences",
        "spend",
        "write",
        "publish alerts",
        "write",
        "publish oncall",
        "write",
    ]


def test_two_workers_at_once_keep_to_one_budget(world: World) -> None:
    workers = [world.worker(), world.worker()]

    for number in range(60):
        workers[number % 2].take(payment_fact(number))

    assert len(world.pages) == 20


def test_what_was_paged_is_seen_to_end_whatever_the_budget_says(world: World) -> None:
    world.take(CPU, *(payment_fact(number) for number in range(30)))

    world.take(CLEARED)

    assert world.reasons[-1] == "resolved"


def test_the_next_window_has_a_budget_of_its_own(world: World) -> None:
    world.take(*(payment_fact(number) for number in range(25)))
    world.clock.advance(300)

    world.take(payment_fact(99))

    assert len(world.pages) == 21


def test_what_is_critical_has_a_budget_that_nothing_else_uses_up(world: World) -> None:
    world.take(*(payment_fact(number) for number in range(30)))

    world.take(payment_fact(99, severity="critical"))

    assert world.told[-1] == ("first", "critical")
    assert len(world.pages) == 21
