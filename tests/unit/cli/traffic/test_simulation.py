import tracemalloc
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.cli.producers.puts import contract_key, json_bytes
from pipeline.cli.traffic.simulation import Simulation
from pipeline.detection.detector import detectors, pooled_detectors
from pipeline.detection.rules import HealthRule, default_rules
from pipeline.events import check_timestamps, decode, partition_key

OF_OTHER_SOURCES = {
    "account_takeover",
    "hostile_images",
    "kpi_drift",
    "mass_deletion",
    "pipeline_behind",
    "pipeline_dead_letters",
    "pipeline_rules_invalid",
    "pipeline_silent_source",
    "signup_address",
    "signup_domain",
    "unsafe_content",
}
NOT_PLAYED = {
    "page_test",  # has a command of its own
    "transaction_fraud_score",  # needs a week of reports
}
UNTIL = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("records", [1242, 1300, 3000])
def test_there_are_as_many_events_as_asked_for(records: int) -> None:
    assert sum(1 for _ in Simulation(records, 7, UNTIL).events()) == records


def test_too_few_records_for_metrics_and_incidents_are_refused() -> None:
    with pytest.raises(
        ValueError,
        match="8 hours of metrics and the planted incidents are 1242 records, more than 1241",
    ):
        Simulation(1241, 7, UNTIL)


def test_a_time_too_short_for_the_baseline_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 8 hours, not 7"):
        Simulation(3000, 7, UNTIL, timedelta(hours=7))


def test_the_same_seed_and_end_give_the_same_events() -> None:
    first = list(Simulation(2000, 7, UNTIL).events())

    second = list(Simulation(2000, 7, UNTIL).events())

    assert first == second


def test_another_end_gives_other_ids_and_the_same_amounts() -> None:
    first = list(Simulation(2000, 7, UNTIL).events())

    second = list(Simulation(2000, 7, UNTIL + timedelta(hours=24)).events())

    ids = [{event.fields["event_id"] for event in events} for events in (first, second)]
    amounts = [[event.fields.get("amount") for event in events] for events in (first, second)]
    assert ids[0].isdisjoint(ids[1])
    assert amounts[0] == amounts[1]


def test_events_come_in_the_order_of_time_and_none_is_later_than_the_end() -> None:
    moments = [event.at for event in Simulation(5000, 7, UNTIL, timedelta(hours=24)).events()]

    assert moments == sorted(moments)
    assert moments[0] >= UNTIL - timedelta(hours=24)
    assert moments[-1] < UNTIL


def test_each_event_keeps_the_contract_and_has_an_id_of_its_own() -> None:
    ids = set()

    for made in Simulation(5000, 7, UNTIL).events():
        event = decode(json_bytes(made.fields))
        check_timestamps(event, UNTIL.timestamp())
        assert event.timestamp == made.at
        assert partition_key(event) == contract_key(made.fields)
        ids.add(event.event_id)

    assert len(ids) == 5000


def test_customers_come_at_noon_and_in_the_evening_and_sleep_at_night() -> None:
    events = Simulation(8000, 7, UNTIL, timedelta(hours=24)).events()

    logins = Counter(e.at.hour for e in events if e.fields.get("activity_type") == "login")

    assert logins[19] > logins[12] > logins[7] > 2 * logins[3]


def test_memory_holds_the_visits_under_way_only() -> None:
    tracemalloc.start()

    count = sum(1 for _ in Simulation(30_000, 7, UNTIL).events())

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 30_000
    assert peak < 1_000_000  # the events take 9 MB as JSON


def test_each_rule_has_an_incident_of_its_own() -> None:
    rules = {rule.id for rule in default_rules().all() if not isinstance(rule, HealthRule)}

    planted = {incident.rule_id for incident in Simulation(2000, 7, UNTIL).incidents}

    assert planted == rules - OF_OTHER_SOURCES - NOT_PLAYED


@pytest.mark.parametrize(
    ("records", "seed", "hours"),
    [(1300, 1, 8), (3000, 2, 8), (3000, 7, 8), (20_000, 42, 8), (6000, 3, 24)],
)
def test_the_detectors_find_the_planted_incidents_and_nothing_else(
    records: int, seed: int, hours: int
) -> None:
    simulation = Simulation(records, seed, UNTIL, timedelta(hours=hours))

    opened = _opened(simulation)

    planted = simulation.incidents
    assert sorted(key for key, _ in opened) == sorted(item.dedup_key for item in planted)
    assert len(planted) == 11
    for incident in planted:
        assert incident.starts_at <= dict(opened)[incident.dedup_key] <= incident.ends_at


def _opened(simulation: Simulation) -> list[tuple[str, datetime]]:
    states: dict[tuple[str, str], Any] = {}
    opened = []
    watching = detectors(default_rules())
    pooled = pooled_detectors(default_rules())
    for made in simulation.events():
        event = decode(json_bytes(made.fields))
        for detector in watching:
            subject = detector.subject(event)
            if subject is None:
                continue
            key = (detector.name, subject)
            state = states.get(key, detector.initial())
            states[key], facts = detector.fold(state, event, made.fields["event_id"])
            opened += [(fact.dedup_key, fact.opened_at) for fact in facts if fact.edge == "opened"]
        for each in pooled:  # the only shard has seen whatever the pools would hold
            subject = each.subject(event)
            if subject is None:
                continue
            key = (each.name, subject)
            empty = {pool.name: pool.initial() for pool in each.pools}
            totals = {place: empty[place.pool] for place in each.pooled(event)}
            state = states.get(key, each.initial())
            outcome = each.fold(state, event, made.fields["event_id"], totals)
            states[key] = outcome.state
            opened += [
                (fact.dedup_key, fact.opened_at)
                for fact in outcome.anomalies
                if fact.edge == "opened"
            ]
    return opened
