"""What became of the jobs of one batch, for its metrics."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from pipeline.flows.thumbnails.flow import JobReport
from pipeline.metrics import Metric

_FATES: Final = {
    "made": Metric.IMAGES_WITH_THUMBNAILS,
    "refused": Metric.IMAGES_REFUSED,
    "repeated": Metric.IMAGES_SKIPPED,
    "superseded": Metric.IMAGES_SKIPPED,
    "erased": Metric.IMAGES_SKIPPED,
}


@dataclass(slots=True)
class BatchReport:
    """Counts the jobs that were done; the failed ones are known elsewhere."""

    jobs: Counter[Metric] = field(default_factory=Counter)
    anomalies: int = 0

    def add(self, job: JobReport) -> None:
        """Count a job."""
        self.jobs[_FATES[job.fate]] += 1
        self.anomalies += job.anomalies

    def figures(self, *, failed: int) -> dict[Metric, float]:
        """Return the batch's metrics."""
        return {
            **{metric: self.jobs[metric] for metric in _FATES.values()},
            Metric.IMAGE_ANOMALIES_FOUND: self.anomalies,
            Metric.THUMBNAIL_JOBS_FAILED: failed,
        }
