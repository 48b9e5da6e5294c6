"""What Lambda refuses of event source mappings of streams is refused at deploy."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.local.deployment import Deployment
from pipeline.local.intrinsics import TemplateError

ACCOUNT = "123456789012"

MAPPING = """
Resources:
  Flow: {{ Type: AWS::Kinesis::Stream }}
  Code:
    Type: AWS::Lambda::Function
    Properties:
      Code: .
      Handler: app.handler
      Runtime: python3.13
      Role: arn:aws:iam::123456789012:role/any
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {properties}
"""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"BatchSize": 10_001}, "BatchSize: 10001 is not within 1 and 10000"),
        ({"BatchSize": "many"}, "BatchSize: 'many' is no whole number"),
        ({"MaximumBatchingWindowInSeconds": 301}, "301 is not within 0 and 300"),
        ({"MaximumRetryAttempts": -2}, "-2 is not within -1 and 10000"),
        ({"MaximumRecordAgeInSeconds": 59}, "59 is neither -1 nor within 60 and 604800"),
        ({"ParallelizationFactor": 11}, "11 is not within 1 and 10"),
        ({"TumblingWindowInSeconds": 901}, "901 is not within 0 and 900"),
        ({"StartingPosition": None}, "StartingPosition is missing"),
        ({"StartingPosition": "AT_TIMESTAMP"}, "Timestamp: needed for AT_TIMESTAMP"),
        ({"StartingPositionTimestamp": 1}, "Timestamp: needed for AT_TIMESTAMP, and for nothing"),
        ({"StartingPosition": "NOW"}, "Unsupported starting position for arn type: .*stream/small"),
        (
            {"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": "noon"},
            "'noon' is no time in Unix seconds",
        ),
        (
            {"ParallelizationFactor": 2, "TumblingWindowInSeconds": 60},
            "must be 1 with TumblingWindowInSeconds",
        ),
        ({"DestinationConfig": {"OnSuccess": {}}}, "no destination but OnFailure"),
        ({"FunctionResponseTypes": ["Other"]}, "FunctionResponseTypes: .* is unknown"),
        ({"BisectBatchOnFunctionError": "maybe"}, "'maybe' is neither true nor false"),
        ({"FilterCriteria": {"Filters": [{"Pattern": "["}]}}, "Invalid filter pattern definition"),
        ({"FilterCriteria": {"Filters": [{"Pattern": "{}"}] * 11}}, "more than 10 patterns"),
        (
            {"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:r:1:q.fifo"}}},
            "takes no FIFO queue",
        ),
        (
            {"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:ec2:r:1:i-1"}}},
            "is no bucket, queue or topic",
        ),
        ({"FunctionName": "nobody"}, "the stack has no function 'nobody'"),
        (
            {"EventSourceArn": f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/dry"},
            "Stream not found: .*stream/dry",
        ),
    ],
)
def test_a_mapping_that_lambda_refuses_is_refused(
    bring_up: Callable[..., Deployment], changes: dict[str, Any], message: str
) -> None:
    properties = {
        "EventSourceArn": {"Fn::GetAtt": ["Flow", "Arn"]},
        "FunctionName": {"Ref": "Code"},
        "StartingPosition": "LATEST",
    } | changes

    with pytest.raises(TemplateError, match=message):
        bring_up(MAPPING.format(properties=json.dumps(properties)))


def test_two_mappings_of_one_stream_to_one_function_are_refused(
    bring_up: Callable[..., Deployment],
) -> None:
    properties = json.dumps(
        {
            "EventSourceArn": {"Fn::GetAtt": ["Flow", "Arn"]},
            "FunctionName": {"Ref": "Code"},
            "StartingPosition": "LATEST",
        }
    )
    second = f"  Twin: {{Type: AWS::Lambda::EventSourceMapping, Properties: {properties}}}\n"

    with pytest.raises(
        TemplateError, match=r"stream/small-Flow .* provided mapping already exists"
    ):
        bring_up(MAPPING.format(properties=properties) + second)
