import msgspec
import pytest

from pipeline.flows.alerts.notification import Notification, attributes, subject
from tests.fakes.alerts import cpu_fact
from tests.unit.flows.alerts.test_composing import notification

CPU = notification(cpu_fact())


def test_the_subject_tells_status_severity_title_and_place() -> None:
    assert subject(CPU) == "[FIRING:3][HIGH] cpu_usage above 90% on web-7 (prod)"


def test_a_resolve_is_told_by_the_subjects_first_word() -> None:
    resolved = msgspec.structs.replace(CPU, status="resolved")

    assert subject(resolved) == "[RESOLVED][HIGH] cpu_usage above 90% on web-7 (prod)"


def test_a_long_title_is_cut_on_a_word_and_the_place_stays() -> None:
    long = msgspec.structs.replace(CPU, title="disk usage " * 7 + "end")

    line = subject(long)

    assert len(line) <= 99
    assert line == f"[FIRING:3][HIGH] {'disk usage ' * 6}disk... (prod)"


@pytest.mark.parametrize("title", ["naïve Zürich", "漢字", "tab\there"])
def test_the_subject_is_printable_ascii(title: str) -> None:
    line = subject(msgspec.structs.replace(CPU, title=title))

    assert line.isascii()
    assert line.isprintable()


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


def test_the_record_keeps_the_fields_of_the_contract_in_their_order() -> None:
    fields = [field.encode_name for field in msgspec.structs.fields(Notification)]

    assert " ".join(fields) == (
        "schema_version alert_id dedup_key status severity rule_id rule_version detector title "
        "summary entity component group class environment service region starts_at last_seen_at "
        "ends_at detected_at event_lag_ms observed expected unit threshold window_s baseline "
        "score reasons count suppressed_count event_ids truncated evidence runbook_url "
        "next_steps silence_command replay notification_reason labels annotations recent version "
        "source id content metadata"
    )
