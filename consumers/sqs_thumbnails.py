"""Lambda function: messages of ThumbnailQueue to the thumbnail flow."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.bootstrap import sqs_thumbnails as bootstrap
from pipeline.detection.rules import Rules
from pipeline.flows.thumbnails.flow import ThumbnailFlow
from pipeline.flows.thumbnails.report import BatchReport

logger = Logger()


@bootstrap.per_rules
def flow(rules: Rules) -> ThumbnailFlow:
    """Build the flow at the environment's first invocation, and whenever the rules change."""
    settings = bootstrap.thumbnail_settings()
    return ThumbnailFlow(
        bootstrap.image_objects(settings),
        bootstrap.image_store(settings),
        bootstrap.image_facts(settings),
        rule=rules.hostile_images,
        bucket=settings.content_bucket,
    )


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  Lambda's signature
    """Do each job; report those that failed: the queue delivers them again or sets them aside."""
    bootstrap.tracing().follow()
    report = BatchReport()

    def take(record: SQSRecord) -> None:  # Powertools passes the record by this name
        job = flow().take(record.body)
        report.add(job)
        logger.info("job taken", extra=job._asdict())

    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    with processor(event["Records"], take):
        processor.process()
    failed = processor.response()["batchItemFailures"]
    for item, (_, error, _) in zip(failed, processor.exceptions, strict=True):
        place = {"message_id": item["itemIdentifier"], "reason": str(error)}
        logger.warning("job failed", extra=place)
    bootstrap.thumbnail_metrics().emit(report.figures(failed=len(failed)))
    return {"batchItemFailures": failed}
