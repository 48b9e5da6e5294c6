"""One event of each type as a producer writes it, and what the tests do with them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.errors import InvalidRecordError
from pipeline.events import decode

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
NOON_S = 1_769_860_800.0

ACTIVITY: dict[str, Any] = {
    "event_type": "user_activity",
    "user_id": "u-1",
    "activity_type": "login",
    "timestamp": "2026-01-31T12:00:00Z",
}
METRIC: dict[str, Any] = {
    "event_type": "system_metric",
    "metric_name": "cpu",
    "value": 12.5,
    "timestamp": "2026-01-31T12:00:00Z",
    "source": "web-1",
}
TRANSACTION: dict[str, Any] = {
    "event_type": "transaction",
    "transaction_id": "t-1",
    "user_id": "u-1",
    "amount": "10.50",
    "currency": "CHF",
    "timestamp": "2026-01-31T12:00:00Z",
}
REPORT: dict[str, Any] = {
    "event_type": "fraud_report",
    "transaction_id": "t-1",
    "user_id": "u-1",
    "transaction_timestamp": "2026-01-30T12:00:00Z",
    "is_fraud": True,
    "timestamp": "2026-01-31T12:00:00Z",
}
SAMPLES = [ACTIVITY, METRIC, TRANSACTION, REPORT]


def payload(fields: dict[str, Any], **changes: object) -> bytes:
    """Return an event's bytes with some fields changed or added."""
    return json.dumps(fields | changes).encode()


def with_text(fields: dict[str, Any], field: str, json_text: str) -> bytes:
    """Return an event with one field given as JSON text, which `json.dumps` would not write."""
    return payload(fields, **{field: "?"}).replace(b'"?"', json_text.encode())


def refusal(data: bytes) -> tuple[str, str]:
    """Return reason and path of the refusal that a payload has to meet."""
    with pytest.raises(InvalidRecordError) as caught:
        decode(data)
    return caught.value.reason, caught.value.path
