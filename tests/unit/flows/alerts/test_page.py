from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given

from pipeline.detection.anomaly import Anomaly
from pipeline.flows.alerts.digest import compose_digest
from pipeline.flows.alerts.notification import Notification, subject
from pipeline.flows.alerts.occasion import Occasion
from pipeline.flows.alerts.page import MAX_LINES, page_text, sms_text
from tests.fakes.alerts import NOON, cpu_fact
from tests.unit.flows.alerts.samples import (
    CALM,
    FIRST,
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

GOLDEN = Path(__file__).parent / "golden"
CPU = cpu_fact(title="cpu_usage 97.3% > 90% on web-7")
SIX_HOURS = timedelta(hours=6)
MESSAGES = {
    "first": notification(CPU),
    "severity": notification(
        CPU,
        occasion=replace(ONGOING, reason="severity", severity="critical", told_severity="high"),
    ),
    "count": notification(CPU, occasion=replace(ONGOING, reason="count", told_count=4)),
    "repeat": notification(
        CPU,
        occasion=replace(
            ONGOING,
            reason="repeat",
            starts_at=FIRST.starts_at - SIX_HOURS,
            suppressed_count=12,
            silenced_count=3,
        ),
    ),
    "group": notification(
        CPU,
        occasion=replace(
            ONGOING,
            reason="group",
            members=tuple(f"web-{n}/cpu_usage" for n in (8, 9, 12, 15)),
            member_count=5,
        ),
    ),
    "group_over": notification(
        CPU,
        occasion=replace(
            ONGOING,
            reason="group",
            members=("web-8/cpu_usage", "web-9/cpu_usage"),
            member_count=3,
            are_over=True,
        ),
    ),
    "acknowledged": notification(
        CPU,
        occasion=replace(ONGOING, reason="acknowledged", actor="jane", note="rolling back 4.2"),
    ),
    "resolved": notification(CALM, occasion=OVER),
    "resolved_quiet": notification(
        CPU,
        occasion=replace(
            OVER, ended_by="quiet", notified_at=OVER.last_seen_at + timedelta(hours=1)
        ),
    ),
    "resolved_by_hand": notification(
        CPU, occasion=replace(OVER, ended_by="hand", actor="jane", note="host is gone")
    ),
    "unknown_rule": notification(CPU, rule=None),
    "digest": compose_digest(STORM, STORMS, WHERE),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_each_message_reads_as_it_was_reviewed(name: str) -> None:
    record = MESSAGES[name]

    shown = f"{subject(record)}\n{sms_text(record)}\n\n{page_text(record, NOON)}"

    assert shown == (GOLDEN / f"{name}.txt").read_text("utf-8")


def test_every_reviewed_message_is_still_made() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.txt")) == sorted(MESSAGES)


def test_a_moment_ahead_of_the_clock_is_admitted() -> None:
    assert "(6 min ahead of this clock)" in page_text(
        MESSAGES["first"], NOON - timedelta(minutes=10)
    )


def test_the_age_is_that_of_the_sending() -> None:
    assert "(2 h 4 min ago)" in page_text(MESSAGES["first"], NOON + timedelta(hours=2))


def test_a_window_that_the_expectation_names_is_not_told_twice() -> None:
    told = cpu_fact(expected="at most 10 within 5 min", window_s=300)
    untold = cpu_fact(expected="at most 10", window_s=300)

    assert "expected at most 10 within 5 min, 3 times" in page_text(notification(told), NOON)
    assert "expected at most 10 within 5 min, 3 times" in page_text(notification(untold), NOON)


def test_a_subject_that_cannot_stand_in_a_command_sends_to_the_runbook() -> None:
    text = page_text(notification(cpu_fact(subject="jane@example.com")), NOON)

    assert "Silence it:   its subject cannot stand in a command; the runbook says how" in text


def test_a_digest_of_many_rules_has_at_most_25_lines() -> None:
    many = tuple((f"rule_{n}", 90 - n) for n in range(30))
    storm = replace(STORM, rules=many, rule_count=30)
    steps = ("one", "two", "three", "four", "five")
    record = msgspec.structs.replace(compose_digest(storm, STORMS, WHERE), next_steps=steps)

    assert len(page_text(record, NOON).splitlines()) == MAX_LINES


@pytest.mark.parametrize("record", list(MESSAGES.values()), ids=list(MESSAGES))
def test_the_longest_page_has_at_most_25_lines(record: Notification) -> None:
    five = ("one", "two", "three", "four", "five")
    longest = msgspec.structs.replace(record, next_steps=five, reasons=five)

    assert len(page_text(longest, NOON).splitlines()) <= MAX_LINES


@given(hostile_facts, hostile_occasions)
def test_any_page_is_25_harmless_lines_that_end_with_the_id(
    fact: Anomaly, occasion: Occasion
) -> None:
    text = page_text(notification(fact, RULE, occasion), NOON)

    lines = text.splitlines()
    assert len(lines) <= MAX_LINES
    assert text.count("\n") == len(lines)
    assert lines[-1] == f"Alert id:     {occasion.alert_id}"
    assert all(line.isprintable() for line in lines)
    assert "https://evil.example" not in text


@given(hostile_facts, hostile_occasions)
def test_the_one_line_form_of_anything_fits_one_sms(fact: Anomaly, occasion: Occasion) -> None:
    line = sms_text(notification(fact, RULE, occasion))

    assert len(line) <= 160
    assert not set(line) & set("[]{}\\^~|`")
    assert line.isascii()
    assert line.isprintable()
    assert line.endswith(", id 618098af")
