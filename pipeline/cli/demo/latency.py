"""How long a page takes: from the put of the event that opened the alert to the publication."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from pipeline.cli.demo.inbox import Notification
from pipeline.cli.producers.producer import Producer, Receipt
from pipeline.cli.producers.puts import StreamPut


class PutLog:
    """Puts records and remembers when.

    Args:
        producer: Puts them.
        now: Reads the clock before each request, so the request's own time counts as latency.
    """

    def __init__(self, producer: Producer, now: Callable[[], datetime]) -> None:
        self._producer = producer
        self._now = now
        self.receipts: list[Receipt] = []
        self.put_at: dict[str, datetime] = {}

    def send(self, puts: Iterable[StreamPut]) -> Iterator[int]:
        """Put records in the order given; yield the number of records put after each request."""
        asked_at = self._now()
        for portion in self._producer.send(puts):
            self.receipts.extend(portion)
            for receipt in portion:
                for event_id in _event_ids(receipt):
                    self.put_at.setdefault(event_id, asked_at)
            yield len(self.receipts)
            asked_at = self._now()


def latencies_s(log: PutLog, notifications: Sequence[Notification]) -> tuple[float, ...]:
    """Return the seconds from put to first page, one per alert that an event of the log opened."""
    latencies = []
    for notification in notifications:
        record = json.loads(notification.body)
        opened_by = log.put_at.get(next(iter(record["event_ids"]), ""))
        if record["notification_reason"] == "first" and opened_by is not None:
            latencies.append((notification.published_at - opened_by).total_seconds())
    return tuple(latencies)


def alerting_s(notifications: Sequence[Notification]) -> tuple[float, ...]:
    """Return the seconds from when the alert flow heard of an alert to its first page."""
    records = [(json.loads(one.body), one.published_at) for one in notifications]
    return tuple(
        (published_at - datetime.fromisoformat(record["detected_at"])).total_seconds()
        for record, published_at in records
        if record["notification_reason"] == "first"
    )


def _event_ids(receipt: Receipt) -> Iterator[str]:
    record_id = f"{receipt.shard_id}:{receipt.sequence_number}"
    for number, user_record in enumerate(receipt.put.user_records):
        part = f":{number}" if receipt.put.is_aggregate else ""
        yield user_record.event_id or record_id + part
