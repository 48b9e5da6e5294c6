"""Lambda function: once a minute, what is due of the alerts by the clock alone."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.bootstrap import schedule_alerts as bootstrap
from pipeline.errors import RetryableError
from pipeline.flows.alerts.workers import alert_sweep
from pipeline.metrics import Metric

logger = Logger()


def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001  Lambda's signature
    """Tell again, end, tell of what was held back, publish what waits; the next minute goes on."""
    bootstrap.tracing().follow()
    ports = bootstrap.alert_ports()
    sweep = alert_sweep(ports, bootstrap.dead_letters(), context.aws_request_id)
    report = sweep.run(lambda: context.get_remaining_time_in_millis() / 1000)
    bootstrap.sweep_metrics().emit(
        {
            Metric.SWEEPS: 1,
            Metric.ALERTS_SETTLED: report.settled,
            Metric.DIGESTS_RECORDED: report.digests,
            Metric.NOTIFICATIONS_DEAD: report.dead,
            Metric.SWEEP_FAILURES: len(report.failures),
            Metric.NOTIFICATION_AGE: report.oldest_s * 1000,
        }
    )
    for failure in report.failures:
        place = {"dedup_key": failure.name}
        logger.error("not settled, tried again in a minute", exc_info=failure.error, extra=place)
    _look(context)
    logger.info("sweep done", extra={"settled": report.settled, "digests": report.digests})


def _look(context: LambdaContext) -> None:
    """Look at the pipeline itself, after the sweep: a look that fails holds no page back."""
    found = None
    try:
        found = bootstrap.checkup().look(
            bootstrap.clock().now(), lambda: context.get_remaining_time_in_millis() / 1000
        )
        logger.info("looked at the pipeline", extra=asdict(found))
    except RetryableError as error:
        logger.warning("no look at the pipeline this minute", extra={"reason": str(error)})
    bootstrap.sweep_metrics().emit(
        {
            Metric.CHECKUPS: int(found is not None),
            Metric.EVENT_LAG: found.lag_s * 1000 if found else 0,
            Metric.ANOMALIES_FOUND: found.facts if found else 0,
        }
    )
