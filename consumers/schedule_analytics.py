"""Lambda function: schedules to queries of the analytics flow."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.bootstrap import analytics as bootstrap
from pipeline.flows.analytics.collecting import Collector
from pipeline.flows.analytics.starting import Starter, schedule_in
from pipeline.metrics import Metric

logger = Logger()


def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001  Lambda's signature
    """Start what is due; what is raised makes Lambda invoke again, and give up in the end."""
    bootstrap.tracing().follow()
    engine, jobs = bootstrap.query_engine(), bootstrap.analytics_jobs()
    collector = Collector(engine, jobs, bootstrap.analytics_facts(), bootstrap.rules())
    starter = Starter(engine, jobs, bootstrap.lake(), collector)
    done = starter.fire(schedule_in(event), bootstrap.clock().now())
    logger.info("schedule done", extra={"started": done.started, **done.settled._asdict()})
    bootstrap.analytics_metrics().emit(
        {
            Metric.QUERIES_STARTED: done.started,
            Metric.QUERIES_POSTPONED: done.postponed,
            Metric.QUERIES_RECONCILED: done.settled.succeeded + done.settled.failed,
        }
    )
