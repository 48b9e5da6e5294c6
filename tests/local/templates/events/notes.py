"""A function that writes down every event that it gets."""

import json
import os
from typing import Any

import boto3


def handler(event: dict[str, Any], context: Any) -> None:  # noqa: ANN401  Lambda's context
    key = context.aws_request_id
    boto3.client("s3").put_object(
        Bucket=os.environ["BUCKET"], Key=key, Body=json.dumps({"event": event}).encode()
    )
