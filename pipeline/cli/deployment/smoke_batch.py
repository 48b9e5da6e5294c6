"""The marked batch of a smoke test: an event of each type, and what must become of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pipeline.adapters.event_items import EventTables, event_put
from pipeline.cli.producers.puts import StreamPut, json_bytes, plain, user_put
from pipeline.detection.anomaly import timestamp_text
from pipeline.detection.page_test import METRIC
from pipeline.events import UserActivity, decode
from pipeline.ports import StoredEvent

MARK: Final = "streamwarden-smoke"
"""Begins every name in the batch, so that nobody takes it for a user or a host."""

RULE: Final = "page_test"
"""The rule that must find the batch's test page; no group holds that back."""

_PAGE: Final = ((1.0, 2), (0.0, 1))
"""Values of the test page and how many seconds ago: the first opens it, as gently as can be."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row that must be in a table: its key, and all of its attributes."""

    table: str
    key: Mapping[str, Any]
    item: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """The events of one smoke test; `mark` is the user, the source and the transaction of all."""

    mark: str
    started_at: datetime
    events: tuple[Mapping[str, Any], ...]

    @property
    def event_ids(self) -> set[str]:
        """The ids of all events."""
        return {event["event_id"] for event in self.events}

    def puts(self) -> list[StreamPut]:
        """Return the records that carry the events, one each, all of one shard."""
        return [plain(self.started_at, self.mark, user_put(event)) for event in self.events]

    def rows(self, tables: EventTables, *, with_activities: bool) -> list[Row]:
        """Return the rows that the events must become."""
        events = [(event["event_id"], decode(json_bytes(event))) for event in self.events]
        puts = [
            event_put(StoredEvent(event_id, event), tables)
            for event_id, event in events
            if with_activities or not isinstance(event, UserActivity)
        ]
        hash_keys = {
            tables.activities: "user_id",
            tables.metrics: "series_day",
            tables.transactions: "transaction_id",
        }
        return [
            Row(
                put.table,
                {name: put.item[name] for name in (hash_keys[put.table], "event_key")},
                put.item,
            )
            for put in puts
        ]


def make_batch(run_id: str, now: datetime) -> Batch:
    """Return the batch of a run, with times shortly before now."""
    mark = f"{MARK}-{run_id}"
    at = timestamp_text(now)
    person = {"user_id": mark, "timestamp": at, "producer": MARK}
    payment = {"transaction_id": mark, **person}
    events: list[Mapping[str, Any]] = [
        {"event_type": "user_activity", "activity_type": "smoke_test", **person},
        {"event_type": "transaction", "amount": "1.00", "currency": "CHF", **payment},
        {"event_type": "fraud_report", "transaction_timestamp": at, "is_fraud": False, **payment},
        *(
            {
                "event_type": "system_metric",
                "source": mark,
                "metric_name": METRIC,
                "value": value,
                "timestamp": timestamp_text(now - timedelta(seconds=seconds_ago)),
                "producer": MARK,
            }
            for value, seconds_ago in _PAGE
        ),
    ]
    numbered = ({**event, "event_id": f"{mark}-{n}"} for n, event in enumerate(events, start=1))
    return Batch(mark, now, tuple(numbered))
