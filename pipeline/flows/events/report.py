"""What became of one batch: for its log line, its metrics and the ledger."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pipeline.events import Event, FraudReport, SystemMetric, Transaction, UserActivity
from pipeline.metrics import Metric
from pipeline.records import KinesisRecord

_STORED: Final[Mapping[type[Event], Metric]] = {
    UserActivity: Metric.ACTIVITIES_STORED,
    SystemMetric: Metric.METRIC_POINTS_STORED,
    Transaction: Metric.TRANSACTIONS_STORED,
    FraudReport: Metric.FRAUD_REPORTS_STORED,
}


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What became of the user records of one batch; `stored + collapsed + quarantined` is all.

    A stored event is in the lake. It has a row too, except for the `lake_only` ones among them.
    `by_type` splits `stored` by event type. `sequence_number` and `arrived_at`, in epoch seconds,
    are those of the batch's first record.
    """

    shard_id: str
    sequence_number: str
    arrived_at: float
    records: int
    stored: int
    lake_only: int
    collapsed: int
    quarantined: int
    anomalies: int
    stray: int
    by_type: Mapping[str, int]

    def figures(self, now: datetime) -> dict[Metric, float]:
        """Return the batch's metrics, as it ends now."""
        stored = {
            metric: self.by_type.get(str(kind.__struct_config__.tag), 0)
            for kind, metric in _STORED.items()
        }
        return {
            Metric.RECORDS_RECEIVED: self.records,
            **stored,
            Metric.LAKE_ONLY_EVENTS: self.lake_only,
            Metric.EVENTS_COLLAPSED: self.collapsed,
            Metric.RECORDS_QUARANTINED: self.quarantined,
            Metric.ANOMALIES_FOUND: self.anomalies,
            Metric.STRAY_KEYS: self.stray,
            Metric.BATCHES_RETRIED: 0,
            Metric.BATCH_AGE: max(0.0, (now.timestamp() - self.arrived_at) * 1000),
        }


def report(  # noqa: PLR0913  one argument per fate
    records: Sequence[KinesisRecord],
    stored: Sequence[Event],
    *,
    lake_only: int,
    collapsed: int,
    quarantined: int,
    anomalies: int,
    stray: int,
) -> BatchReport:
    """Sum up a batch."""
    return BatchReport(
        shard_id=records[0].shard_id,
        sequence_number=str(records[0].sequence_number),
        arrived_at=records[0].arrived_at,
        records=len(records),
        stored=len(stored),
        lake_only=lake_only,
        collapsed=collapsed,
        quarantined=quarantined,
        anomalies=anomalies,
        stray=stray,
        by_type=dict(Counter(str(event.__struct_config__.tag) for event in stored)),
    )
