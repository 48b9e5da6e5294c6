"""Lambda function: changes on the stream of UsersTable to the users flow."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.adapters.user_records import user_record
from pipeline.bootstrap import dynamodb_users as bootstrap
from pipeline.flows.users.flow import UserFlow
from pipeline.flows.users.watching import Watching

logger = Logger()
SAFETY_MARGIN_S = 40.0  # outlasts a call with its retries: an outage must not look like a death


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take changes in their order; report the first that must be delivered again.

    With `redrive` records come back out of turn, sent by the command.
    """
    is_redrive = "redrive" in event
    bootstrap.tracing().follow()
    watching = Watching(
        bootstrap.user_detectors(), bootstrap.versioned_states(), bootstrap.user_ttl_s()
    )
    flow = UserFlow(
        bootstrap.user_sink(),
        bootstrap.onboarding_queue(),
        watching,
        bootstrap.user_contents(),
        bootstrap.suspects(),
        bootstrap.rules().health,
        is_late=is_redrive,
    )
    records = [user_record(record) for record in event["Records"]]
    report = flow.take_batch(
        records, lambda: context.get_remaining_time_in_millis() / 1000 - SAFETY_MARGIN_S
    )
    age_s = bootstrap.clock().now().timestamp() - records[0].written_at
    bootstrap.user_metrics().emit(report.figures(age_s))
    if report.failed:
        again = {"sequence_number": report.failed, "reason": str(report.failure)}
        logger.warning("changes will be delivered again", extra=again)
        return {"batchItemFailures": [{"itemIdentifier": report.failed}]}
    logger.info("changes taken", extra=report.counts())
    return {"batchItemFailures": [], **({"report": report.counts()} if is_redrive else {})}
