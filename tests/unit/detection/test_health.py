from datetime import UTC, datetime

import pytest

from pipeline.detection import health
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.rules import default_rules

RULES = default_rules().health
ARRIVAL = 1_790_000_000.0  # 2026-09-21T14:13:20Z
DEFECT = health.record_defects(RULES, "shard-0", ARRIVAL, 3, "shard-0:7: defect in decoding")
REFUSED = health.refused_records(RULES, "shard-0", ARRIVAL, 20, 40, "shard-0:7: not JSON")
assert REFUSED is not None
STRAY = health.stray_keys(RULES, "shard-0", ARRIVAL, 2, "shard-0:7 was put under another key")
POISON = health.poison_record(RULES, "shard-0", ARRIVAL, 7, 2)


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


@pytest.mark.parametrize(("refused", "records"), [(19, 19), (20, 41), (0, 500)])
def test_the_poison_that_any_stream_carries_is_no_fact(refused: int, records: int) -> None:
    assert health.refused_records(RULES, "shard-0", ARRIVAL, refused, records, "why") is None


def test_every_health_rule_has_a_fact() -> None:
    assert REFUSED is not None
    rules = [rule.id for rule in default_rules().all() if rule.detector == "health"]

    told_by_the_alert_flow = "pipeline_fact_defect"
    assert [
        *(fact.rule_id for fact in (DEFECT, REFUSED, STRAY, POISON)),
        told_by_the_alert_flow,
    ] == rules


def test_batches_with_the_same_trouble_within_an_hour_tell_one_fact() -> None:
    next_batch = health.record_defects(RULES, "shard-0", ARRIVAL + 2_000, 1, "another")
    next_hour = health.record_defects(RULES, "shard-0", ARRIVAL + 3_000, 1, "another")

    assert DEFECT.opened_at == datetime(2026, 9, 21, 14, tzinfo=UTC)
    assert next_batch.fact_key == DEFECT.fact_key
    assert next_hour.fact_key != DEFECT.fact_key


def test_a_fact_leads_to_its_record() -> None:
    assert POISON.title == "A record of shard-0 took the function down 2 times"
    assert POISON.reasons == ("sequence number 7 went to quarantine untried",)
    assert DEFECT.reasons == ("shard-0:7: defect in decoding",)
