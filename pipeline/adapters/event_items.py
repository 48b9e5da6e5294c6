"""Events as items of ActivitiesTable, MetricsTable and TransactionsTable.

Written by hand: boto3's TypeSerializer takes 10.5 us a record, this 2.
"""

from typing import Any, NamedTuple

from msgspec import UNSET, UnsetType

from pipeline.adapters.dynamodb import Item, Put
from pipeline.detection.anomaly import timestamp_text
from pipeline.events import (
    FraudReport,
    Location,
    Place,
    SystemMetric,
    Transaction,
    UserActivity,
    key_part,
    number_text,
)
from pipeline.ports import StoredEvent


class EventTables(NamedTuple):
    """Names of the tables that hold events, and how long a row outlives its event."""

    activities: str
    metrics: str
    transactions: str
    ttl_s: int


def event_put(stored: StoredEvent, tables: EventTables) -> Put:
    """Return the put of one event; the same event gives the same item under the same key."""
    event_id, event = stored
    timestamp = timestamp_text(event.timestamp)
    event_key = f"{timestamp}#{event_id}"
    item: Item = {
        "event_key": {"S": event_key},
        "event_type": {"S": event.__struct_config__.tag},
        "event_id": {"S": event_id},
        "timestamp": {"S": timestamp},
        "expires_at": {"N": str(int(event.timestamp.timestamp()) + tables.ttl_s)},
    }
    _text(item, "producer", event.producer)
    match event:
        case UserActivity():
            _activity(item, event)
            return Put(tables.activities, (event.user_id, event_key), item)
        case SystemMetric():
            series_day = f"{key_part(event.source)}#{key_part(event.metric_name)}#{timestamp[:10]}"
            _metric(item, event, series_day)
            return Put(tables.metrics, (series_day, event_key), item)
        case Transaction():
            _transaction(item, event)
            return Put(tables.transactions, (event.transaction_id, event_key), item)
        case FraudReport():
            _fraud_report(item, event)
            return Put(tables.transactions, (event.transaction_id, event_key), item)


def _activity(item: Item, event: UserActivity) -> None:
    item["user_id"] = {"S": event.user_id}
    item["activity_type"] = {"S": event.activity_type}
    _text(item, "session_id", event.session_id)
    _text(item, "ip_address", event.ip_address)
    _place(item, event.location)
    if event.details is not UNSET:
        item["details"] = {"S": bytes(event.details).decode()}


def _metric(item: Item, event: SystemMetric, series_day: str) -> None:
    item["series_day"] = {"S": series_day}
    item["source"] = {"S": event.source}
    item["metric_name"] = {"S": event.metric_name}
    item["value"] = {"N": number_text(event.value)}
    _text(item, "unit", event.unit)
    if event.tags is not UNSET:
        item["tags"] = {"M": {name: {"S": value} for name, value in event.tags.items()}}


def _transaction(item: Item, event: Transaction) -> None:
    item["transaction_id"] = {"S": event.transaction_id}
    item["user_id"] = {"S": event.user_id}
    item["amount"] = {"N": number_text(event.amount)}
    item["currency"] = {"S": event.currency}
    _text(item, "merchant", event.merchant)
    _text(item, "category", event.category)
    _text(item, "status", event.status)
    _place(item, event.location)


def _fraud_report(item: Item, event: FraudReport) -> None:
    item["transaction_id"] = {"S": event.transaction_id}
    item["user_id"] = {"S": event.user_id}
    item["transaction_timestamp"] = {"S": timestamp_text(event.transaction_timestamp)}
    item["is_fraud"] = {"BOOL": event.is_fraud}
    _text(item, "merchant", event.merchant)


def _text(item: Item, name: str, value: str | UnsetType) -> None:
    if value is not UNSET:
        item[name] = {"S": value}


def _place(item: Item, place: Place | UnsetType) -> None:
    if isinstance(place, Location):
        position: dict[str, Any] = {
            "latitude": {"N": number_text(place.latitude)},
            "longitude": {"N": number_text(place.longitude)},
        }
        _text(position, "city", place.city)
        _text(position, "country", place.country)
        item["location"] = {"M": position}
    elif isinstance(place, str):
        item["location"] = {"S": place}
