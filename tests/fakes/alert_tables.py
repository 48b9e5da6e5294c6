"""The tables of the alert flow on moto, with the keys and indexes of the template itself."""

from typing import TYPE_CHECKING, Any

import boto3
import msgspec

from pipeline.adapters.aws import CLIENT_CONFIG
from pipeline.flows.alerts.silence import Silence
from tests.template import model

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def client_with(**names: str) -> "DynamoDBClient":
    """Return a client, inside `mock_aws`, with tables as `create_tables` makes them."""
    client = boto3.client(
        "dynamodb",
        "eu-west-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=CLIENT_CONFIG,
    )
    create_tables(client, **names)
    return client


def create_tables(client: "DynamoDBClient", **names: str) -> None:
    """Create tables of the template: `AlertsTable="alerts"` gives AlertsTable that name."""
    for logical_id, name in names.items():
        table: Any = model.resources("AWS::DynamoDB::Table")[logical_id]
        indexes = [
            {key: index[key] for key in ("IndexName", "KeySchema", "Projection")}
            for index in table.get("GlobalSecondaryIndexes", [])
        ]
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=table["KeySchema"],
            AttributeDefinitions=table["AttributeDefinitions"],
            **({"GlobalSecondaryIndexes": indexes} if indexes else {}),  # type: ignore[arg-type]  # as the template has it
        )


def put_silence(client: "DynamoDBClient", table: str, silence: Silence) -> None:
    """Write a silence as the command does, past the adapter, whose calls are recorded."""
    client.put_item(
        TableName=table,
        Item={
            "scope": {"S": "all"},
            "silence_id": {"S": silence.silence_id},
            "document": {"S": msgspec.json.encode(silence).decode()},
        },
    )
