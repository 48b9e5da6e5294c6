import json
from collections import Counter
from datetime import timedelta

import msgspec
import pytest

from pipeline.detection.overrides import overridden
from pipeline.detection.rules import default_rules
from pipeline.errors import RetryableError
from pipeline.flows.alerts.outbox import LEASE
from tests.fakes.alert_world import World, payment_fact, record, unreadable
from tests.fakes.alerts import FAULTS, NOON, CrashError, Fault, cpu_fact

OPENED = cpu_fact()
CALLS_OF_HISTORY = 25
ESCALATED = cpu_fact(
    edge="escalated",
    event_id="e-2",
    severity="critical",
    occurred_at=NOON - timedelta(minutes=2),
    count=9,
)
CLEARED = cpu_fact(edge="cleared", event_id="e-3", occurred_at=NOON, count=9, observed=41.0)
AGAIN = cpu_fact(opened_at=NOON, occurred_at=NOON, event_id="e-4")


@pytest.fixture
def world() -> World:
    return World()


def test_the_first_fact_pages_both_topics_at_once(world: World) -> None:
    world.take(OPENED)

    assert [sent.topic for sent in world.pager.sent] == ["alerts", "oncall"]
    assert world.told == [("first", "high")]


def test_both_messages_bear_one_alert_id(world: World) -> None:
    world.take(OPENED)

    alert_id = str(world.pages[0]["alert_id"])
    assert alert_id in world.on("oncall")[0].body
    assert len(alert_id) == 32


def test_a_delivered_fact_changes_nothing_when_it_comes_again(world: World) -> None:
    world.take(OPENED)
    rows = dict(world.store.rows)

    world.take(OPENED)

    assert world.store.rows == rows
    assert len(world.pager.sent) == 2


def test_more_of_the_same_joins_the_open_alert_without_a_page(world: World) -> None:
    world.take(OPENED, AGAIN)

    (row,) = world.store.rows.values()
    assert row.attributes["count"] == 6
    assert row.attributes["last_seen_at"] == "2026-03-01T12:00:00.000000Z"
    assert world.told == [("first", "high")]


def test_a_rise_in_severity_is_told(world: World) -> None:
    world.take(OPENED, ESCALATED)

    assert world.told == [("first", "high"), ("severity", "critical")]
    assert world.pages[0]["alert_id"] == world.pages[1]["alert_id"]
    assert world.pages[1]["status"] == "update"


def test_ten_times_as_many_is_told(world: World) -> None:
    tenfold = cpu_fact(edge="escalated", event_id="e-9", occurred_at=NOON, count=30)

    world.take(OPENED, tenfold)

    assert world.told == [("first", "high"), ("count", "high")]


def test_a_cleared_incident_is_told_with_the_whole_payload(world: World) -> None:
    world.take(OPENED, CLEARED)

    assert world.told == [("first", "high"), ("resolved", "high")]
    first, resolved = world.pages
    assert resolved["status"] == "resolved"
    assert resolved["alert_id"] == first["alert_id"]
    assert resolved["ends_at"] == "2026-03-01T12:00:00.000Z"
    assert resolved.keys() == first.keys()


def test_what_opens_after_a_resolve_is_a_new_alert(world: World) -> None:
    world.take(OPENED, CLEARED, AGAIN)

    assert [reason for reason, _ in world.told] == ["first", "resolved", "first"]
    assert len({page["alert_id"] for page in world.pages}) == 2
    assert len({page["metadata"]["threadId"] for page in world.pages}) == 1


def test_a_whole_history_that_comes_again_changes_nothing(world: World) -> None:
    history = (OPENED, ESCALATED, CLEARED, AGAIN)
    world.take(*history)
    rows = dict(world.store.rows)

    world.take(*history)

    assert world.store.rows == rows


def test_an_incident_seen_to_clear_before_it_opens_is_told_once_as_over(world: World) -> None:
    world.take(CLEARED, OPENED, ESCALATED)

    assert world.told == [("resolved", "high")]


def test_a_late_clearing_of_an_older_incident_leaves_the_alert_firing(world: World) -> None:
    world.take(OPENED, AGAIN, CLEARED)

    (row,) = world.store.rows.values()
    assert row.attributes["status"] == "firing"
    assert [reason for reason, _ in world.told] == ["first"]


def test_an_older_incident_that_comes_late_still_pages(world: World) -> None:
    later_cleared = cpu_fact(opened_at=NOON, occurred_at=NOON, edge="cleared", event_id="e-5")

    world.take(AGAIN, later_cleared, OPENED)

    assert [reason for reason, _ in world.told] == ["first", "resolved", "first"]
    keys = [opened_at for _, opened_at in world.store.rows]
    assert keys == ["2026-03-01T12:00:00.000000Z", "2026-03-01T12:00:00.000001Z"]


def test_the_page_waits_in_the_row_while_sns_is_down(world: World) -> None:
    world.faults.strike = lambda _, name: "throttle" if name.startswith("publish") else None
    with pytest.raises(RetryableError):
        world.take(OPENED)
    (row,) = world.store.rows.values()
    assert row.attributes["due_at"] == "2026-03-01T12:00:30.000000Z"
    world.faults.strike = lambda _, __: None

    world.take(OPENED)

    assert world.told == [("first", "high")]
    (row,) = world.store.rows.values()
    assert row.attributes["due_at"] == "2026-03-01T16:00:00.000000Z"  # to be told again


def test_only_the_missing_topic_is_published_again(world: World) -> None:
    world.faults.strike = lambda _, name: "throttle" if name == "publish oncall" else None
    with pytest.raises(RetryableError):
        world.take(OPENED)
    world.faults.strike = lambda _, __: None

    world.take(OPENED)

    assert [sent.topic for sent in world.pager.sent] == ["alerts", "oncall"]


def test_another_workers_live_lease_sends_the_record_back_to_the_stream(world: World) -> None:
    world.faults.strike = lambda _, name: "crash before" if name == "publish alerts" else None
    with pytest.raises(CrashError):
        world.take(OPENED)
    world.faults.strike = lambda _, __: None

    with pytest.raises(RetryableError, match="another worker publishes"):
        world.take(OPENED)

    assert world.pager.sent == []


def test_a_lease_that_ran_out_is_taken_over(world: World) -> None:
    world.faults.strike = lambda _, name: "crash before" if name == "publish alerts" else None
    with pytest.raises(CrashError):
        world.take(OPENED)
    world.faults.strike = lambda _, __: None
    world.clock.advance(LEASE.total_seconds())

    world.take(OPENED)

    assert world.told == [("first", "high")]


def test_a_join_under_another_workers_lease_is_kept_and_told_later(world: World) -> None:
    world.faults.strike = lambda _, name: "crash before" if name == "publish alerts" else None
    with pytest.raises(CrashError):
        world.take(OPENED)
    world.faults.strike = lambda _, __: None
    with pytest.raises(RetryableError):
        world.take(ESCALATED)
    world.clock.advance(LEASE.total_seconds())

    world.take(ESCALATED)

    assert world.told == [("first", "high"), ("severity", "critical")]


def test_two_workers_that_open_one_alert_at_once_page_once(world: World) -> None:
    def other_worker() -> None:
        world.store.meddle = lambda: None
        world.worker().take(OPENED)

    world.store.meddle = other_worker

    world.worker().take(OPENED)

    assert world.told == [("first", "high")]
    assert len(world.store.rows) == 1


def test_a_worker_that_always_loses_gives_the_record_back(world: World) -> None:
    facts = iter(
        cpu_fact(edge="escalated", event_id=f"x-{n}", occurred_at=NOON) for n in range(100)
    )

    def other_worker() -> None:
        meddle, world.store.meddle = world.store.meddle, lambda: None
        world.worker().take(next(facts))
        world.store.meddle = meddle

    world.take(OPENED)
    world.store.meddle = other_worker

    with pytest.raises(RetryableError, match="5 times"):
        world.take(AGAIN)


def test_a_join_between_publish_and_mark_loses_neither(world: World) -> None:
    def other_worker() -> None:
        if world.pager.sent:  # the next write marks the first delivery
            world.store.meddle = lambda: None
            with pytest.raises(RetryableError):
                world.worker().take(ESCALATED)

    world.store.meddle = other_worker

    world.worker().take(OPENED)

    assert world.told == [("first", "high"), ("severity", "critical")]
    assert len(world.pager.sent) == 4


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", range(1, CALLS_OF_HISTORY + 1))
def test_a_fault_at_any_call_loses_no_page_and_doubles_none_without_cause(
    world: World, call: int, fault: Fault
) -> None:
    history = [record(fact, str(n)) for n, fact in enumerate((OPENED, ESCALATED, CLEARED), 1)]
    world.faults.strike = lambda number, _: fault if number == call else None
    for _ in range(10):  # the stream delivers until the batch succeeds
        try:
            report = world.worker().take_batch(history)
        except CrashError:
            pass
        else:
            if report.failed is None:
                break
            history = history[int(report.failed) - int(history[0].sequence_number) :]
        world.clock.advance(LEASE.total_seconds() + 1)
    else:
        pytest.fail("the batch never succeeded")

    struck, before = world.faults.calls[call - 1], world.faults.calls[call - 2]
    is_unmarked = struck.startswith("publish") and fault in {"lost reply", "crash after"}
    is_mark_lost = before.startswith("publish") and fault in {"throttle", "crash before"}
    copies = Counter((sent.topic, sent.attributes["status"]) for sent in world.pager.sent)
    assert sorted(copies.values()) == [1] * 5 + [2 if is_unmarked or is_mark_lost else 1]
    assert len({page["id"] for page in world.pages}) == 3
    assert len({page["alert_id"] for page in world.pages}) == 1
    (row,) = world.store.rows.values()
    assert row.attributes["status"] == "resolved"
    assert "outbox" not in json.loads(row.document)


def test_the_crash_test_strikes_every_call_of_its_history(world: World) -> None:
    history = [record(fact) for fact in (OPENED, ESCALATED, CLEARED)]

    world.worker().take_batch(history)

    assert len(world.faults.calls) == CALLS_OF_HISTORY


def test_a_batch_stops_at_the_first_record_that_must_come_again(world: World) -> None:
    other, third = payment_fact(2), payment_fact(3)
    calls = world.faults.calls
    world.faults.strike = lambda _, name: (
        "throttle" if name == "latest" and calls.count(name) == 2 else None
    )

    report = world.worker().take_batch([record(OPENED, "5"), record(other, "6"), record(third)])

    assert report.failed == "6"
    assert report.taken == 1
    assert len(world.on("alerts")) == 1


def test_a_fact_that_cannot_be_read_stops_nobody_and_is_paged(world: World) -> None:
    report = world.worker().take_batch([unreadable("5"), record(OPENED, "6")])

    assert report.failed is None
    assert [defect.record.sequence_number for defect in report.defects] == ["5"]
    defect_page, cpu_page = world.pages
    assert defect_page["rule_id"] == "pipeline_fact_defect"
    rule = default_rules().health.pipeline_fact_defect
    told = [defect_page[name] for name in ("rule_version", "severity", "component", "detector")]
    assert told == [rule.version, rule.severity, rule.component, rule.detector]
    assert "dedup_key cpu#web-9" in str(defect_page["reasons"])
    assert cpu_page["rule_id"] == "static_limit"


def test_an_override_says_how_severe_a_fact_that_cannot_be_read_is() -> None:
    world = World(overridden('[health.pipeline_fact_defect]\nseverity = "critical"\n'))

    world.worker().take_batch([unreadable("5")])

    assert [page["severity"] for page in world.pages] == ["critical"]


def test_a_second_fact_that_cannot_be_read_joins_the_alert_of_the_first(world: World) -> None:
    world.worker().take_batch([unreadable("5"), unreadable("6")])

    assert len(world.on("oncall")) == 1


def test_an_infinite_figure_is_paged_as_a_defect(world: World) -> None:
    report = world.worker().take_batch([record(cpu_fact(observed=float("inf")))])

    assert len(report.defects) == 1
    assert world.pages[0]["rule_id"] == "pipeline_fact_defect"


def test_a_row_expires_its_time_to_live_after_the_last_change(world: World) -> None:
    world.take(OPENED)

    (row,) = world.store.rows.values()
    assert row.attributes["expires_at"] == 1_774_958_400  # 2026-03-31T12:00:00Z


def test_every_delivery_is_recorded(world: World) -> None:
    world.take(OPENED)

    (row,) = world.store.rows.values()
    deliveries = json.loads(row.document)["deliveries"]
    assert [(one["topic"], one["message_id"]) for one in deliveries] == [
        ("alerts", "message-1"),
        ("oncall", "message-2"),
    ]


def test_a_fact_of_an_unknown_rule_pages_and_says_so(world: World) -> None:
    world.take(msgspec.structs.replace(OPENED, rule_id="retired_rule"))

    assert "no rule retired_rule" in world.on("oncall")[0].body
