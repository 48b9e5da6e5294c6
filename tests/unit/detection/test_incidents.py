from datetime import UTC, datetime, timedelta, timezone

import pytest

from pipeline.detection.anomaly import Severity
from pipeline.detection.incidents import (
    IDLE,
    Incident,
    Pace,
    Step,
    breach,
    relent,
    severity_at,
    strike,
)

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
AT_ONCE = Pace(open_points=1, open_for_s=0, clear_points=1, clear_for_s=0)
PATIENT = Pace(open_points=2, open_for_s=60, clear_points=2, clear_for_s=60)


def later(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def opened(severity: Severity = "high") -> Incident:
    return breach(IDLE, AT_ONCE, START, 95, severity)[0]


def test_enough_points_within_too_short_a_time_open_nothing() -> None:
    incident, _ = breach(IDLE, PATIENT, START, 95, "high")

    incident, edge = breach(incident, PATIENT, later(59), 95, "high")

    assert edge is None
    assert incident.opened_at is None


def test_enough_points_over_enough_time_open_an_incident_at_the_last_of_them() -> None:
    incident, _ = breach(IDLE, PATIENT, START, 95, "high")

    incident, edge = breach(incident, PATIENT, later(60), 97, "high")

    assert edge == "opened"
    assert incident.opened_at == later(60)
    assert (incident.count, incident.peak) == (2, 97)


def test_a_point_that_does_not_breach_starts_the_run_anew() -> None:
    incident, _ = breach(IDLE, PATIENT, START, 95, "high")

    incident, edge = relent(incident, PATIENT, later(30), calm=False)

    assert edge is None
    assert incident == IDLE


def test_the_opening_time_is_kept_in_utc_whatever_the_producer_wrote() -> None:
    in_tokyo = START.astimezone(timezone(timedelta(hours=9)))

    incident, _ = breach(IDLE, AT_ONCE, in_tokyo, 95, "high")

    assert incident.opened_at is not None
    assert incident.opened_at.tzinfo is UTC


def test_a_rise_of_severity_escalates_and_a_fall_does_not_lower_it() -> None:
    incident, rise = breach(opened("high"), AT_ONCE, later(1), 99, "critical")

    incident, fall = breach(incident, AT_ONCE, later(2), 91, "high")

    assert (rise, fall) == ("escalated", None)
    assert incident.severity == "critical"


def test_a_tenfold_count_escalates_once() -> None:
    incident, edges = opened(), []

    for second in range(1, 12):
        incident, edge = breach(incident, AT_ONCE, later(second), 95, "high")
        edges.append(edge)

    assert [i + 2 for i, edge in enumerate(edges) if edge] == [10]


def test_a_point_between_the_levels_starts_the_calm_anew() -> None:
    incident, _ = relent(opened(), PATIENT, later(60), calm=True)
    incident, _ = relent(incident, PATIENT, later(120), calm=False)

    incident, edge = relent(incident, PATIENT, later(180), calm=True)

    assert edge is None
    assert incident.run == 1


def test_a_breach_starts_the_calm_anew() -> None:
    incident, _ = relent(opened(), PATIENT, later(60), calm=True)
    incident, _ = breach(incident, PATIENT, later(120), 95, "high")

    _, edge = relent(incident, PATIENT, later(180), calm=True)

    assert edge is None


def test_enough_calm_clears_the_incident_and_forgets_it() -> None:
    incident, _ = relent(opened(), PATIENT, later(60), calm=True)

    incident, edge = relent(incident, PATIENT, later(120), calm=True)

    assert edge == "cleared"
    assert incident == IDLE


@pytest.mark.parametrize(
    ("size", "severity"), [(91, "high"), (95, "high"), (95.1, "critical"), (1e100, "critical")]
)
def test_severity_is_that_of_the_last_step_exceeded(size: float, severity: Severity) -> None:
    found = severity_at(size, "high", [Step(95, "critical")])

    assert found == severity


def test_an_incident_of_single_events_is_open_until_it_has_been_quiet() -> None:
    first, opened = strike(IDLE, 60, START, 2.0, "high")
    second, joined = strike(first, 60, START + timedelta(seconds=60), 3.0, "high")

    third, reopened = strike(second, 60, START + timedelta(seconds=121), 1.0, "high")

    assert (opened, joined, reopened) == ("opened", None, "opened")
    assert (second.count, second.peak) == (2, 3.0)
    assert third.opened_at == START + timedelta(seconds=121)
    assert (third.count, third.peak) == (1, 1.0)


def test_a_late_event_joins_the_open_incident_and_does_not_make_it_older() -> None:
    opened, _ = strike(IDLE, 60, START + timedelta(hours=1), 2.0, "high")
    joined, edge = strike(opened, 60, START, 2.0, "high")

    after, next_edge = strike(joined, 60, START + timedelta(seconds=3660), 2.0, "high")

    assert (edge, next_edge) == (None, None)
    assert (joined.count, after.count) == (2, 3)
    assert after.opened_at == START + timedelta(hours=1)
