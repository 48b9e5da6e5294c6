"""What producers put: one frozen struct per event type, and the decoder that checks them.

`schemas/` is generated from these types (`streamwarden schemas`), so this file is the contract.
Known fields are checked strictly; unknown fields are accepted and kept in the lake only.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, ClassVar, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pipeline.errors import InvalidRecordError

MAX_PAYLOAD_BYTES: Final = 256 * 1024
"""Largest event accepted, after decompression. Bounds the size of every row made from it."""

MAX_DETAILS_BYTES: Final = 32 * 1024
"""Largest `details` object accepted, as JSON text."""

MAX_LEAD_S: Final = 3600
"""How far an event may be dated after the arrival of its record: room for a skewed clock."""

MAX_LAG_S: Final = 400 * 86_400
"""How far an event may be dated before the arrival of its record: room for a year's backfill."""

MONEY_PATTERN: Final = r"^-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,20})?$(?!\n)"
"""Canonical money as text: at most 18 integer and 20 fractional digits, 38 in all.

The look-ahead is for Python, where `$` also matches before a final line feed.

Source: Amazon DynamoDB Developer Guide, data types: numbers have up to 38 digits of precision.
"""

_MONEY_INTEGER_DIGITS = 18
_MONEY_SMALLEST_EXPONENT = -20
_MONEY_LIMIT = 10**_MONEY_INTEGER_DIGITS
_MAX_NUMBER_CHARS = 64  # a number of 200 kB would take longer than the rest of its batch
_MAX_REASON_CHARS = 200  # msgspec quotes an unknown event type in full
_IN_A_KEY = "key` in `"  # msgspec's way to point at the key of a mapping
_NUMBER_RANGE = 1e126
_NUMBER_NEAREST_ZERO = 1e-100
_money_text = re.compile(MONEY_PATTERN).match
_may_have_half = re.compile(rb"\\u[dD][89a-fA-F]").search


class Money(Decimal):
    """An exact amount: finite, between -10^18 and 10^18, at most 20 fractional digits.

    Producers send it as a JSON number (read from its text, never through a float) or as a string
    of the form `MONEY_PATTERN`.
    """

    __slots__ = ()

    JSON_SCHEMA: ClassVar[dict[str, Any]] = {
        "description": "An exact amount with at most 20 fractional digits; text is the safer form.",
        "anyOf": [
            {"type": "string", "pattern": MONEY_PATTERN},
            {
                "type": "number",
                "exclusiveMinimum": -_MONEY_LIMIT,
                "exclusiveMaximum": _MONEY_LIMIT,
            },
        ],
    }


Identifier = Annotated[str, Meta(min_length=1, max_length=128)]
SourceName = Annotated[str, Meta(min_length=1, max_length=256)]
Label = Annotated[str, Meta(max_length=256)]
Timestamp = Annotated[datetime, Meta(tz=True)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", max_length=3)]
MetricValue = Annotated[float, Meta(ge=-1e100, le=1e100)]
Tags = Annotated[dict[Identifier, Label], Meta(max_length=50)]
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
        event: Event = _decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error
    except msgspec.DecodeError as error:
        raise InvalidRecordError(_syntax_fault(payload, str(error))) from error
    except UnicodeDecodeError as error:
        fault = f"not UTF-8: byte 0x{payload[error.start]:02x} at {error.start}"
        raise InvalidRecordError(fault) from error
    except RecursionError as error:
        raise InvalidRecordError("nested too deeply") from error
    if isinstance(event, UserActivity) and event.details is not UNSET:
        _check_details(bytes(event.details))
    return event


def check_timestamps(event: Event, arrived_at: float) -> None:
    """Refuse an event that is dated too far from the arrival of its record.

    The arrival and not the clock decides, so a redelivery or a replay decides the same.

    Args:
        event: An event as `decode` returned it.
        arrived_at: Approximate arrival of its record, in epoch seconds.

    Raises:
        InvalidRecordError: More than `MAX_LEAD_S` after the arrival or `MAX_LAG_S` before it.
    """
    _check_timestamp(event.timestamp, arrived_at, "$.timestamp")
    if isinstance(event, FraudReport):
        _check_timestamp(event.transaction_timestamp, arrived_at, "$.transaction_timestamp")


def partition_key(event: Event) -> str:
    """Return the partition key that the contract demands of an event's producer."""
    return event.source if isinstance(event, SystemMetric) else event.user_id


def key_part(text: str) -> str:
    """Escape the separator `#`, so that two different series never share a key."""
    return text.replace("%", "%25").replace("#", "%23") if "#" in text or "%" in text else text


def number_text(value: float | Money) -> str:
    """Format a number as DynamoDB keeps it: at most 38 digits, no trailing zeros, no minus zero.

    A float nearer to zero than 1e-100 becomes 0: DynamoDB refuses what is nearer than 1e-130.

    Source: Amazon DynamoDB Developer Guide, data types, Number.

    Raises:
        ValueError: NaN, an infinity or a float beyond DynamoDB's range; `decode` returns none.
    """
    if isinstance(value, Money):
        text = str(value)
        if "E" in text:
            text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if not -_NUMBER_RANGE < value < _NUMBER_RANGE:
        raise ValueError(f"DynamoDB has no number {value}")
    if -_NUMBER_NEAREST_ZERO < value < _NUMBER_NEAREST_ZERO:
        return "0"
    return repr(value).removesuffix(".0")


def _check_timestamp(moment: datetime, arrived_at: float, path: str) -> None:
    lag_s = arrived_at - moment.timestamp()
    if -MAX_LEAD_S <= lag_s <= MAX_LAG_S:
        return
    arrival = datetime.fromtimestamp(arrived_at, UTC).isoformat(timespec="milliseconds")
    if lag_s < 0:
        limit = f"more than {MAX_LEAD_S // 3600} hour after"
    else:
        limit = f"more than {MAX_LAG_S // 86_400} days before"
    raise InvalidRecordError(f"{moment.isoformat()} is {limit} the arrival at {arrival}", path)


def _check_details(details: bytes) -> None:
    if not details.startswith(b"{"):
        raise InvalidRecordError("Expected `object`", "$.details")
    if len(details) > MAX_DETAILS_BYTES:
        reason = f"{len(details)} bytes of JSON, the limit is {MAX_DETAILS_BYTES}"
        raise InvalidRecordError(reason, "$.details")


def _invalid(message: str) -> InvalidRecordError:
    reason, separator, path = message.rpartition(" - at `")
    if not separator:
        reason, path = message, "$`"
    if path.startswith(_IN_A_KEY):
        reason, path = f"{reason} as a key", path.removeprefix(_IN_A_KEY)
    if len(reason) > _MAX_REASON_CHARS:
        reason = reason[: _MAX_REASON_CHARS - 1] + "…"
    return InvalidRecordError(reason, path[:-1])


def _syntax_fault(payload: bytes, message: str) -> str:
    """Say why a payload is not JSON; msgspec calls half of a surrogate pair truncated."""
    if message != "Input data was truncated":
        return f"not JSON: {message.removeprefix('JSON is malformed: ')}"
    if not payload.strip():
        return "not JSON: empty"
    if _may_have_half(payload):
        return r"not JSON: it breaks off, or a text has half of a surrogate pair (\uD8..)"
    return "not JSON: it breaks off"


def _decode_money(wanted: type, value: Any) -> Money:  # noqa: ANN401  msgspec hands over any JSON value
    if wanted is not Money:
        raise TypeError(f"no decoder for {wanted}")
    if isinstance(value, str):
        if not _money_text(value):
            raise ValueError("Expected plain digits, at most 18 before the point and 20 after it")
        return Money(value) or _NOTHING  # there is no minus zero
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        message = f"Expected a decimal number, got `{_json_type(value)}`"
        raise ValueError(message)  # noqa: TRY004  msgspec reports only ValueError with its path
    amount = Money(value)
    if not amount:
        return _NOTHING  # whatever its exponent
    if amount.adjusted() >= _MONEY_INTEGER_DIGITS:
        raise ValueError("Expected an amount below 10^18")
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < _MONEY_SMALLEST_EXPONENT:
        raise ValueError("Expected at most 20 fractional digits")
    return amount


def _read_number(text: str) -> Decimal:
    if len(text) > _MAX_NUMBER_CHARS:
        raise ValueError(f"Expected a number of at most {_MAX_NUMBER_CHARS} characters")
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError("Expected a number with a smaller exponent") from error


def _json_type(value: object) -> str:
    names = {bool: "bool", type(None): "null", list: "array", dict: "object"}
    return names.get(type(value), type(value).__name__)


_NOTHING: Final = Money(0)
_decoder = msgspec.json.Decoder(Event, dec_hook=_decode_money, float_hook=_read_number)
