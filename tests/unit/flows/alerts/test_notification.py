import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detection.anomaly import Anomaly
from pipeline.flows.alerts.digest import compose_digest
from pipeline.flows.alerts.notification import Notification, attributes, subject
from pipeline.flows.alerts.occasion import Occasion
from tests.fakes.alerts import cpu_fact
from tests.unit.flows.alerts.samples import (
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
PUBLISHED = Path(__file__).parent / "published_alert.json"
"""The schema that subscribers have been given; it may be replaced by a later one, never edited."""

CPU = notification(cpu_fact())


def test_the_subject_tells_status_severity_title_and_place() -> None:
    assert subject(CPU) == "[FIRING:3][HIGH] cpu_usage above 90% on web-7 (prod)"


def test_an_update_tells_the_severity_and_count_that_it_has_come_to() -> None:
    risen = notification(cpu_fact(), RULE, replace(ONGOING, reason="severity", severity="critical"))

    assert subject(risen) == "[FIRING:41][CRITICAL] cpu_usage above 90% on web-7 (prod)"


def test_a_resolve_is_told_by_the_subjects_first_word() -> None:
    resolved = notification(cpu_fact(), RULE, OVER)

    assert subject(resolved) == "[RESOLVED][HIGH] cpu_usage above 90% on web-7 (prod)"


def test_a_digest_is_told_by_the_subjects_first_word() -> None:
    line = subject(compose_digest(STORM, STORMS, WHERE))

    assert line == "[DIGEST] 1,240 notifications held back in 5 min, 1,100 of static_limit (prod)"


def test_a_long_title_is_cut_on_a_word_and_the_place_stays() -> None:
    long = msgspec.structs.replace(CPU, title="disk usage " * 7 + "end")

    line = subject(long)

    assert len(line) <= 99
    assert line == f"[FIRING:3][HIGH] {'disk usage ' * 6}disk... (prod)"


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("naïve Zürich", "naive Zurich"),
        ("漢字", "??"),
        ("tab\there", "tab?here"),
        ("two\u00a0 words", "two words"),
        ("", "?"),
    ],
)
def test_the_subject_is_printable_ascii(title: str, shown: str) -> None:
    line = subject(msgspec.structs.replace(CPU, title=title))

    assert line == f"[FIRING:3][HIGH] {shown} (prod)"


def test_an_environment_without_a_name_takes_no_brackets() -> None:
    line = subject(msgspec.structs.replace(CPU, environment=" "))

    assert line == "[FIRING:3][HIGH] cpu_usage above 90% on web-7"


def test_an_endless_count_is_cut() -> None:
    line = subject(msgspec.structs.replace(CPU, count=10**40))

    assert line == "[FIRING:9999999+][HIGH] cpu_usage above 90% on web-7 (prod)"


@given(hostile, hostile, st.integers(0, 10**60), st.sampled_from(["firing", "update", "resolved"]))
def test_the_rules_for_a_subject_hold_for_every_title(
    title: str, environment: str, count: int, status: str
) -> None:
    record = msgspec.structs.replace(
        CPU, title=title, environment=environment, count=count, status=status
    )

    line = subject(record)

    assert 0 < len(line) <= 99
    assert all(" " <= char <= "~" for char in line)
    assert line.startswith("[RESOLVED][HIGH] " if status == "resolved" else "[FIRING:")
    assert line == line.strip()
    assert "  " not in line


@given(st.lists(st.text("abc", min_size=1, max_size=12), min_size=1, max_size=30))
def test_a_subject_is_cut_after_a_whole_word(words: list[str]) -> None:
    line = subject(msgspec.structs.replace(CPU, title=" ".join(words)))

    shown = line.removeprefix("[FIRING:3][HIGH] ").removesuffix(" (prod)")
    kept = shown.removesuffix("...").split(" ")
    assert kept == words[: len(kept)]
    assert shown.endswith("...") == (len(kept) < len(words))


def test_the_attributes_are_the_ten_of_the_contract() -> None:
    assert attributes(CPU) == {
        "severity": "high",
        "status": "firing",
        "rule_id": "static_limit",
        "class": "cpu_usage",
        "component": "host",
        "environment": "prod",
        "source": "web-7",
        "dedup_key": "static_limit#web-7/cpu_usage",
        "schema_version": "1.0",
        "replay": "false",
    }


def test_an_attribute_without_a_value_is_left_out() -> None:
    assert "component" not in attributes(notification(cpu_fact(component="")))


@given(hostile_facts, hostile_occasions)
def test_the_attributes_of_anything_can_be_filtered_by(fact: Anomaly, occasion: Occasion) -> None:
    values = attributes(notification(fact, RULE, occasion))

    assert len(values) <= 10
    for value in values.values():
        assert value.strip()
        assert value.isprintable()
        assert len(value) <= 1024


def test_the_record_keeps_the_fields_of_the_contract_in_their_order() -> None:
    fields = [field.encode_name for field in msgspec.structs.fields(Notification)]

    assert " ".join(fields) == (
        "schema_version alert_id dedup_key status severity rule_id rule_version detector title "
        "summary entity component group class environment service region starts_at last_seen_at "
        "ends_at detected_at event_lag_ms observed expected unit threshold window_s baseline "
        "score reasons count suppressed_count event_ids truncated evidence runbook_url "
        "next_steps silence_command replay notification_reason labels annotations recent version "
        "source id content metadata silenced_count group_members group_count actor ended_by digest "
        "note group_over"
    )


def test_a_body_of_an_older_version_is_still_read() -> None:
    older = msgspec.to_builtins(CPU)
    for name in ("silenced_count", "group_members", "group_count", "actor", "ended_by", "digest"):
        del older[name]

    assert msgspec.convert(older, Notification, strict=False) == CPU


def test_the_schema_has_only_been_added_to() -> None:
    published = json.loads(PUBLISHED.read_text("utf-8"))
    current = json.loads(SCHEMA.read_text("utf-8"))

    assert list(taken_back(published, current)) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("properties", "title"), None),
        (("properties", "count", "type"), "string"),
        (("properties", "status", "enum"), ["firing"]),
        (("$defs", "Content", "properties", "keywords"), None),
        (("required",), ["schema_version"]),
        (("properties", "ends_at", "anyOf"), [{"type": "string"}]),
    ],
)
def test_whatever_is_taken_back_from_the_schema_is_noticed(
    path: tuple[str, ...], value: object
) -> None:
    published = json.loads(PUBLISHED.read_text("utf-8"))
    changed = deepcopy(published)
    *parents, last = path
    node = changed
    for name in parents:
        node = node[name]
    node[last] = value
    if value is None:
        del node[last]

    assert list(taken_back(published, changed))


def taken_back(published: object, current: object, path: str = "") -> Iterator[str]:
    """Yield what subscribers were promised and no longer have; texts may change."""
    if isinstance(published, dict) and isinstance(current, dict):
        for name, part in published.items():
            if name in {"description", "title"} and isinstance(part, str):
                continue
            if name not in current:
                yield f"{path}/{name} is gone"
            else:
                yield from taken_back(part, current[name], f"{path}/{name}")
    elif isinstance(published, list) and isinstance(current, list):
        yield from (f"{path} lacks {one}" for one in published if one not in current)
    elif published != current:
        yield f"{path} is {current}"
