from datetime import UTC, datetime

import pytest

from pipeline.detection import health
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.health_rules import HealthRule
from pipeline.detection.record_tally import RecordTally
from pipeline.detection.rules import default_rules

RULES = default_rules().health
ARRIVAL = 1_790_000_000.0  # 2026-09-21T14:13:20Z
DEFECT = health.record_defects(RULES, "shard-0", ARRIVAL, 3, "shard-0:7: defect in decoding")
NO_WINDOW = RecordTally()
REFUSED = health.refused_records(
    RULES, "shard-0", ARRIVAL, RecordTally(0, 40, 20), NO_WINDOW, "shard-0:7: not JSON"
)
assert REFUSED is not None
STRAY = health.stray_keys(RULES, "shard-0", ARRIVAL, 2, "shard-0:7 was put under another key")
POISON = health.poison_record(RULES, "shard-0", ARRIVAL, 7, 2)
DEADLY_USER = health.poison_record(RULES, "UsersTable", ARRIVAL, 7, 2, "users flow")
USER = health.user_refused(RULES, ARRIVAL, 3, "7: not JSON")


@pytest.mark.parametrize(
    ("fact", "rule_id", "severity", "observed"),
    [
        (DEFECT, "pipeline_record_defect", "high", 3),
        (REFUSED, "pipeline_refused_records", "high", 20),
        (STRAY, "pipeline_stray_key", "medium", 2),
        (POISON, "pipeline_poison_record", "high", 2),
    ],
)
def test_a_fact_is_as_its_rule_says(
    fact: Anomaly, rule_id: str, severity: str, observed: int
) -> None:
    rule = default_rules().texts()[rule_id]

    assert (fact.rule_id, fact.severity, fact.observed) == (rule_id, severity, observed)
    assert (fact.rule_version, fact.kind, fact.detector) == (rule.version, "event", "health")
    assert (fact.source, fact.component, fact.subject) == ("pipeline", "event flow", "shard-0")


def test_a_poison_record_is_told_of_the_flow_that_it_took_down() -> None:
    assert (POISON.component, DEADLY_USER.component) == ("event flow", "users flow")


@pytest.mark.parametrize(("refused", "records"), [(19, 19), (20, 41), (0, 500)])
def test_the_poison_that_any_stream_carries_is_no_fact(refused: int, records: int) -> None:
    batch = RecordTally(0, records, refused)

    assert health.refused_records(RULES, "shard-0", ARRIVAL, batch, NO_WINDOW, "why") is None


@pytest.mark.parametrize(("refused", "records", "is_told"), [(20, 400, True), (20, 401, False)])
def test_one_record_in_twenty_over_ten_minutes_is_told(
    refused: int, records: int, *, is_told: bool
) -> None:
    window = RecordTally(0, records, refused)

    fact = health.refused_records(RULES, "shard-0", ARRIVAL, RecordTally(0, 5, 1), window, "why")

    assert (fact is not None) == is_told


def test_a_batch_of_good_records_does_not_tell_of_its_window_again() -> None:
    window = RecordTally(0, 30, 20)

    assert health.refused_records(RULES, "shard-0", ARRIVAL, RecordTally(0, 5), window, "") is None


def test_a_share_of_a_window_is_told_with_its_length() -> None:
    window = RecordTally(0, 400, 25)

    fact = health.refused_records(RULES, "shard-0", ARRIVAL, RecordTally(0, 5, 1), window, "why")

    assert fact is not None
    assert fact.title == "25 of 400 records of 10 min of shard-0 refused"


def test_a_tally_begins_anew_with_its_window_and_takes_late_records_along() -> None:
    first = RecordTally().plus(10, 1, 600.0, 600.0)

    assert first.plus(5, 2, 1199.9, 600.0) == RecordTally(600, 15, 3)
    assert first.plus(5, 2, 599.0, 600.0) == RecordTally(600, 15, 3)
    assert first.plus(5, 2, 1200.0, 600.0) == RecordTally(1200, 5, 2)


def test_every_health_rule_has_a_fact() -> None:
    assert REFUSED is not None
    rules = {
        rule.id
        for rule in default_rules().all()
        if isinstance(rule, HealthRule) and rule.component in {"event flow", "users flow"}
    }

    told_elsewhere = {"pipeline_schema_drift"}  # see test_drift.py
    assert {fact.rule_id for fact in (DEFECT, REFUSED, STRAY, POISON, USER)} | told_elsewhere == (
        rules
    )


def test_batches_with_the_same_trouble_within_an_hour_tell_one_fact() -> None:
    next_batch = health.record_defects(RULES, "shard-0", ARRIVAL + 2_000, 1, "another")
    next_hour = health.record_defects(RULES, "shard-0", ARRIVAL + 3_000, 1, "another")

    assert DEFECT.opened_at == datetime(2026, 9, 21, 14, tzinfo=UTC)
    assert next_batch.fact_key == DEFECT.fact_key
    assert next_hour.fact_key != DEFECT.fact_key


def test_two_broken_detectors_of_a_shard_are_two_alerts() -> None:
    facts = [
        health.record_defects(RULES, "shard-0", ARRIVAL, 1, "why", detector)
        for detector in ("metric", "travel", "")
    ]

    assert [fact.subject for fact in facts] == ["shard-0:metric", "shard-0:travel", "shard-0"]
    assert facts[0].title == "A defect in the detector metric sent records of shard-0 to quarantine"


def test_a_fact_leads_to_its_record() -> None:
    assert POISON.title == "A record of shard-0 took the function down 2 times"
    assert POISON.reasons == (
        "sequence number 7 went to quarantine untried",
        "read it: streamwarden quarantine show shard-0:7",
    )
    assert DEFECT.reasons == ("shard-0:7: defect in decoding",)
