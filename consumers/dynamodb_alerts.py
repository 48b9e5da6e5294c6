"""Lambda function: new facts on the stream of AnomaliesTable to the alert flow."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.adapters.fact_records import fact_record
from pipeline.bootstrap import dynamodb_alerts as bootstrap
from pipeline.flows.alerts.flow import BatchReport
from pipeline.flows.alerts.workers import alert_flow
from pipeline.metrics import Metric

logger = Logger()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Turn facts into alerts in their order; report the first that must be delivered again."""
    bootstrap.tracing().follow()
    metrics = bootstrap.alert_metrics()
    flow = alert_flow(bootstrap.alert_ports(), context.aws_request_id)
    records = [fact_record(one) for one in event["Records"] if one["eventName"] == "INSERT"]
    report = flow.take_batch(records)
    written_at = event["Records"][0]["dynamodb"]["ApproximateCreationDateTime"]
    metrics.emit(_figures(report, bootstrap.clock().now().timestamp() - written_at))
    for defect in report.defects:
        place = {"sequence_number": defect.record.sequence_number}
        logger.error("fact cannot become an alert", exc_info=defect.error, extra=place)
    if report.failed:
        again = {"sequence_number": report.failed, "reason": str(report.failure)}
        logger.warning("facts will be delivered again", extra=again)
        return {"batchItemFailures": [{"itemIdentifier": report.failed}]}
    logger.info("facts taken", extra={"facts": report.taken, "defects": len(report.defects)})
    return {"batchItemFailures": []}


def _figures(report: BatchReport, age_s: float) -> dict[Metric, float]:
    return {
        Metric.FACTS_TAKEN: report.taken - len(report.defects),
        Metric.FACT_DEFECTS: len(report.defects),
        Metric.BATCHES_RETRIED: int(report.failed is not None),
        Metric.BATCH_AGE: max(0.0, age_s * 1000),
    }
