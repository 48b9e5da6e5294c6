"""Runs batches through the event consumer as Lambda would, on moto; a program of its own.

The X-Ray SDK reads its environment when it is imported and patches botocore for good, so each case
takes a fresh process. It prints one line of JSON: the answers, and whether the SDK is loaded.

Arguments: the trace header of each invocation in turn, empty for none.
"""

import base64
import json
import os
import sys
from types import SimpleNamespace
from typing import Any

import boto3
from moto import mock_aws

from consumers import kinesis_events
from tests.contract.accounts import create_tables

RECORDS = 60
CONTEXT: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 30_000)


def lambda_event(first: int) -> dict[str, Any]:
    """Return 60 metric points of as many hosts, and one record of poison."""
    numbers = range(first, first + RECORDS)
    good = [
        {
            "event_type": "system_metric",
            "metric_name": "cpu_usage",
            "value": 20,
            "source": f"web-{number}",
            "timestamp": "2026-09-21T14:12:00Z",
        }
        for number in numbers
    ]
    payloads = [json.dumps(event).encode() for event in good]
    return {
        "Records": [
            {
                "eventID": f"shardId-000000000000:{number}",
                "kinesis": {
                    "partitionKey": f"web-{number}",
                    "sequenceNumber": str(number),
                    "data": base64.b64encode(payload).decode(),
                    "approximateArrivalTimestamp": 1_790_000_000.0,
                },
            }
            for number, payload in enumerate([*payloads, b"not json"], start=first)
        ]
    }


def main(headers: list[str]) -> None:
    """Invoke the handler once for each trace header."""
    answers = []
    with mock_aws():
        create_tables(boto3.client("dynamodb"))
        boto3.client("s3").create_bucket(Bucket="lake")
        boto3.client("kinesis").create_stream(StreamName="stream", ShardCount=1)
        before = "aws_xray_sdk" in sys.modules
        for invocation, header in enumerate(headers):
            os.environ["_X_AMZN_TRACE_ID"] = header
            event = lambda_event(1 + 100 * invocation)
            answers.append(kinesis_events.handler(event, CONTEXT))
    loaded = [name for name in sys.modules if name.startswith("aws_xray_sdk")]
    print(json.dumps({"answers": answers, "loaded": sorted(loaded)[:1], "before": before}))  # noqa: T201  its result


if __name__ == "__main__":
    main(sys.argv[1:])
