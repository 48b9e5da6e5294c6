from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detection.anomaly import Anomaly, Kind
from pipeline.detection.rules import default_rules
from pipeline.flows.alerts.alert import (
    MAX_DELIVERIES,
    MAX_EVENT_IDS,
    MAX_FACTS,
    Alert,
    alert_id,
    transition,
)
from pipeline.flows.alerts.telling import heard
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
