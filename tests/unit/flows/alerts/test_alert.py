from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detection.anomaly import Anomaly, Edge, Kind, Severity
from pipeline.detection.rules import default_rules
from pipeline.errors import RetryableError
from pipeline.flows.alerts.alert import (
    MAX_DELIVERIES,
    MAX_EVENT_IDS,
    MAX_FACTS,
    Alert,
    alert_id,
    transition,
)
from pipeline.flows.alerts.telling import heard
from tests.fakes.alert_world import World, payment_fact
from tests.fakes.alerts import NOON, cpu_fact

TIMERS = default_rules().timers("transaction_amount")
OPENED = cpu_fact()
ESCALATED = cpu_fact(edge="escalated", event_id="e-2", severity="critical", count=9)
CLEARED = cpu_fact(edge="cleared", event_id="e-3", occurred_at=NOON, count=9)


def applied(*facts: Anomaly) -> tuple[Alert, list[str]]:
    alert, reasons = None, []
    for fact in facts:
        change = transition(alert, fact, NOON, TIMERS)
        if change:
            alert = heard(change.alert, NOON) if change.reason else change.alert
            reasons += [change.reason] if change.reason else []
    assert alert is not None
    return alert, list(reasons)


@given(
    st.permutations([OPENED, ESCALATED, CLEARED]), st.lists(st.sampled_from([0, 1, 2]), max_size=6)
)
def test_in_any_order_an_incident_is_one_alert_that_ends(
    order: list[Anomaly], again: list[int]
) -> None:
    alert, reasons = applied(*order, *(order[index] for index in again))

    assert not alert.firing
    assert alert.alert_id == alert_id(OPENED)
    assert reasons.count("resolved") == 1
    assert len(set(reasons)) == len(reasons)


def test_each_edge_of_an_incident_names_the_same_alert() -> None:
    assert alert_id(OPENED) == alert_id(ESCALATED) == alert_id(CLEARED)


@pytest.mark.parametrize(
    "other",
    [
        cpu_fact(opened_at=NOON),
        cpu_fact(subject="web-8/cpu_usage"),
        cpu_fact(rule_id="metric_baseline"),
    ],
)
def test_another_incident_has_another_alert_id(other: Anomaly) -> None:
    assert alert_id(other) != alert_id(OPENED)


def test_what_a_row_remembers_is_bounded() -> None:
    def moment(minute: int) -> datetime:
        return NOON + timedelta(minutes=minute)

    many = [
        cpu_fact(opened_at=moment(n), occurred_at=moment(n), event_id=f"e-{n}") for n in range(300)
    ]

    alert, reasons = applied(*many)

    assert len(alert.facts) == MAX_FACTS
    assert alert.event_ids == tuple(f"e-{n}" for n in range(300 - MAX_EVENT_IDS, 300))
    assert alert.count == 900
    assert reasons == ["first", "count", "count"]
    assert len(alert.deliveries) <= MAX_DELIVERIES


def test_the_memory_outlasts_a_whole_batch_of_the_stream() -> None:
    assert MAX_FACTS > 100


def test_a_severity_never_falls_while_an_alert_is_open() -> None:
    lower = cpu_fact(opened_at=NOON, occurred_at=NOON, event_id="e-4", severity="low")

    alert, reasons = applied(OPENED, ESCALATED, lower)

    assert alert.severity == "critical"
    assert reasons == ["first", "severity"]


def test_a_repeated_edge_of_an_incident_counts_from_its_opening() -> None:
    alert, _ = applied(OPENED, ESCALATED)

    assert alert.count == 9


@pytest.mark.parametrize(
    ("kind", "pause_s", "reasons"),
    [
        ("event", 3601, ["first", "first"]),  # nobody clears it, so a quiet hour has ended it
        ("event", 3600, ["first"]),
        ("state", 3601, ["first"]),  # still open: its end is told by a cleared fact
    ],
)
def test_an_incident_of_kind_event_after_a_quiet_hour_is_paged_anew(
    kind: Kind, pause_s: int, reasons: list[str]
) -> None:
    first = cpu_fact(kind=kind)
    at = first.occurred_at + timedelta(seconds=pause_s)

    alert, told = applied(first, cpu_fact(kind=kind, event_id="e-9", opened_at=at, occurred_at=at))

    assert told == reasons
    assert alert.firing


def at(minutes: float) -> dict[str, Any]:
    moment = NOON + timedelta(minutes=minutes)
    return {"opened_at": moment, "occurred_at": moment}


def test_a_late_event_joins_the_alert_of_its_time_and_nobody_hears_of_it() -> None:
    world = World()
    world.take(payment_fact())
    world.wait(3600)
    world.take(payment_fact(event_id="e-5", **at(90)))

    world.take(payment_fact(event_id="e-4", **at(59)))

    assert world.reasons == ["first", "resolved", "first"]
    older = world.rows().before(payment_fact().dedup_key, NOON + timedelta(minutes=59))
    assert older is not None
    assert (older.alert.count, older.alert.firing) == (6, False)
    assert world.alert(payment_fact()).count == 3


def test_a_late_event_that_comes_again_counts_once() -> None:
    world = World()
    world.take(payment_fact())
    world.wait(3600)
    late = payment_fact(event_id="e-4", **at(20))

    world.take(late, late)

    assert world.alert(late).count == 6


def test_a_late_event_that_is_worse_than_people_were_told_is_news() -> None:
    world = World()
    world.take(payment_fact())
    world.wait(3600)

    world.take(payment_fact(event_id="e-4", severity="critical", **at(20)))

    assert world.told[-1] == ("first", "critical")


def test_an_event_after_quiet_is_news() -> None:
    world = World()
    world.take(payment_fact())
    world.wait(3600)

    world.take(payment_fact(event_id="e-4", **at(61)))

    assert world.reasons == ["first", "resolved", "first"]


def test_an_older_incident_of_a_series_within_an_alert_that_is_over_is_no_news() -> None:
    early = NOON - timedelta(minutes=2)

    alert, reasons = applied(
        OPENED, CLEARED, cpu_fact(event_id="e-8", opened_at=early, occurred_at=early)
    )

    assert reasons == ["first", "resolved"]
    assert not alert.firing


facts_of_a_series = st.lists(
    st.tuples(
        st.sampled_from(["opened", "escalated", "cleared"]),
        st.integers(min_value=0, max_value=4),
        st.sampled_from(["high", "critical"]),
    ),
    min_size=1,
    max_size=14,
)


@given(facts_of_a_series, st.data())
def test_whatever_is_interleaved_each_notification_has_one_id_and_one_copy(
    series: list[tuple[Edge, int, Severity]], data: st.DataObject
) -> None:
    world = World()
    facts = [
        cpu_fact(
            edge=edge,
            severity=severity,
            event_id=f"e-{index}",
            opened_at=NOON + timedelta(minutes=incident),
            occurred_at=NOON + timedelta(minutes=incident, seconds=index),
        )
        for index, (edge, incident, severity) in enumerate(series)
    ]

    for fact in data.draw(st.permutations(facts + facts)):
        if data.draw(st.booleans()):
            world.store.meddle = meddler(world, fact)
        with suppress(RetryableError):
            world.take(fact)
        world.wait(data.draw(st.sampled_from([0, 61, 400])))
    world.store.meddle = lambda: None
    for _ in range(8):
        world.wait(61)

    ids = [page["id"] for page in world.pages]
    assert len(set(ids)) == len(ids) == len(world.on("oncall"))
    assert world.pages
    openings = [page["alert_id"] for page in world.pages if page["status"] == "firing"]
    assert len(set(openings)) == len(openings)


def meddler(world: World, fact: Anomaly) -> Callable[[], None]:
    """Return a worker that takes the same fact ahead of the next write."""

    def meddle() -> None:
        world.store.meddle = lambda: None
        with suppress(RetryableError):
            world.worker().take(fact)

    return meddle
