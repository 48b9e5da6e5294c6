"""A Kinesis consumer as the documentation of Powertools for AWS Lambda composes its utilities.

Batch processing with partial failures, validation against a JSON Schema, metrics in EMF, a table
resource outside of the handler, one item per record. It archives nothing and detects nothing.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from aws_lambda_powertools.utilities.validation import validate

SCHEMA_FILES = (Path(__file__).resolve().parents[2] / "schemas").glob("*.json")
SCHEMAS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in SCHEMA_FILES
}

processor = BatchProcessor(event_type=EventType.KinesisDataStreams)
logger = Logger(service="peer")
metrics = Metrics(namespace="EventPipeline", service="peer")
dynamodb = boto3.resource("dynamodb")
tables = {
    "user_activity": dynamodb.Table("activities"),
    "system_metric": dynamodb.Table("metrics"),
    "transaction": dynamodb.Table("transactions"),
}


def record_handler(record: KinesisStreamRecord) -> None:
    """Check, store and count one record."""
    payload = json.loads(record.kinesis.data_as_text(), parse_float=Decimal)
    event_type = payload["event_type"]
    validate(event=payload, schema=SCHEMAS[event_type])
    tables[event_type].put_item(Item=payload)
    metrics.add_metric(name="EventStored", unit=MetricUnit.Count, value=1)


@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Process one batch; failed records are reported alone."""
    return dict(
        process_partial_response(
            event=event, record_handler=record_handler, processor=processor, context=context
        )
    )
