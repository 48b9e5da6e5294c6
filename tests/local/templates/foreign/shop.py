"""The shop's functions."""

import os
from typing import Any


def follow(event: dict[str, Any], context: object) -> None:  # noqa: ARG001  a handler's signature
    for record in event["Records"]:
        order = record["dynamodb"]["Keys"]["id"]["S"]
        print(f"order {order} in {os.environ['ORDERS_TABLE']}")  # noqa: T201  a function's log
