"""What became of one batch of jobs: for its log line and its metrics."""

from collections import Counter
from collections.abc import Sequence

from pipeline.errors import InvalidRecordError, PipelineError
from pipeline.flows.onboarding.flow import Outcome
from pipeline.metrics import Metric


def figures(
    outcomes: Sequence[Outcome], errors: Sequence[BaseException | None]
) -> dict[Metric, float]:
    """Return the metrics of a batch: how its jobs came out, and what stopped the others."""
    ended = Counter(outcomes)
    refused = sum(isinstance(error, InvalidRecordError) for error in errors)
    return {
        Metric.PROFILES_SET_UP: ended["profile set up"],
        Metric.WELCOMES_SENT: ended["welcome sent"],
        Metric.JOBS_WITHOUT_EFFECT: ended["done before"] + ended["user is gone"],
        Metric.JOBS_REFUSED: refused,
        Metric.JOBS_RETRIED: len(errors) - refused,
    }


def reason(error: BaseException | None) -> str:
    """Say why a job failed; of a defect the type alone, as its text may quote a personal value."""
    return str(error) if isinstance(error, PipelineError) else f"defect: {type(error).__name__}"
