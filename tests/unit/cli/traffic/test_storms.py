from collections import Counter
from datetime import UTC, datetime

from pipeline.cli.producers.puts import json_bytes
from pipeline.cli.traffic.storms import storms
from pipeline.detection.detector import detectors
from pipeline.detection.rules import default_rules
from pipeline.events import decode

UNTIL = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def test_a_storm_is_more_than_the_page_budget_has_room_for() -> None:
    rules = Counter(storm.incident.rule_id for storm in storms(7, UNTIL))

    budget = default_rules().alerting.budget.notifications
    assert rules == {"static_limit": 24, "transaction_amount": 24}
    assert budget < 24


def test_the_detectors_find_each_incident_of_the_storms_and_nothing_else() -> None:
    planted = storms(7, UNTIL)
    opened: list[str] = []
    cleared: list[str] = []
    for storm in planted:
        for detector in detectors(default_rules()):
            state = detector.initial()
            for number, sent in enumerate(storm.events):
                event = decode(json_bytes(sent.fields))
                if detector.subject(event) is None:
                    continue
                state, facts = detector.fold(state, event, f"e-{number}")
                opened += [fact.dedup_key for fact in facts if fact.edge == "opened"]
                cleared += [fact.dedup_key for fact in facts if fact.edge == "cleared"]

    assert opened == [storm.incident.dedup_key for storm in planted]
    assert cleared == opened[:24]


def test_events_lie_within_their_incident_or_clear_it_later() -> None:
    outside = [
        storm.incident.dedup_key
        for storm in storms(7, UNTIL)
        if not storm.incident.starts_at <= storm.events[0].at <= storm.incident.ends_at
    ]

    assert outside == []


def test_the_incidents_are_the_same_for_every_seed() -> None:
    first, second = ([storm.incident for storm in storms(seed, UNTIL)] for seed in (7, 8))

    assert first == second
