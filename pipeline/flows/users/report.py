"""What became of one batch of changes: for its log line and its metrics."""

from dataclasses import dataclass

from pipeline.errors import RetryableError
from pipeline.metrics import Metric


@dataclass(slots=True)
class BatchReport:
    """What became of a batch, counted as its portions come through.

    `failed` is the sequence number from which the stream must deliver again, and `failure` why.
    """

    taken: int = 0
    jobs: int = 0
    audit_rows: int = 0
    erased: int = 0
    anomalies: int = 0
    quarantined: int = 0
    failed: str | None = None
    failure: RetryableError | None = None

    def counts(self) -> dict[str, int]:
        """Return the counts for the log."""
        return {
            "taken": self.taken,
            "jobs": self.jobs,
            "audit_rows": self.audit_rows,
            "erased": self.erased,
            "anomalies": self.anomalies,
            "quarantined": self.quarantined,
        }

    def figures(self, age_s: float) -> dict[Metric, float]:
        """Return the batch's metrics, `age_s` after its first change."""
        return {
            Metric.CHANGES_TAKEN: self.taken,
            Metric.JOBS_QUEUED: self.jobs,
            Metric.AUDIT_ROWS_WRITTEN: self.audit_rows,
            Metric.USERS_ERASED: self.erased,
            Metric.ANOMALIES_FOUND: self.anomalies,
            Metric.RECORDS_QUARANTINED: self.quarantined,
            Metric.BATCHES_RETRIED: int(self.failed is not None),
            Metric.BATCH_AGE: max(0.0, age_s * 1000),
        }
