import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pipeline.detection.anomaly import Anomaly, Baseline
from pipeline.detection.rules import RuleText
from pipeline.flows.alerts.composing import compose
from pipeline.flows.alerts.digest import compose_digest
from pipeline.flows.alerts.notification import Notification, attributes, subject
from pipeline.flows.alerts.occasion import Occasion
from pipeline.flows.alerts.page import page_text
from tests.fakes.alerts import NOON, cpu_fact, refuse_what_sns_refuses
from tests.unit.flows.alerts.samples import (
    ALERT_ID,
    FIRST,
    ONGOING,
    OVER,
    RULE,
    STORM,
    STORMS,
    WHERE,
    hostile,
    hostile_facts,
    hostile_occasions,
    notification,
)

SCHEMA = Path(__file__).resolve().parents[4] / "schemas" / "alert.json"
VALIDATOR = Draft202012Validator(
    json.loads(SCHEMA.read_text()), format_checker=Draft202012Validator.FORMAT_CHECKER
)


def body(record: Notification) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(msgspec.json.encode(record))
    return document


@given(hostile_facts, hostile_occasions, st.sampled_from([RULE, None]))
def test_sns_takes_what_any_fact_makes_on_both_topics(
    fact: Anomaly, occasion: Occasion, rule: RuleText | None
) -> None:
    record = notification(fact, rule, occasion)

    refuse_what_sns_refuses(
        subject(record), msgspec.json.encode(record).decode(), attributes(record)
    )
    refuse_what_sns_refuses(subject(record), page_text(record, NOON), attributes(record))


@given(hostile_facts, hostile_occasions)
def test_what_any_fact_makes_keeps_the_published_schema(fact: Anomaly, occasion: Occasion) -> None:
    VALIDATOR.validate(body(notification(fact, RULE, occasion)))


@pytest.mark.parametrize("record", [notification(cpu_fact()), compose_digest(STORM, STORMS, WHERE)])
def test_a_subscriber_reads_back_what_was_written(record: Notification) -> None:
    again = msgspec.json.decode(msgspec.json.encode(record), type=Notification)

    assert again == record


def test_a_digest_keeps_the_published_schema() -> None:
    VALIDATOR.validate(body(compose_digest(STORM, STORMS, WHERE)))


@given(hostile_facts, hostile_occasions)
def test_no_text_shows_personal_data(fact: Anomaly, occasion: Occasion) -> None:
    record = notification(fact, RULE, occasion)
    shown = page_text(record, NOON) + subject(record) + msgspec.json.encode(record.content).decode()

    for secret in ("jane@example.com", "203.0.113.9", "4111111111111111", "+49 170", "2001:db8"):
        assert secret not in shown


def test_the_greatest_record_is_far_below_the_limit_and_says_that_it_was_cut() -> None:
    wide = "\U0001f4a5" * 5000  # four bytes each
    fact = cpu_fact(
        rule_id=wide,
        subject=wide,
        source=wide,
        title=wide,
        component=wide,
        expected=wide,
        unit=wide,
        reasons=(wide,) * 50,
        recent=(-1.7976931348623157e308,) * 200,
        labels={f"{n}{wide}": wide for n in range(99)},
        baseline=Baseline(n=10**15, mean=-1.5e300, stdev=1.5e300),
    )
    occasion = replace(ONGOING, event_ids=(wide,) * 10, members=(wide,) * 99, actor=wide, note=wide)

    record = notification(fact, RULE, occasion)

    message = msgspec.json.encode(record).decode()
    refuse_what_sns_refuses(subject(record), message, attributes(record))
    assert record.truncated
    assert len(message.encode()) < 200_000
    assert len(page_text(record, NOON).encode()) < 100_000


def test_a_first_notification_tells_what_is_known() -> None:
    fact = cpu_fact(score=7.5, window_s=120, baseline=Baseline(n=900, mean=41.0, stdev=2.5))

    record = body(notification(fact))

    del record["content"], record["metadata"]
    assert record == {
        "schema_version": "1.0",
        "alert_id": ALERT_ID,
        "dedup_key": "static_limit#web-7/cpu_usage",
        "status": "firing",
        "severity": "high",
        "rule_id": "static_limit",
        "rule_version": 1,
        "detector": "threshold",
        "title": "cpu_usage above 90% on web-7",
        "summary": (
            "cpu_usage above 90% on web-7: 97.3% observed against at most 90% expected"
            " within 2 min, 3 times, since 11:56:00 UTC on 2026-03-01."
        ),
        "entity": "web-7",
        "component": "host",
        "group": "streamwarden",
        "class": "cpu_usage",
        "environment": "prod",
        "service": "streamwarden",
        "region": "eu-west-1",
        "starts_at": "2026-03-01T11:56:00.000Z",
        "last_seen_at": "2026-03-01T11:56:00.000Z",
        "ends_at": None,
        "detected_at": "2026-03-01T12:00:00.000Z",
        "event_lag_ms": 240_000,
        "observed": 97.3,
        "expected": "at most 90%",
        "unit": "%",
        "threshold": 90.0,
        "window_s": 120,
        "baseline": {"n": 900, "mean": 41.0, "stdev": 2.5},
        "score": 7.5,
        "reasons": ["97.3% is above the limit 90%", "3 points above the limit so far"],
        "count": 3,
        "suppressed_count": 0,
        "event_ids": ["e-1"],
        "truncated": False,
        "evidence": {
            "archive_uri": "s3://shop-lake/events/dt=2026-03-01/hour=11/",
            "query": (
                "aws dynamodb query --table-name shop-metrics"
                " --key-condition-expression 'series_day = :k AND event_key BETWEEN :a AND :b'"
                " --expression-attribute-values"
                """ '{":k": {"S": "web-7#cpu_usage#2026-03-01"},"""
                """ ":a": {"S": "2026-03-01T10:56:00"}, ":b": {"S": "2026-03-01T11:56:00~"}}'"""
            ),
            "trace_id": None,
        },
        "runbook_url": "https://runbooks.example.com/operations.md#static-limit",
        "next_steps": [
            "Find the busiest process: top -o %CPU",
            "Genuine load: add capacity",
            "A runaway process: restart it, or roll back the release it came with",
        ],
        "silence_command": (
            "streamwarden silence add --stack shop-prod --rule static_limit"
            " --subject web-7/cpu_usage --for 2h --reason 'WHY'"
        ),
        "replay": False,
        "notification_reason": "first",
        "labels": {"metric_name": "cpu_usage", "source": "web-7"},
        "annotations": {
            "impact": "Work on this source queues up and answers take longer.",
            "acknowledge": f"streamwarden alerts ack --stack shop-prod {ALERT_ID}",
        },
        "recent": [41.0, 43.5, 40.2, 44.1, 52.0, 71.9, 91.2, 95.8, 97.3],
        "version": "1.0",
        "source": "custom",
        "id": "n-1",
        "silenced_count": 0,
        "group_members": [],
        "group_count": 1,
        "actor": "",
        "ended_by": None,
        "digest": None,
        "note": "",
        "group_over": False,
    }


def test_an_update_tells_what_is_new_and_what_was_held_back() -> None:
    occasion = replace(
        ONGOING,
        reason="severity",
        severity="critical",
        told_severity="high",
        suppressed_count=12,
        silenced_count=3,
        group="static_limit on host",
        replay=True,
    )

    record = notification(cpu_fact(), RULE, occasion)

    assert record.status == "update"
    assert record.annotations["change"] == "severity has risen from high to critical"
    assert (record.suppressed_count, record.silenced_count) == (12, 3)
    assert record.group == "static_limit on host"
    assert record.replay


def test_a_resolve_carries_the_whole_record_and_how_it_ended() -> None:
    record = notification(cpu_fact(), RULE, replace(OVER, ended_by="hand", actor="jane"))

    assert record.status == "resolved"
    assert record.ends_at == "2026-03-01T11:59:30.000Z"
    assert (record.ended_by, record.actor) == ("hand", "jane")
    assert record.annotations["change"] == "resolved by hand by jane"
    assert record.summary == (
        "cpu_usage above 90% on web-7: 97.3% observed, over after 3 min, since 11:56:00 UTC on"
        " 2026-03-01, 41 times."
    )
    assert record.next_steps == RULE.next_steps


def test_a_quiet_end_tells_how_long_it_was_quiet() -> None:
    quiet = replace(OVER, ended_by="quiet", notified_at=OVER.last_seen_at + timedelta(hours=2))

    record = notification(cpu_fact(), RULE, quiet)

    assert record.annotations["change"] == "nothing more of it for 2 h"


def test_a_cut_text_is_marked() -> None:
    record = notification(cpu_fact(title="word " * 40))

    assert record.truncated
    assert record.title == "word " * 15 + "word…"


def test_an_uncut_record_says_so() -> None:
    assert not notification(cpu_fact()).truncated


@pytest.mark.parametrize("title", ["", " \t", "\u202e"])
def test_a_fact_without_a_title_is_called_by_its_rule(title: str) -> None:
    assert notification(cpu_fact(title=title)).title == "static_limit"
    assert notification(cpu_fact(title=title, rule_id="")).title == "an anomaly without a title"


def test_an_unknown_rule_is_admitted() -> None:
    record = notification(cpu_fact(), None)

    assert record.runbook_url is None
    assert record.next_steps == ()
    assert record.annotations["impact"].startswith("unknown: this version of streamwarden")


def test_an_address_is_broken_in_what_a_producer_wrote_and_whole_in_a_rule() -> None:
    rule = RuleText(runbook="A", impact="b", next_steps=("See https://status.example.com",))

    record = compose(cpu_fact(reasons=("see https://evil.example",)), FIRST, rule, WHERE)

    assert record.reasons == ("see https[:]//evil.example",)
    assert record.next_steps == ("See https://status.example.com",)


@pytest.mark.parametrize("source", ["jane@example.com", "203.0.113.9"])
def test_a_key_with_personal_data_is_kept_for_machines_and_out_of_commands(source: str) -> None:
    labels = {"metric_name": "cpu_usage", "source": source}

    record = notification(cpu_fact(source=source, subject=source, labels=labels))

    assert record.entity == source
    assert record.silence_command is None
    assert record.evidence.query is not None
    assert source not in record.evidence.query


@given(st.lists(hostile, max_size=9), st.integers(0, 10**9))
def test_a_digest_of_anything_is_sent_and_keeps_the_schema(names: list[str], count: int) -> None:
    shares = tuple((name, count) for name in names)
    storm = replace(STORM, rules=shares, subjects=shares, subject_count=len(names) + 7)

    record = compose_digest(storm, STORMS, WHERE)

    VALIDATOR.validate(body(record))
    refuse_what_sns_refuses(
        subject(record), msgspec.json.encode(record).decode(), attributes(record)
    )
    assert len(page_text(record, NOON).splitlines()) <= 25
    assert "jane@example.com" not in msgspec.json.encode(record).decode()
