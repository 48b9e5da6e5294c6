import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from msgspec import UNSET

from pipeline.errors import InvalidRecordError
from pipeline.events import (
    Event,
    FraudReport,
    Location,
    Money,
    SystemMetric,
    Transaction,
    UserActivity,
    check_timestamps,
    decode,
    partition_key,
)
from tests.unit.event_samples import (
    ACTIVITY,
    METRIC,
    NOON,
    NOON_S,
    REPORT,
    SAMPLES,
    TRANSACTION,
    payload,
    refusal,
    with_text,
)


def test_an_activity_is_decoded_with_all_its_fields() -> None:
    data = payload(
        ACTIVITY,
        details={"page": "/start"},
        session_id="s-1",
        ip_address="192.0.2.1",
        location="Bern",
        event_id="e-1",
        producer="web",
    )

    event = decode(data)

    assert isinstance(event, UserActivity)
    assert event.timestamp == NOON
    assert event.details is not UNSET
    assert bytes(event.details) == b'{"page": "/start"}'
    assert (event.user_id, event.activity_type, event.session_id) == ("u-1", "login", "s-1")
    assert (event.ip_address, event.location) == ("192.0.2.1", "Bern")
    assert (event.event_id, event.producer) == ("e-1", "web")


def test_a_metric_is_decoded() -> None:
    event = decode(payload(METRIC, unit="percent", tags={"zone": "a"}))

    assert event == SystemMetric(
        metric_name="cpu",
        value=12.5,
        timestamp=NOON,
        source="web-1",
        unit="percent",
        tags={"zone": "a"},
    )


def test_a_transaction_is_decoded() -> None:
    event = decode(
        payload(TRANSACTION, location={"latitude": 46.9, "longitude": 7, "city": "Bern"})
    )

    assert event == Transaction(
        transaction_id="t-1",
        user_id="u-1",
        amount=Money("10.50"),
        currency="CHF",
        timestamp=NOON,
        location=Location(latitude=46.9, longitude=7.0, city="Bern"),
    )


def test_a_fraud_report_is_decoded() -> None:
    event = decode(payload(REPORT))

    assert event == FraudReport(
        transaction_id="t-1",
        user_id="u-1",
        transaction_timestamp=datetime(2026, 1, 30, 12, 0, tzinfo=UTC),
        is_fraud=True,
        timestamp=NOON,
    )


def test_unknown_fields_are_accepted() -> None:
    event = decode(payload(METRIC, colour={"deep": [1, None]}, event_version=7))

    assert event == decode(payload(METRIC))


def test_an_offset_is_kept_as_the_same_moment() -> None:
    event = decode(payload(METRIC, timestamp="2026-01-31T13:30:00+01:30"))

    assert event.timestamp == NOON
    assert event.timestamp.tzinfo == timezone(timedelta(minutes=90))


@pytest.mark.parametrize(
    ("data", "reason", "path"),
    [
        (b"", "not JSON: empty", "$"),
        (b" \n", "not JSON: empty", "$"),
        (b"{", "not JSON: it breaks off", "$"),
        (b"[]", "Expected `object`, got `array`", "$"),
        (b"{}", "Object missing required field `event_type`", "$"),
        (b"WARN disk is full", "not JSON: invalid character (byte 0)", "$"),
        (b'{"event_type": "\xff"}', "not UTF-8: byte 0xff at 16", "$"),
        (payload(METRIC) + b"{}", "not JSON: trailing characters (byte 125)", "$"),
        (payload(METRIC) + b"\0", "not JSON: trailing characters (byte 125)", "$"),
        (payload(METRIC, event_type="heartbeat"), "Invalid value 'heartbeat'", "$.event_type"),
        (payload(METRIC, event_type=None), "Expected `str`", "$.event_type"),
        (payload(METRIC, value=True), "Expected `float`, got `bool`", "$.value"),
        (payload(METRIC, value="1"), "Expected `float`, got `str`", "$.value"),
        (payload(METRIC, value=1e101), "Expected `float` <= 1e+100", "$.value"),
        (with_text(METRIC, "value", "1e400"), "Number out of range", "$.value"),
        (with_text(METRIC, "value", "NaN"), "not JSON: invalid character (byte 63)", "$"),
        (payload(METRIC, source=""), "Expected `str` of length >= 1", "$.source"),
        (payload(METRIC, source="x" * 257), "Expected `str` of length <= 256", "$.source"),
        (payload(METRIC, unit=None), "Expected `str`, got `null`", "$.unit"),
        (payload(METRIC, tags={"": "x"}), "Expected `str` of length >= 1 as a key", "$.tags"),
        (payload(METRIC, tags={"x": 1}), "Expected `str`, got `int`", "$.tags[...]"),
        (
            payload(METRIC, timestamp="2026-01-31T12:00:00"),
            "Expected `datetime` with a timezone component",
            "$.timestamp",
        ),
        (payload(METRIC, timestamp=NOON_S), "Expected `datetime`, got `float`", "$.timestamp"),
        (payload(ACTIVITY, details=[]), "Expected `object`", "$.details"),
        (payload(ACTIVITY, details=None), "Expected `object`", "$.details"),
        (
            payload(ACTIVITY, location={"latitude": 91, "longitude": 0}),
            "Expected `float` <= 90.0",
            "$.location.latitude",
        ),
        (
            payload(TRANSACTION, currency="CHF\n"),
            "Expected `str` of length <= 3",
            "$.currency",
        ),
        (
            payload(TRANSACTION, amount=True),
            "Expected a decimal number, got `bool`",
            "$.amount",
        ),
    ],
)
def test_what_breaks_the_contract_is_refused_with_reason_and_path(
    data: bytes, reason: str, path: str
) -> None:
    refused = refusal(data)

    assert refused == (reason, path)


@pytest.mark.parametrize("field", ["session_id", "unknown", "details"])
def test_half_of_a_surrogate_pair_is_named_as_a_possible_cause(field: str) -> None:
    refused = refusal(with_text(ACTIVITY, field, r'"\ud800"'))

    assert refused == (
        r"not JSON: it breaks off, or a text has half of a surrogate pair (\uD8..)",
        "$",
    )


@pytest.mark.parametrize("field", ["unknown", "details", "location", "user_id"])
@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 40_000])
def test_deep_nesting_is_refused(field: str, text: str) -> None:
    reason, _ = refusal(with_text(ACTIVITY, field, text))

    assert reason in {
        "nested too deeply",
        "Expected `str`, got `array`",
        "Expected `str`, got `object`",
        "Expected `str | object`, got `array`",
        "Object missing required field `latitude`",
    }


def test_a_payload_of_the_limit_is_decoded_and_one_byte_more_refused() -> None:
    largest = payload(METRIC).ljust(262_144)

    event = decode(largest)

    assert isinstance(event, SystemMetric)
    assert refusal(largest + b" ") == ("262145 bytes, the limit is 262144", "$")


def test_details_of_the_limit_are_decoded_and_one_byte_more_refused() -> None:
    largest = json.dumps({"a": "x" * 32_759})

    event = decode(with_text(ACTIVITY, "details", largest))

    assert isinstance(event, UserActivity)
    assert refusal(with_text(ACTIVITY, "details", largest.replace("x", "xx", 1))) == (
        "32769 bytes of JSON, the limit is 32768",
        "$.details",
    )


def test_a_reason_never_repeats_a_long_value() -> None:
    reason, path = refusal(payload(METRIC, event_type="x" * 10_000))

    assert (len(reason), path) == (200, "$.event_type")


def test_a_reason_that_quotes_a_path_does_not_confuse_the_path() -> None:
    refused = refusal(payload(METRIC, event_type="a - at `$.user_id`"))

    assert refused == ("Invalid value 'a - at `$.user_id`'", "$.event_type")


def test_the_partition_key_is_the_source_for_metrics_and_the_user_for_the_rest() -> None:
    events = [decode(payload(sample)) for sample in SAMPLES]

    keys = [partition_key(event) for event in events]

    assert keys == ["u-1", "web-1", "u-1", "u-1"]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["event_type"])
@pytest.mark.parametrize("age_s", [-3600, 0, 34_560_000])
def test_an_event_dated_within_the_window_around_its_arrival_passes(
    sample: dict[str, Any], age_s: int
) -> None:
    moment = (NOON - timedelta(seconds=age_s)).isoformat()
    event = decode(payload(sample, timestamp=moment, transaction_timestamp=moment))

    check_timestamps(event, NOON_S)


def dated(timestamp: str) -> Event:
    return decode(payload(METRIC, timestamp=timestamp))


@pytest.mark.parametrize(
    ("event", "reason", "path"),
    [
        (
            dated("2026-01-31T13:00:01Z"),
            "2026-01-31T13:00:01+00:00 is more than 1 hour after",
            "$.timestamp",
        ),
        (
            dated("2024-12-27T11:59:59Z"),
            "2024-12-27T11:59:59+00:00 is more than 400 days before",
            "$.timestamp",
        ),
        (
            dated("9999-12-31T23:59:59-23:59"),
            "9999-12-31T23:59:59-23:59 is more than 1 hour after",
            "$.timestamp",
        ),
        (
            dated("0001-01-01T00:00:00+23:59"),
            "0001-01-01T00:00:00+23:59 is more than 400 days before",
            "$.timestamp",
        ),
        (
            decode(payload(REPORT, transaction_timestamp="2024-12-26T12:00:00Z")),
            "2024-12-26T12:00:00+00:00 is more than 400 days before",
            "$.transaction_timestamp",
        ),
    ],
)
def test_an_event_dated_outside_of_the_window_is_refused(
    event: Event, reason: str, path: str
) -> None:
    with pytest.raises(InvalidRecordError) as caught:
        check_timestamps(event, NOON_S)

    assert caught.value.reason == f"{reason} the arrival at 2026-01-31T12:00:00.000+00:00"
    assert caught.value.path == path
