import boto3
import pytest
from moto import mock_aws

from pipeline.adapters.aws import CLIENT_CONFIG
from pipeline.adapters.silence_table import DynamoSilences
from tests.fakes.alert_tables import create_tables


@mock_aws
def test_a_row_that_is_no_silence_hides_nothing_and_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = boto3.client(
        "dynamodb",
        "eu-west-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=CLIENT_CONFIG,
    )
    create_tables(client, SilencesTable="silences")
    row = {"scope": {"S": "all"}, "silence_id": {"S": "5f2c"}, "document": {"S": "{}"}}
    client.put_item(TableName="silences", Item=row)

    silences = DynamoSilences(client, "silences").all()

    assert list(silences) == []
    assert "5f2c is no silence and hides nothing" in caplog.text
