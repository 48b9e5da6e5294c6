"""Lambda function: messages of OnboardingQueue to the onboarding flow."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.bootstrap import sqs_onboarding as bootstrap
from pipeline.flows.onboarding.flow import OnboardingFlow, Outcome
from pipeline.flows.onboarding.report import figures, reason
from pipeline.jobs import decode_onboarding_job

logger = Logger()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Do each job; what fails is reported, comes again and ends in the dead-letter queue."""
    bootstrap.tracing().follow()
    once = bootstrap.once(context)
    flow = OnboardingFlow(bootstrap.users(), bootstrap.profiles(), bootstrap.notifier(), once)

    def do(record: SQSRecord) -> Outcome:  # Powertools passes the record by this name
        return flow.do(decode_onboarding_job(record.body))

    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    with processor(event["Records"], do):
        processed = processor.process()
    ended = [outcome for status, outcome, _ in processed if status == "success"]
    failed = [record for status, _, record in processed if status == "fail"]
    errors = [error for _, error, _ in processor.exceptions]
    for record, error in zip(failed, errors, strict=True):
        receives = record.attributes.approximate_receive_count
        place = {"message_id": record.message_id, "receive_count": receives}
        logger.warning("job failed", extra={**place, "reason": reason(error)})
    bootstrap.onboarding_metrics().emit(figures(ended, errors))
    logger.info("jobs taken", extra={"done": len(ended), "failed": len(errors)})
    return dict(processor.response())
