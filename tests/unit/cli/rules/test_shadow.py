from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import UNSET

from pipeline.cli.lake.events import LakeEvent
from pipeline.cli.rules.shadow import Detection, firings, within
from pipeline.detection.overrides import overridden
from pipeline.detection.rules import default_rules
from pipeline.events import FraudReport, SystemMetric
from tests.unit.detection.users import payment

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RULES = default_rules()


def a_disk(number: int, value: float, source: str = "web-1") -> LakeEvent:
    event = SystemMetric(
        metric_name="disk_usage",
        value=value,
        timestamp=NOON + timedelta(minutes=number),
        source=source,
        unit="%",
        tags=UNSET,
        event_id=f"e{number}",
    )
    return LakeEvent("shard-0", number, NOON, f"e{number}", event, b"")


QUIET = [a_disk(9, 50), a_disk(10, 50)]
"""Two points below the limit clear it."""


def test_an_alert_opens_and_ends_by_the_events_own_clock() -> None:
    detection = Detection(RULES)
    facts = list(detection.facts([a_disk(0, 50), a_disk(1, 95), a_disk(2, 96), *QUIET]))

    (firing,) = firings(facts, (), RULES)

    assert firing.alert.starts_at == NOON + timedelta(minutes=1)
    assert firing.alert.ends_at == NOON + timedelta(minutes=10)
    assert (firing.pages, firing.is_new) == (2, True)
    assert detection.events == 5


def test_an_alert_that_the_stack_has_found_is_not_new() -> None:
    facts = list(Detection(RULES).facts([a_disk(1, 95), a_disk(2, 50)]))
    opening = (facts[0].dedup_key, facts[0].fact_key)

    (firing,) = firings(facts, [opening], RULES)

    assert not firing.is_new


def test_a_staged_rule_fires_and_pages_nobody() -> None:
    rules = overridden("[static_limit]\nstaged = true")
    facts = list(Detection(rules).facts([a_disk(1, 95)]))

    (firing,) = firings(facts, (), rules)

    assert (firing.alert.fact.rule_id, firing.pages) == ("static_limit", 0)


def test_what_warming_up_finds_is_left_out() -> None:
    facts = list(Detection(RULES).facts([a_disk(0, 95, "web-1"), a_disk(5, 95, "web-2")]))

    kept = within(facts, NOON + timedelta(minutes=1), NOON + timedelta(hours=1))

    assert [fact.source for fact in kept] == ["web-2"]


def an_odd_payment_after(reports: int) -> list[LakeEvent]:
    """Return 60 small payments on one shard, reports of the first, and an odd one on another."""
    items = []
    for number in range(60):
        sent, event_id = payment(number, number * 60.0, user=f"u{number % 2}")
        paid = msgspec.structs.replace(sent, merchant="shop")
        items.append(LakeEvent("shard-1", number, NOON, event_id, paid, b""))
    moment = items[-1].event.timestamp
    for number in range(reports):
        told = FraudReport(
            transaction_id=f"t{number}",
            user_id=f"u{number % 2}",
            transaction_timestamp=moment,
            is_fraud=True,
            timestamp=moment,
            merchant="shop",
        )
        items.append(LakeEvent("shard-1", 100 + number, NOON, f"r{number}", told, b""))
    sent, event_id = payment(200, 7200.0, "900", user="victim")
    odd = msgspec.structs.replace(sent, merchant="shop")
    return [*items, LakeEvent("shard-0", 0, NOON, event_id, odd, b"")]


def test_reports_on_one_shard_make_a_payment_on_another_suspicious() -> None:
    silent, warned = Detection(RULES), Detection(RULES)

    before = silent.facts(an_odd_payment_after(reports=49))
    after = warned.facts(an_odd_payment_after(reports=50))

    rule_id = "transaction_fraud_score"
    assert [fact for fact in before if fact.rule_id == rule_id] == []
    assert [fact.labels for fact in after if fact.rule_id == rule_id] == [
        {"user_id": "victim", "merchant": "shop"}
    ]
    assert (silent.defects, warned.defects) == ({}, {})
