from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from pipeline.detection.anomaly import Anomaly, Severity
from pipeline.flows.alerts.digest import compose_digest
from pipeline.flows.alerts.notification import Notification
from pipeline.flows.alerts.occasion import Occasion
from pipeline.flows.alerts.pagerduty import MAX_EVENT_BYTES, pagerduty_event
from tests.fakes.alerts import cpu_fact
from tests.unit.flows.alerts.samples import (
    ONGOING,
    OVER,
    RULE,
    STORM,
    STORMS,
    WHERE,
    hostile_facts,
    hostile_occasions,
    notification,
)

KEY = "0123456789abcdef0123456789abcdef"
TEXT = {"type": "string", "minLength": 1}
EVENTS_V2 = Draft202012Validator(
    {
        "type": "object",
        "required": ["routing_key", "event_action"],
        "additionalProperties": False,
        "properties": {
            "routing_key": TEXT | {"minLength": 32, "maxLength": 32},
            "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
            "dedup_key": TEXT | {"maxLength": 255},
            "client": TEXT,
            "links": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["href"],
                    "properties": {"href": TEXT, "text": TEXT},
                },
            },
            "payload": {
                "type": "object",
                "required": ["summary", "severity", "source"],
                "additionalProperties": False,
                "properties": {
                    "summary": TEXT | {"maxLength": 1024},
                    "source": TEXT,
                    "severity": {"enum": ["critical", "error", "warning", "info"]},
                    "timestamp": {"type": "string", "format": "date-time"},
                    "component": {"type": "string"},
                    "group": {"type": "string"},
                    "class": {"type": "string"},
                    "custom_details": {"type": "object"},
                },
            },
        },
        "if": {"properties": {"event_action": {"const": "trigger"}}},
        "then": {"required": ["payload"]},
        "else": {"required": ["dedup_key"]},
    },
    format_checker=Draft202012Validator.FORMAT_CHECKER,
)
"""Typed from PagerDuty's own schema, events-v2, and the lengths of its common event format."""


def event(record: Notification) -> dict[str, Any]:
    return msgspec.json.decode(
        msgspec.json.encode(pagerduty_event(record, KEY)), type=dict[str, Any]
    )


def test_a_first_notification_triggers() -> None:
    assert event(notification(cpu_fact(score=7.5))) == {
        "routing_key": KEY,
        "event_action": "trigger",
        "dedup_key": "7f2e1d0c9b8a79685746352413021100",
        "payload": {
            "summary": "cpu_usage above 90% on web-7 (prod)",
            "source": "web-7",
            "severity": "error",
            "timestamp": "2026-03-01T11:56:00.000Z",
            "component": "host",
            "group": "streamwarden",
            "class": "cpu_usage",
            "custom_details": {
                "summary": (
                    "cpu_usage above 90% on web-7: 97.3% observed against at most 90% expected,"
                    " 3 times, since 11:56:00 UTC on 2026-03-01."
                ),
                "impact": "Work on this source queues up and answers take longer.",
                "observed": 97.3,
                "expected": "at most 90%",
                "unit": "%",
                "threshold": 90.0,
                "score": 7.5,
                "count": 3,
                "reasons": ["97.3% is above the limit 90%", "3 points above the limit so far"],
                "next_steps": [
                    "Find the busiest process: top -o %CPU",
                    "Genuine load: add capacity",
                    "A runaway process: restart it, or roll back the release it came with",
                ],
                "evidence": (
                    "aws dynamodb query --table-name shop-metrics"
                    " --key-condition-expression 'series_day = :k AND event_key BETWEEN :a AND :b'"
                    " --expression-attribute-values"
                    """ '{":k": {"S": "web-7#cpu_usage#2026-03-01"},"""
                    """ ":a": {"S": "2026-03-01T10:56:00"}, ":b": {"S": "2026-03-01T11:56:00~"}}'"""
                ),
                "archive": "s3://shop-lake/events/dt=2026-03-01/hour=11/",
                "silence": (
                    "streamwarden silence add --stack shop-prod --rule static_limit"
                    " --subject web-7/cpu_usage --for 2h --reason 'WHY'"
                ),
                "held_back": 0,
                "last_seen_at": "2026-03-01T11:56:00.000Z",
                "region": "eu-west-1",
                "rule": "static_limit version 1",
                "alert_id": "618098af3b1c4d5e9f60718293a4b5c6",
            },
        },
        "client": "streamwarden prod",
        "links": [
            {
                "href": "https://runbooks.example.com/operations.md#static-limit",
                "text": "Runbook",
            }
        ],
    }


def test_an_update_triggers_under_the_same_key_and_tells_what_is_new() -> None:
    occasion = replace(ONGOING, reason="severity", severity="critical", told_severity="high")

    risen = event(notification(cpu_fact(), RULE, occasion))

    assert risen["event_action"] == "trigger"
    assert risen["dedup_key"] == "7f2e1d0c9b8a79685746352413021100"
    assert risen["payload"]["severity"] == "critical"
    assert risen["payload"]["custom_details"]["news"] == "severity has risen from high to critical"


@pytest.mark.parametrize(
    ("occasion", "action"),
    [(OVER, "resolve"), (replace(ONGOING, reason="acknowledged", actor="jane"), "acknowledge")],
)
def test_an_end_and_an_acknowledgement_name_the_incident_alone(
    occasion: Occasion, action: str
) -> None:
    assert event(notification(cpu_fact(), RULE, occasion)) == {
        "routing_key": KEY,
        "event_action": action,
        "dedup_key": "7f2e1d0c9b8a79685746352413021100",
    }


@pytest.mark.parametrize(
    ("severity", "shown"),
    [
        ("critical", "critical"),
        ("high", "error"),
        ("medium", "warning"),
        ("low", "info"),
        ("info", "info"),
    ],
)
def test_each_severity_has_one_at_pagerduty(severity: Severity, shown: str) -> None:
    record = msgspec.structs.replace(notification(cpu_fact()), severity=severity)

    assert event(record)["payload"]["severity"] == shown


def test_a_digest_triggers_under_the_key_of_its_storm() -> None:
    digest = event(compose_digest(STORM, STORMS, WHERE))

    EVENTS_V2.validate(digest)
    assert digest["event_action"] == "trigger"
    assert digest["dedup_key"] == STORM.thread_id
    assert digest["payload"]["summary"].startswith("1,240 notifications held back in 5 min")


def test_an_entity_without_a_name_is_the_service() -> None:
    assert event(notification(cpu_fact(source="\u200b")))["payload"]["source"] == "streamwarden"


@given(hostile_facts, hostile_occasions)
def test_pagerduty_takes_what_any_fact_makes(fact: Anomaly, occasion: Occasion) -> None:
    told = pagerduty_event(notification(fact, RULE, occasion), KEY)

    body = msgspec.json.encode(told)
    EVENTS_V2.validate(msgspec.json.decode(body))
    assert len(body) <= MAX_EVENT_BYTES


@given(hostile_facts, hostile_occasions)
def test_pagerduty_learns_no_personal_data(fact: Anomaly, occasion: Occasion) -> None:
    body = msgspec.json.encode(pagerduty_event(notification(fact, RULE, occasion), KEY)).decode()

    for secret in ("jane@example.com", "203.0.113.9", "4111111111111111", "+49 170", "2001:db8"):
        assert secret not in body
