"""Lambda function: objects that S3 reports under uploads/ to the upload flow."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.adapters.object_events import uploads_in
from pipeline.bootstrap import s3_uploads as bootstrap
from pipeline.detection.rules import Rules
from pipeline.flows.uploads.flow import UploadFlow
from pipeline.metrics import Metric

logger = Logger()


@bootstrap.per_rules
def flow(rules: Rules) -> UploadFlow:
    """Build the flow at the environment's first invocation, and whenever the rules change."""
    settings = bootstrap.upload_settings()
    return UploadFlow(
        bootstrap.image_objects(settings),
        bootstrap.image_store(settings),
        bootstrap.analyser(),
        bootstrap.thumbnail_jobs(),
        bootstrap.image_facts(settings),
        rules=rules,
        bucket=settings.content_bucket,
    )


def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001  Lambda's signature
    """Take in new objects; what is raised makes Lambda invoke again, and give up in the end."""
    bootstrap.tracing().follow()
    uploads = uploads_in(event)
    if not uploads:
        logger.info("S3 tests the notification", extra={"bucket": event["Bucket"]})
        return
    report = flow().take_all(uploads)
    logger.info("uploads taken", extra=asdict(report))
    bootstrap.upload_metrics().emit(
        {
            Metric.IMAGES_LABELLED: report.labelled,
            Metric.IMAGES_REFUSED: report.refused,
            Metric.IMAGE_ANOMALIES_FOUND: report.anomalies,
        }
    )
