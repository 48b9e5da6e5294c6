"""An anomaly survives the way through AnomaliesTable unchanged."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.adapters.anomaly_items import decode_anomaly, encode_anomaly
from pipeline.detection.anomaly import Anomaly, Baseline
from pipeline.errors import InvalidRecordError

CPU_HIGH = Anomaly(
    rule_id="cpu-high",
    rule_version=3,
    detector="threshold",
    kind="state",
    severity="high",
    edge="opened",
    subject="web-7/cpu_usage",
    source="web-7",
    opened_at=datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC),
    occurred_at=datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC),
    event_id="e-1",
    observed=97.3,
    title="CPU usage is high",
    threshold=90.0,
    recent=(50.0, 97.3),
    labels={"float": "1.0"},
)

text = st.text(max_size=12)
number = st.floats(allow_nan=False)
moment = st.datetimes(timezones=st.just(UTC))
anomalies = st.builds(
    Anomaly,
    rule_id=text,
    rule_version=st.integers(0, 10**9),
    detector=st.sampled_from(["threshold", "baseline", "health"]),
    kind=st.sampled_from(["state", "event"]),
    severity=st.sampled_from(["critical", "info"]),
    edge=st.sampled_from(["opened", "escalated", "cleared"]),
    subject=text,
    source=text,
    opened_at=moment,
    occurred_at=moment,
    event_id=text,
    observed=number,
    title=text,
    expected=text,
    threshold=st.none() | number,
    window_s=st.none() | st.integers(0, 10**9),
    baseline=st.none() | st.builds(Baseline, n=st.integers(0, 10**9), mean=number, stdev=number),
    score=st.none() | number,
    count=st.integers(1, 10**12),
    reasons=st.lists(text, max_size=3).map(tuple),
    recent=st.lists(number, max_size=5).map(tuple),
    labels=st.dictionaries(text, text, max_size=3),
)


def test_an_item_can_be_read_in_the_console() -> None:
    item = encode_anomaly(CPU_HIGH, 1_780_000_000)

    assert item == {
        "dedup_key": {"S": "cpu-high#web-7/cpu_usage"},
        "fact_key": {"S": "2026-03-01T12:00:00.250000Z#e-1#opened"},
        "expires_at": {"N": "1780000000"},
        "rule_id": {"S": "cpu-high"},
        "rule_version": {"N": "3"},
        "detector": {"S": "threshold"},
        "kind": {"S": "state"},
        "severity": {"S": "high"},
        "edge": {"S": "opened"},
        "subject": {"S": "web-7/cpu_usage"},
        "source": {"S": "web-7"},
        "opened_at": {"S": "2026-03-01T12:00:00.250000Z"},
        "occurred_at": {"S": "2026-03-01T12:00:00.250000Z"},
        "event_id": {"S": "e-1"},
        "observed": {"N": "97.3"},
        "title": {"S": "CPU usage is high"},
        "threshold": {"N": "90.0"},
        "recent": {"L": [{"N": "50.0"}, {"N": "97.3"}]},
        "labels": {"M": {"float": {"S": "1.0"}}},
    }


@given(anomalies)
@example(CPU_HIGH)
@example(msgspec.structs.replace(CPU_HIGH, observed=5e-324, recent=(float("inf"), -1e300)))
@example(msgspec.structs.replace(CPU_HIGH, opened_at=datetime(1, 1, 1, tzinfo=UTC)))
def test_decoding_is_the_exact_inverse_of_encoding(anomaly: Anomaly) -> None:
    item = encode_anomaly(anomaly, 1)

    decoded = decode_anomaly(item)

    assert decoded == anomaly
    assert decoded.fact_key == anomaly.fact_key


@given(st.floats(min_value=-9.9e125, max_value=9.9e125))
def test_a_number_is_read_back_as_dynamodb_normalizes_it(value: float) -> None:
    item = dict(encode_anomaly(msgspec.structs.replace(CPU_HIGH, observed=value), 1))
    written = item["observed"].get("N")
    if written is not None and float(written).is_integer():
        item["observed"] = {"N": str(int(float(written)))}  # "90.0" comes back as "90"

    decoded = decode_anomaly(item)

    assert decoded.observed == value


@pytest.mark.parametrize(
    ("attribute", "value", "path"),
    [
        ("severity", {"S": "apocalyptic"}, "severity"),
        ("observed", {"S": "97.3"}, "observed"),
        ("observed", {"N": "many"}, "observed"),
        ("observed", {"B": b"1"}, "observed"),
        ("opened_at", {"S": "yesterday"}, "opened_at"),
    ],
)
def test_an_item_that_is_no_anomaly_is_refused_by_the_attribute(
    attribute: str, value: dict[str, object], path: str
) -> None:
    item = {**encode_anomaly(CPU_HIGH, 1), attribute: value}

    with pytest.raises(InvalidRecordError, match=path):
        decode_anomaly(item)


def test_an_item_without_a_needed_attribute_is_refused() -> None:
    item = encode_anomaly(CPU_HIGH, 1)
    del item["rule_id"]

    with pytest.raises(InvalidRecordError, match="rule_id"):
        decode_anomaly(item)
