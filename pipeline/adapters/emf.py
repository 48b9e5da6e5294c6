"""Metrics as one log line per batch in CloudWatch's embedded metric format."""

from collections.abc import Mapping

from aws_lambda_powertools.metrics import EphemeralMetrics

from pipeline.errors import SettingsError
from pipeline.metrics import Metric


class EmfMetrics:
    """Prints metrics; CloudWatch Logs makes the series, so no call is made and none can fail.

    Powertools takes namespace and service from its own environment variables. Its usual `Metrics`
    keeps figures in its class, and a failed invocation would leave them to the next; this one has
    nothing but its own.

    Args:
        environment: Value of the dimension `environment`.

    Raises:
        SettingsError: One of Powertools' variables is missing.
    """

    def __init__(self, environment: str) -> None:
        self._metrics = EphemeralMetrics()
        if not self._metrics.namespace or not self._metrics.service:
            raise SettingsError(
                "the function needs POWERTOOLS_METRICS_NAMESPACE and POWERTOOLS_SERVICE_NAME"
            )
        self._metrics.set_default_dimensions(environment=environment)

    def emit(self, figures: Mapping[Metric, float]) -> None:
        """Print the figures of one batch as one line."""
        for metric, value in figures.items():
            self._metrics.add_metric(metric.title, metric.unit, value)
        self._metrics.flush_metrics()
