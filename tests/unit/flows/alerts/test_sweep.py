import json
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

import pytest

from pipeline.detection.anomaly import Anomaly
from pipeline.errors import InvalidRecordError, RetryableError
from pipeline.flows.alerts.hands import Hand, acknowledge, resolve_by_hand
from pipeline.flows.alerts.outbox import LEASE
from pipeline.ports import Topic
from tests.fakes.alert_world import World, payment_fact
from tests.fakes.alerts import NOON, FakePager, cpu_fact

CPU = cpu_fact()
CLEARED = cpu_fact(edge="cleared", event_id="e-3", occurred_at=NOON, count=9, observed=41.0)
PAYMENT = payment_fact()
HOUR = 3600.0


def host(number: int, **changes: object) -> Anomaly:
    name = f"web-{number}"
    return cpu_fact(**{"subject": f"{name}/cpu_usage", "source": name} | changes)


class RefusingPager(FakePager):
    """Topics that refuse every message as invalid."""

    def publish(self, topic: Topic, subject: str, body: str, attributes: Mapping[str, str]) -> str:
        raise InvalidRecordError(f"{topic} refuses {subject}: {len(body)}, {len(attributes)}")


@pytest.fixture
def world() -> World:
    return World()


def test_what_still_fires_is_told_every_four_hours(world: World) -> None:
    world.take(CPU)

    for _ in range(10):
        world.wait(HOUR)

    assert world.reasons == ["first", "repeat", "repeat"]
    assert len({page["id"] for page in world.pages}) == 3
    assert len({page["alert_id"] for page in world.pages}) == 1


def test_what_somebody_is_at_is_told_not_repeated_and_its_rise_is_told(world: World) -> None:
    world.take(CPU)
    world.by_hand(CPU, lambda alert: acknowledge(alert, Hand(by="ann", at=NOON)))
    world.wait(9 * HOUR)

    world.take(cpu_fact(edge="escalated", event_id="e-2", severity="critical", count=9))

    assert world.told == [("first", "high"), ("acknowledged", "high"), ("severity", "critical")]


def test_what_is_resolved_by_hand_is_told_once(world: World) -> None:
    world.take(CPU)
    hand = Hand(by="ann", at=NOON)
    world.by_hand(CPU, lambda alert: resolve_by_hand(alert, hand))

    world.wait(60)
    world.wait(9 * HOUR)

    assert world.reasons == ["first", "resolved"]
    assert world.pages[1]["status"] == "resolved"


def test_quiet_ends_an_alert_of_kind_event_and_never_one_of_kind_state(world: World) -> None:
    world.take(PAYMENT, CPU)

    world.wait(3599)
    early = list(world.reasons)
    world.wait(1)
    for _ in range(72):
        world.wait(HOUR)

    assert early == ["first", "first"]
    assert Counter(page["rule_id"] for page in world.pages if page["status"] == "resolved") == {
        "transaction_amount": 1
    }
    assert world.alert(CPU).firing
    assert world.alert(PAYMENT).ends_at == NOON


def test_quiet_counts_from_when_news_was_heard_not_from_when_it_happened(world: World) -> None:
    late = payment_fact(opened_at=NOON - timedelta(hours=5), occurred_at=NOON - timedelta(hours=5))
    world.take(late)

    world.wait(3599)

    assert world.reasons == ["first"]


def test_a_sweep_with_nothing_due_reads_two_indexes_and_writes_nothing(world: World) -> None:
    world.take(CPU)
    world.faults.calls.clear()

    world.wait(60)

    assert world.faults.calls == ["due windows", "due"]


def test_a_hundred_thousand_breaches_of_one_subject_cost_six_messages(world: World) -> None:
    counts = (10, 100, 1_000, 10_000, 100_000)  # the facts that detection makes of them
    later = [cpu_fact(edge="escalated", event_id=f"e-{count}", count=count) for count in counts]

    world.take(cpu_fact(count=1), *later)
    calls = Counter(world.faults.calls)
    world.wait(60)

    assert world.reasons == ["first", *["count"] * 5]
    assert [page["count"] for page in world.pages] == [1, *counts]
    assert len(world.pager.sent) == 12
    assert calls["write"] == 6 * 3  # what has changed, and a mark for each topic


def test_ten_thousand_subjects_at_once_cost_a_bounded_number_of_messages(world: World) -> None:
    facts = [payment_fact(number) for number in range(10_000)]
    worker = world.worker()
    for fact in facts:
        worker.take(fact)
    calls = Counter(world.faults.calls)

    world.wait(30)
    world.wait(270)
    world.wait(60)

    assert Counter(world.reasons) == {"first": 20, "storm_digest": 1}
    (digest,) = [page for page in world.pages if page["notification_reason"] == "storm_digest"]
    assert digest["suppressed_count"] == 9_980
    assert digest["digest"]["rules"] == [{"name": "transaction_amount", "count": 9_980}]
    assert len(world.pager.sent) == 42
    assert calls["write"] == 10_000 + 20 * 2  # a row each, and two marks for each page
    assert calls["spend"] == 10_000
    assert calls["hold"] == 9_980


def test_each_window_of_a_storm_has_its_digest_and_calm_ends_it(world: World) -> None:
    for window in range(3):
        world.take(*(payment_fact(window * 30 + number) for number in range(30)))
        world.wait(30)
        world.wait(270)

    for _ in range(20):
        world.wait(60)

    digests = [page for page in world.pages if page["rule_id"] == "storm_digest"]
    assert [page["notification_reason"] for page in digests] == [
        "storm_digest",
        "storm_digest",
        "storm_digest",
        "resolved",
    ]
    assert len({page["alert_id"] for page in digests}) == 1
    assert [page["suppressed_count"] for page in digests[:3]] == [10, 10, 10]


def test_what_was_held_back_is_told_by_the_alert_s_own_update(world: World) -> None:
    world.take(*(payment_fact(number) for number in range(21)))
    world.clock.advance(300)

    world.take(payment_fact(20, edge="escalated", event_id="e-2", severity="critical", count=9))

    update = world.pages[-1]
    assert (update["notification_reason"], update["suppressed_count"]) == ("severity", 1)


def test_an_hour_without_sns_loses_nothing_and_doubles_nothing(world: World) -> None:
    facts = [CPU, PAYMENT, *(payment_fact(number) for number in range(2, 12))]
    world.faults.strike = lambda _, name: "throttle" if name.startswith("publish") else None
    ids = set()
    for _ in range(60):
        for fact in facts:
            with pytest.raises(RetryableError):
                world.worker().take(fact)
        world.wait(60)
    for row in world.store.rows.values():
        ids |= {one["notification"]["id"] for one in json.loads(row.document).get("outbox", [])}
    world.faults.strike = lambda _, __: None

    for _ in range(20):
        world.wait(60)

    copies = Counter((sent.topic, json.loads(sent.body)["id"]) for sent in world.on("alerts"))
    assert set(copies.values()) == {1}
    assert {page["id"] for page in world.pages} >= ids
    assert len(world.on("oncall")) == len(world.on("alerts"))
    firsts = [page for page in world.pages if page["notification_reason"] == "first"]
    assert len(firsts) == 12


def test_attempts_become_rarer_while_a_topic_is_down(world: World) -> None:
    world.faults.strike = lambda _, name: "throttle" if name.startswith("publish") else None
    with pytest.raises(RetryableError):
        world.take(CPU)
    world.faults.calls.clear()

    for _ in range(120):
        world.wait(60)

    assert 8 <= Counter(world.faults.calls)["publish alerts"] <= 16


def test_what_no_topic_takes_for_a_day_goes_to_the_dead_letters_once(world: World) -> None:
    world.faults.strike = lambda _, name: "throttle" if name.startswith("publish") else None
    with pytest.raises(RetryableError):
        world.take(CPU)

    for _ in range(30):
        world.wait(HOUR)

    buried = [json.loads(body)["notification_reason"] for body, _ in world.dead_letters.kept]
    assert buried[0] == "first"
    assert len({json.loads(body)["id"] for body, _ in world.dead_letters.kept}) == len(buried)
    assert json.loads(world.dead_letters.kept[0][0])["id"] in world.alert(CPU).undelivered


def test_what_a_topic_refuses_is_buried_and_holds_nothing_up(world: World) -> None:
    world.pager = RefusingPager(world.faults)
    with pytest.raises(InvalidRecordError):
        world.take(CPU)
    world.clock.advance(LEASE.total_seconds())

    report = world.sweep()

    assert report.dead == 1
    assert world.alert(CPU).outbox == ()
    assert world.alert(CPU).firing


def test_a_row_that_cannot_be_settled_holds_nobody_up(world: World) -> None:
    world.take(payment_fact(1), payment_fact(2))
    first = min(world.store.rows)
    world.store.rows[first] = world.store.rows[first]._replace(document=b"no alert")

    report = world.wait(HOUR)

    assert len(report.failures) == 1
    assert report.settled == 1
    assert not world.alert(payment_fact(2)).firing


def test_a_sweep_begins_nothing_when_its_time_is_up(world: World) -> None:
    world.take(PAYMENT)
    world.clock.advance(HOUR)

    report = world.sweep(lambda: 10.0)

    assert report.settled == 0
    assert world.reasons == ["first"]


def test_two_sweeps_at_once_tell_everything_once(world: World) -> None:
    world.take(*(payment_fact(number) for number in range(30)))
    world.clock.advance(30)

    def other() -> None:
        world.store.meddle = lambda: None
        world.sweep()

    world.store.meddle = other
    world.sweep()
    world.wait(270)

    assert Counter(world.reasons) == {"first": 20, "storm_digest": 1}


def test_a_clock_that_jumps_back_tells_nothing_twice(world: World) -> None:
    world.take(CPU)
    world.wait(4 * HOUR)

    world.clock.advance(-2 * HOUR)
    world.sweep()
    world.wait(2 * HOUR)

    assert world.reasons == ["first", "repeat"]
