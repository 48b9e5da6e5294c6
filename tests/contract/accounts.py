"""The two accounts that the contract suites run on: in memory, and moto."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto import mock_aws

from tests.fakes.aws import KEYS, FakeAws

ACCOUNTS = ("memory", "moto")


class Account:
    """Low-level clients of one empty account with the event flow's tables, bucket and stream."""

    def __init__(self, dynamodb: Any, s3: Any, kinesis: Any) -> None:  # noqa: ANN401  a client or its fake
        self.dynamodb = dynamodb
        self.s3 = s3
        self.kinesis = kinesis


@contextmanager
def account(kind: str) -> Iterator[Account]:
    """Open an account of one kind."""
    if kind == "memory":
        aws = FakeAws()
        aws.shards = [{"ShardId": f"shardId-{number:012}"} for number in range(2)]
        yield Account(aws, aws, aws)
        return
    with mock_aws():
        names = ("dynamodb", "s3", "kinesis")
        session: Any = boto3.Session("test", "test", region_name="us-east-1")
        opened = Account(*(session.client(name) for name in names))
        create_tables(opened.dynamodb)
        opened.s3.create_bucket(Bucket="lake")
        opened.kinesis.create_stream(StreamName="stream", ShardCount=2)
        yield opened


def create_tables(dynamodb: Any) -> None:  # noqa: ANN401  a client or its fake
    """Create the event flow's tables with their keys."""
    for name, keys in KEYS.items():
        dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": key, "KeyType": role}
                for key, role in zip(keys, ("HASH", "RANGE"), strict=True)
            ],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        )
