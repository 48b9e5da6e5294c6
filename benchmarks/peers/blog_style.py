"""A Kinesis consumer as blog posts write it: clients in the handler, one write after the other.

It stores each event in the table of its type, counts them in CloudWatch and archives the batch. It
checks no field, detects nothing, and drops what it cannot parse.
"""

import base64
import json
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import boto3

TABLES = {
    "user_activity": "activities",
    "system_metric": "metrics",
    "transaction": "transactions",
}


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  Lambda's signature
    """Store, count and archive one batch."""
    dynamodb = boto3.resource("dynamodb")
    s3 = boto3.client("s3")
    cloudwatch = boto3.client("cloudwatch")

    by_type: dict[str, list[dict[str, Any]]] = {event_type: [] for event_type in TABLES}
    for record in event["Records"]:
        try:
            text = base64.b64decode(record["kinesis"]["data"]).decode("utf-8")
            payload = json.loads(text, parse_float=Decimal)
            by_type[payload["event_type"]].append(payload)
        except (KeyError, ValueError) as error:
            print(f"Error processing record: {error}")

    for event_type, items in by_type.items():
        if items:
            _batch_write(dynamodb.Table(TABLES[event_type]), items)
    cloudwatch.put_metric_data(
        Namespace="EventPipeline",
        MetricData=[
            {
                "MetricName": "ProcessedRecords",
                "Dimensions": [{"Name": "EventType", "Value": event_type}],
                "Value": len(items),
                "Unit": "Count",
            }
            for event_type, items in by_type.items()
        ],
    )
    now = datetime.now(UTC)  # noqa: TID251  a peer, written as its authors would
    s3.put_object(
        Bucket="lake",
        Key=f"events/{now:%Y/%m/%d/%H}/{uuid.uuid4()}.json",
        Body=json.dumps(by_type, default=str),
        ContentType="application/json",
    )
    return {"statusCode": 200, "body": json.dumps({"processed": len(event["Records"])})}


def _batch_write(table: Any, items: list[dict[str, Any]]) -> None:  # noqa: ANN401  a boto3 resource
    ttl = int(datetime.now(UTC).timestamp()) + 30 * 86_400  # noqa: TID251  as its authors would
    with table.batch_writer() as batch:
        for item in items:
            batch.put_item(Item={**item, "ttl": ttl})
