import json

import msgspec
import pytest

from pipeline.detection.drift import MAX_FIELDS, Drift, fold, unknown_fields
from pipeline.detection.rules import default_rules
from pipeline.events import Event, decode

RULE = default_rules().health.pipeline_schema_drift
ARRIVAL = 1_790_000_000.0  # 2026-09-21T14:13:20Z


def event(**more: object) -> tuple[bytes, Event]:
    payload = json.dumps(
        {
            "event_type": "system_metric",
            "metric_name": "cpu_usage",
            "value": 20,
            "source": "web-7",
            "timestamp": "2026-09-21T14:13:00Z",
        }
        | more
    ).encode()
    return payload, decode(payload)


def told(state: Drift, *fields: str, producer: str = "agent") -> tuple[Drift, list[str]]:
    _, sent = event(producer=producer)
    state, facts = fold(RULE, state, fields, sent, "e-1", ARRIVAL)
    return state, [reason for fact in facts for reason in fact.reasons]


@pytest.mark.parametrize(
    ("more", "unknown"),
    [
        ({}, ()),
        ({"event_id": "e-1", "producer": "agent", "unit": "%", "tags": {"a": "b"}}, ()),
        ({"user_id": "u-1", "vaule": 3}, ("user_id", "vaule")),
        ({"tags": {"anything": "goes"}}, ()),
    ],
)
def test_a_field_that_the_events_own_type_lacks_is_unknown(
    more: dict[str, object], unknown: tuple[str, ...]
) -> None:
    assert unknown_fields(*event(**more)) == unknown


def test_a_new_field_is_told_once_with_its_producer_and_since_when() -> None:
    state, first = told(Drift(), "coupon")
    same, again = told(state, "coupon")

    assert first == ["field coupon new since 2026-09-21 14:13 UTC, from agent"]
    assert again == []
    assert same is state


def test_a_fact_names_all_new_fields_of_its_event() -> None:
    _, sent = event(producer="agent")

    _, (fact,) = fold(RULE, Drift(), ["a", "b"], sent, "e-1", ARRIVAL)

    assert (fact.rule_id, fact.kind, fact.severity) == ("pipeline_schema_drift", "event", "low")
    assert fact.subject == "system_metric of agent"
    assert fact.fact_key == "2026-09-21T14:13:20.000000Z#e-1#opened"
    assert len(fact.reasons) == 2


def test_producers_and_event_types_are_told_apart() -> None:
    state, _ = told(Drift(), "coupon")

    _, reasons = told(state, "coupon", producer="other")

    assert reasons == ["field coupon new since 2026-09-21 14:13 UTC, from other"]


def test_a_producer_that_invents_fields_is_told_a_dozen_times_and_then_no_more() -> None:
    state, told_of = Drift(), []

    for number in range(1000):
        state, reasons = told(state, f"field_{number}")
        told_of += reasons

    assert len(told_of) == 13
    assert told_of[-1] == "there are more unknown fields, which are not told one by one"


def test_what_is_remembered_stays_below_a_write_unit() -> None:
    state, facts = Drift(), 0

    for number in range(1000):
        state, reasons = told(state, f"field_{number}", producer=f"p-{number}")
        facts += len(reasons)

    assert facts == MAX_FIELDS
    assert len(msgspec.msgpack.encode(state)) <= 850


def test_a_known_field_keeps_its_row_from_expiring_once_a_day() -> None:
    state, _ = told(Drift(), "coupon")
    _, sent = event(producer="agent")

    next_day, facts = fold(RULE, state, ["coupon"], sent, "e-2", ARRIVAL + 86_400)

    assert facts == ()
    assert (next_day.told, next_day.day) == (state.told, state.day + 1)


def test_a_long_name_is_cut() -> None:
    _, reasons = told(Drift(), "x" * 100_000)

    assert len(reasons[0]) < 130
