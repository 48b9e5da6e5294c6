import json
import shlex
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.rules import RuleText
from pipeline.flows.alerts.composing import Deployment, Occasion, compose
from pipeline.flows.alerts.notification import Notification, attributes, subject
from pipeline.flows.alerts.page import MAX_LINES, page_text
from tests.fakes.alerts import NOON, cpu_fact, refuse_what_sns_refuses

WHERE = Deployment(
    service="streamwarden",
    environment="prod",
    region="eu-west-1",
    runbook_url="https://runbooks.example.com/operations.md",
    alerts_table="alerts",
)
RULE = RuleText(runbook="Static limit", impact="Work queues up.", next_steps=("Look.", "Mend."))
SCHEMA = Path(__file__).resolve().parents[4] / "schemas" / "alert.json"
VALIDATOR = Draft202012Validator(
    json.loads(SCHEMA.read_text()), format_checker=Draft202012Validator.FORMAT_CHECKER
)
FIRST = Occasion(
    notification_id="n-1",
    alert_id="a-1",
    thread_id="t-1",
    reason="first",
    severity="high",
    count=3,
    starts_at=NOON - timedelta(minutes=4),
    last_seen_at=NOON - timedelta(minutes=4),
    ends_at=None,
    detected_at=NOON,
    notified_at=NOON,
    event_ids=("e-1",),
)

hostile = st.text(max_size=400) | st.sampled_from(
    [
        "\x00" * 50,
        "<!channel> \r\nSubject: pwned",
        "jane@example.com 203.0.113.9 4111111111111111",
        "漢" * 400,
        "a" * 3000,
        "' \" ; rm -rf / $(id)",
        "",
    ]
)
hostile_facts = st.builds(
    cpu_fact,
    rule_id=hostile,
    subject=hostile,
    source=hostile,
    title=hostile,
    component=hostile,
    expected=hostile,
    unit=hostile,
    event_id=hostile,
    observed=st.floats(allow_nan=False, allow_infinity=False),
    window_s=st.none() | st.integers(0, 10**9),
    reasons=st.lists(hostile, max_size=8).map(tuple),
    recent=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=99).map(tuple),
    labels=st.dictionaries(hostile, hostile, max_size=30),
)


def notification(fact: Anomaly, rule: RuleText | None = RULE) -> Notification:
    return compose(fact, FIRST, rule, WHERE)


@given(hostile_facts, st.sampled_from([RULE, None]))
def test_sns_takes_what_any_fact_makes_on_both_topics(fact: Anomaly, rule: RuleText | None) -> None:
    record = notification(fact, rule)
    text = page_text(record, NOON)

    refuse_what_sns_refuses(
        subject(record), msgspec.json.encode(record).decode(), attributes(record)
    )
    refuse_what_sns_refuses(subject(record), text, attributes(record))
    assert len(text.splitlines()) <= MAX_LINES
    assert text.endswith("Alert id:     a-1\n")
    assert all(char == "\n" or char.isprintable() or char == " " for char in text)


@given(hostile_facts)
def test_what_any_fact_makes_keeps_the_published_schema(fact: Anomaly) -> None:
    body = json.loads(msgspec.json.encode(notification(fact)))

    VALIDATOR.validate(body)


@given(hostile_facts)
def test_no_text_shows_personal_data(fact: Anomaly) -> None:
    record = notification(fact)
    shown = page_text(record, NOON) + subject(record) + msgspec.json.encode(record.content).decode()

    assert "jane@example.com" not in shown
    assert "203.0.113.9" not in shown
    assert "4111111111111111" not in shown


def test_the_body_is_a_custom_notification_of_amazon_q() -> None:
    body = json.loads(msgspec.json.encode(notification(cpu_fact())))

    assert body["version"] == "1.0"
    assert body["source"] == "custom"
    assert body["content"] == {
        "textType": "client-markdown",
        "title": "[firing][high] cpu_usage above 90% on web-7",
        "description": (
            "cpu_usage above 90% on web-7: 97.3% observed against at most 90% expected, 3 times, "
            "since 11:56:00 UTC on 2026-03-01.\n"
            "- 97.3% is above the limit 90%\n"
            "- 3 points above the limit so far"
        ),
        "nextSteps": [
            "Look.",
            "Mend.",
            "Runbook: https://runbooks.example.com/operations.md#static-limit",
        ],
        "keywords": ["firing", "high"],
    }
    assert body["metadata"]["threadId"] == "t-1"
    assert all(isinstance(value, str) for value in body["metadata"]["additionalContext"].values())


def test_the_chat_calls_nobody_for_a_hostile_title() -> None:
    record = notification(cpu_fact(title="<!channel> free money"))

    assert "<" not in record.content.title


def test_a_cut_text_is_marked() -> None:
    record = notification(cpu_fact(title="word " * 40))

    assert record.truncated
    assert record.title == "word " * 15 + "word…"


def test_an_uncut_record_says_so() -> None:
    assert not notification(cpu_fact()).truncated


def test_an_unknown_rule_is_admitted() -> None:
    record = notification(cpu_fact(), None)

    assert record.runbook_url is None
    assert record.next_steps == ()
    assert record.annotations["impact"].startswith("unknown: this version of streamwarden")


@pytest.mark.parametrize("source", ["jane@example.com", "203.0.113.9"])
def test_a_key_with_personal_data_is_kept_for_machines_and_out_of_commands(source: str) -> None:
    record = notification(cpu_fact(source=source, subject=source))

    assert record.entity == source
    assert record.silence_command is None
    assert record.evidence.query is None


@given(st.text(min_size=1, max_size=40).filter(str.isprintable))
def test_the_silence_command_survives_a_shell(text: str) -> None:
    fact = cpu_fact(subject=text)

    command = notification(fact).silence_command

    if command is not None:
        policy = json.loads(shlex.split(command)[-1])
        assert policy == {"dedup_key": [{"anything-but": [fact.dedup_key]}]}
