import json
from typing import Any

import pytest

from pipeline.adapters.emf import EmfMetrics
from pipeline.errors import SettingsError
from pipeline.metrics import Metric


@pytest.fixture(autouse=True)
def powertools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Streamwarden")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "kinesis_events")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_figures_become_one_line_in_the_embedded_metric_format(
    capsys: pytest.CaptureFixture[str],
) -> None:
    EmfMetrics("prod").emit({Metric.RECORDS_RECEIVED: 500, Metric.BATCH_AGE: 1234.5})

    (line,) = lines(capsys)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Streamwarden"
    assert sorted(directive["Dimensions"][0]) == ["environment", "service"]
    assert directive["Metrics"] == [
        {"Name": "RecordsReceived", "Unit": "Count"},
        {"Name": "BatchAge", "Unit": "Milliseconds"},
    ]
    assert (line["RecordsReceived"], line["BatchAge"]) == ([500.0], [1234.5])
    assert (line["environment"], line["service"]) == ("prod", "kinesis_events")


def test_a_line_holds_nothing_of_the_line_before(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = EmfMetrics("prod")
    metrics.emit({Metric.RECORDS_RECEIVED: 500})

    metrics.emit({Metric.BATCHES_RETRIED: 1})

    _, line = lines(capsys)
    assert [metric["Name"] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]] == [
        "BatchesRetried"
    ]
    assert line["environment"] == "prod"


@pytest.mark.parametrize("variable", ["POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_SERVICE_NAME"])
def test_a_missing_variable_fails_at_cold_start(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv(variable)

    with pytest.raises(SettingsError, match=variable):
        EmfMetrics("prod")
