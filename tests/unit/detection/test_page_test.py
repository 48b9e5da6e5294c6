import json
from datetime import timedelta

import pytest

from pipeline.detection.anomaly import Anomaly, Severity
from pipeline.detection.detector import detectors
from pipeline.detection.page_test import METRIC, PageTestDetector
from pipeline.detection.rules import default_rules
from pipeline.events import Event, decode
from tests.unit.detection.series import START

RULE = default_rules().page_test


def _event(value: float, at_s: float = 0.0, **changes: str) -> Event:
    fields = {
        "event_type": "system_metric",
        "metric_name": METRIC,
        "source": "page-test-1",
        "value": value,
        "timestamp": (START + timedelta(seconds=at_s)).isoformat(),
        **changes,
    }
    return decode(json.dumps(fields).encode())


def _facts(*events: Event) -> list[Anomaly]:
    detector = PageTestDetector(RULE)
    state, facts = detector.initial(), list[Anomaly]()
    for number, event in enumerate(events):
        state, found = detector.fold(state, event, f"e-{number}")
        facts += found
    return facts


def test_a_test_opens_and_clears() -> None:
    facts = _facts(_event(1), _event(0, 5))

    assert [(fact.edge, fact.severity, fact.event_id) for fact in facts] == [
        ("opened", "low", "e-0"),
        ("cleared", "low", "e-1"),
    ]
    assert {fact.dedup_key for fact in facts} == {"page_test#page-test-1"}
    assert facts[0].title == "Test page: nothing is wrong"


def test_an_event_that_comes_again_changes_nothing() -> None:
    facts = _facts(_event(1), _event(1), _event(0, 5), _event(0, 5), _event(1, 3))

    assert [fact.edge for fact in facts] == ["opened", "cleared"]


def test_what_was_never_opened_is_not_cleared() -> None:
    assert _facts(_event(0)) == []


@pytest.mark.parametrize("severity", ["low", "medium", "high", "critical"])
def test_its_value_chooses_the_severity(severity: Severity) -> None:
    value = RULE.value(severity)
    assert value is not None

    (fact,) = _facts(_event(value))

    assert fact.severity == severity


def test_no_value_makes_a_test_of_severity_info() -> None:
    assert RULE.value("info") is None


def test_no_other_detector_reads_a_test() -> None:
    test, point = _event(1), _event(1, metric_name="cpu_usage")

    reading = [
        [one.name for one in detectors(default_rules()) if one.subject(event) is not None]
        for event in (test, point)
    ]

    assert reading == [["page_test"], ["metric"]]
