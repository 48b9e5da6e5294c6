"""Lambda function: records of the event stream to the event flow."""

from dataclasses import asdict
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.adapters.kinesis_records import kinesis_record
from pipeline.bootstrap import kinesis_events as bootstrap
from pipeline.detection.rules import Rules
from pipeline.errors import RetryableError
from pipeline.flows.events.flow import EventFlow
from pipeline.metrics import Metric

logger = Logger()
SAFETY_MARGIN_S = 2.0


@bootstrap.per_rules
def flow(rules: Rules) -> EventFlow:
    """Build the flow at the environment's first invocation, and whenever the rules change."""
    return EventFlow(
        bootstrap.event_sink(),
        bootstrap.state_store(),
        bootstrap.shard_lineage(),
        bootstrap.event_detectors(rules),
        rules.health,
        bootstrap.event_ttl_s(),
        lake_only=bootstrap.lake_only_events(),
        watches=bootstrap.event_watches(rules),
        pooled=bootstrap.event_pooled_detectors(rules),
    )


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Process one batch of a shard; on throttling or outage report its first record as failed.

    With `redrive` records come back out of turn, sent by the command: as they were set aside, or
    "archived" ones out of the lake.
    """
    bootstrap.tracing().follow()
    metrics = bootstrap.event_metrics()
    records = [kinesis_record(record) for record in event["Records"]]
    redrive = event.get("redrive")
    take = partial(flow().take_back, is_archived=redrive == "archived")
    try:
        report = (take if redrive else flow().process)(
            records, lambda: context.get_remaining_time_in_millis() / 1000 - SAFETY_MARGIN_S
        )
    except RetryableError as error:
        shard_id, first = records[0].shard_id, str(records[0].sequence_number)
        place = {"shard_id": shard_id, "sequence_number": first}
        logger.warning("batch will be delivered again", extra={**place, "reason": str(error)})
        metrics.emit({Metric.BATCHES_RETRIED: 1})
        return {"batchItemFailures": [{"itemIdentifier": first}]}
    logger.info("batch processed", extra=asdict(report))
    metrics.emit(report.figures(bootstrap.clock().now()))
    return {"batchItemFailures": [], **({"report": asdict(report)} if redrive else {})}
