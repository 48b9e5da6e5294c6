"""Lambda function: ends of Athena's queries to the analytics flow."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.adapters.query_events import ended_query
from pipeline.bootstrap import analytics as bootstrap
from pipeline.flows.analytics.collecting import Collector
from pipeline.metrics import Metric

logger = Logger()


def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001  Lambda's signature
    """Collect a query that has ended; what is raised makes Lambda invoke again."""
    bootstrap.tracing().follow()
    collector = Collector(
        bootstrap.query_engine(),
        bootstrap.analytics_jobs(),
        bootstrap.analytics_facts(),
        bootstrap.rules(),
    )
    query = ended_query(event)
    done = collector.collect(query, bootstrap.clock().now())
    logger.info("query collected", extra={"query_execution_id": query, **done._asdict()})
    bootstrap.analytics_metrics().emit(
        {
            Metric.QUERIES_SUCCEEDED: done.succeeded,
            Metric.QUERIES_FAILED: done.failed,
            Metric.FIGURES_STORED: done.figures,
            Metric.FIGURES_UNUSUAL: done.anomalies if done.succeeded else 0,
        }
    )
