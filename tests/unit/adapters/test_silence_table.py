import pytest
from moto import mock_aws

from pipeline.adapters.silence_table import DynamoSilences
from tests.fakes.alert_tables import client_with


@mock_aws
def test_a_row_that_is_no_silence_hides_nothing_and_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = client_with(SilencesTable="silences")
    row = {"scope": {"S": "all"}, "silence_id": {"S": "5f2c"}, "document": {"S": "{}"}}
    client.put_item(TableName="silences", Item=row)

    silences = DynamoSilences(client, "silences").all()

    assert list(silences) == []
    assert "5f2c is no silence and hides nothing" in caplog.text
