"""What producers put: one frozen struct per event type, and the decoder that checks them.

`schemas/` is generated from these types (`streamwarden schemas`), so this file is the contract.
Known fields are checked strictly; unknown fields are accepted and kept in the lake only.
"""

import re
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pipeline.errors import InvalidRecordError

MAX_PAYLOAD_BYTES: Final = 256 * 1024
"""Largest event accepted, after decompression. Bounds the size of every row made from it."""

MAX_DETAILS_BYTES: Final = 32 * 1024
"""Largest `details` object accepted, as JSON text."""

MONEY_PATTERN: Final = r"^-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,20})?$"
"""Canonical money as text: at most 18 integer and 20 fractional digits, 38 in all.

Source: Amazon DynamoDB Developer Guide, data types: numbers have up to 38 digits of precision.
"""

_MONEY_INTEGER_DIGITS = 18
_MONEY_SMALLEST_EXPONENT = -20
_money_text = re.compile(MONEY_PATTERN).match


class Money(Decimal):
    """An exact amount: finite, below 10^18, at most 20 fractional digits.

    Producers send it as a JSON number (read from its text, never through a float) or as a string
    of the form `MONEY_PATTERN`.
    """

    __slots__ = ()


Identifier = Annotated[str, Meta(min_length=1, max_length=128)]
SourceName = Annotated[str, Meta(min_length=1, max_length=256)]
Label = Annotated[str, Meta(max_length=256)]
Timestamp = Annotated[datetime, Meta(tz=True)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
MetricValue = Annotated[float, Meta(ge=-1e100, le=1e100)]
Tags = Annotated[dict[Annotated[str, Meta(max_length=128)], Label], Meta(max_length=50)]
Details = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})]


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """Where an event happened, WGS 84 degrees."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    city: Label | UnsetType = UNSET
    country: Label | UnsetType = UNSET


Place = Location | Label
"""A position, or the bare name of a place (which no travel rule can use)."""


class UserActivity(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="event_type", tag="user_activity"
):
    """Something a user did. Partition key: `user_id`."""

    user_id: Identifier
    activity_type: Identifier
    timestamp: Timestamp
    details: Details | UnsetType = UNSET
    session_id: Identifier | UnsetType = UNSET
    ip_address: Annotated[str, Meta(max_length=45)] | UnsetType = UNSET
    location: Place | UnsetType = UNSET
    event_id: Identifier | UnsetType = UNSET
    producer: Identifier | UnsetType = UNSET


class SystemMetric(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="event_type", tag="system_metric"
):
    """One point of a metric series. Partition key: `source`."""

    metric_name: Identifier
    value: MetricValue
    timestamp: Timestamp
    source: SourceName
    unit: Annotated[str, Meta(max_length=32)] | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    event_id: Identifier | UnsetType = UNSET
    producer: Identifier | UnsetType = UNSET


class Transaction(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="event_type", tag="transaction"
):
    """A payment or a change of its status. Partition key: `user_id`."""

    transaction_id: Identifier
    user_id: Identifier
    amount: Money
    currency: Currency
    timestamp: Timestamp
    merchant: Identifier | UnsetType = UNSET
    category: Label | UnsetType = UNSET
    status: Label | UnsetType = UNSET
    location: Place | UnsetType = UNSET
    event_id: Identifier | UnsetType = UNSET
    producer: Identifier | UnsetType = UNSET


class FraudReport(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="event_type", tag="fraud_report"
):
    """What was found out about an earlier transaction. Partition key: `user_id`."""

    transaction_id: Identifier
    user_id: Identifier
    transaction_timestamp: Timestamp
    is_fraud: bool
    timestamp: Timestamp
    merchant: Identifier | UnsetType = UNSET
    event_id: Identifier | UnsetType = UNSET
    producer: Identifier | UnsetType = UNSET


Event = UserActivity | SystemMetric | Transaction | FraudReport


def decode(payload: bytes) -> Event:
    """Decode and check one event in a single pass.

    Args:
        payload: One JSON object in UTF-8, already decompressed.

    Raises:
        InvalidRecordError: The payload breaks the contract; names the JSON path.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise InvalidRecordError(f"{len(payload)} bytes, the limit is {MAX_PAYLOAD_BYTES}")
    try:
        if not payload.isascii():
            payload.decode()  # msgspec checks UTF-8 only in the fields that it reads
        event = _decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRecordError(f"not JSON: {error}") from error
    except RecursionError as error:
        raise InvalidRecordError("nested too deeply") from error
    if isinstance(event, UserActivity) and event.details is not UNSET:
        _check_details(bytes(event.details))
    return event


def partition_key(event: Event) -> str:
    """Return the partition key that the contract demands of an event's producer."""
    return event.source if isinstance(event, SystemMetric) else event.user_id


def _check_details(details: bytes) -> None:
    if not details.startswith(b"{"):
        raise InvalidRecordError("Expected `object`", "$.details")
    if len(details) > MAX_DETAILS_BYTES:
        reason = f"{len(details)} bytes of JSON, the limit is {MAX_DETAILS_BYTES}"
        raise InvalidRecordError(reason, "$.details")


def _invalid(message: str) -> InvalidRecordError:
    reason, separator, path = message.rpartition(" - at `")
    return InvalidRecordError(reason, path[:-1]) if separator else InvalidRecordError(message)


def _decode_money(wanted: type, value: Any) -> Money:  # noqa: ANN401  msgspec hands over any JSON value
    if wanted is not Money:
        raise TypeError(f"no decoder for {wanted}")
    if isinstance(value, str):
        if not _money_text(value):
            raise ValueError("Expected a decimal number of at most 18.20 plain digits")
        return Money(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"Expected a decimal number, got `{_json_type(value)}`")
    amount = Money(value)
    if amount and amount.adjusted() >= _MONEY_INTEGER_DIGITS:
        raise ValueError("Expected an amount below 10^18")
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < _MONEY_SMALLEST_EXPONENT:
        raise ValueError("Expected at most 20 fractional digits")
    return amount


def _read_number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError("Expected a number with a smaller exponent") from error


def _json_type(value: object) -> str:
    names = {bool: "bool", type(None): "null", list: "array", dict: "object"}
    return names.get(type(value), type(value).__name__)


_decoder = msgspec.json.Decoder(Event, dec_hook=_decode_money, float_hook=_read_number)
