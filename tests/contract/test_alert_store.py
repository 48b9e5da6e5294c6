"""The contract of `ports.AlertStore`, on the fake and on moto."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from pipeline.adapters.alert_store import DynamoAlertStore
from pipeline.adapters.aws import CLIENT_CONFIG
from pipeline.ports import AlertRow, AlertStore
from tests.fakes.alerts import NOON, FakeAlertStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SHOWN: dict[str, str | int] = {"status": "firing", "count": 3, "component": ""}


@pytest.fixture(params=["fake", "moto"])
def store(request: pytest.FixtureRequest) -> Iterator[AlertStore]:
    if request.param == "fake":
        yield FakeAlertStore()
        return
    with mock_aws():
        yield DynamoAlertStore(_client_with_table(), "alerts")


def _client_with_table() -> "DynamoDBClient":
    client = boto3.client(
        "dynamodb",
        "eu-west-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=CLIENT_CONFIG,
    )
    client.create_table(
        TableName="alerts",
        AttributeDefinitions=[
            {"AttributeName": "dedup_key", "AttributeType": "S"},
            {"AttributeName": "opened_at", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "dedup_key", "KeyType": "HASH"},
            {"AttributeName": "opened_at", "KeyType": "RANGE"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


def test_there_is_no_alert_before_the_first(store: AlertStore) -> None:
    assert store.latest("cpu#web-7") is None


def test_an_alert_is_read_as_it_was_written(store: AlertStore) -> None:
    assert store.write("cpu#web-7", NOON, '{"a":"ü"}'.encode(), SHOWN, replaces=0)

    assert store.latest("cpu#web-7") == AlertRow('{"a":"ü"}'.encode(), 1)


def test_the_newest_alert_of_a_key_is_read(store: AlertStore) -> None:
    later = NOON + timedelta(microseconds=1)
    store.write("cpu#web-7", later, b"later", SHOWN, replaces=0)
    store.write("cpu#web-7", NOON, b"earlier", SHOWN, replaces=0)
    store.write("cpu#web-8", NOON + timedelta(days=1), b"other", SHOWN, replaces=0)

    assert store.latest("cpu#web-7") == AlertRow(b"later", 1)


def test_a_version_is_replaced_once(store: AlertStore) -> None:
    store.write("cpu#web-7", NOON, b"one", SHOWN, replaces=0)

    assert store.write("cpu#web-7", NOON, b"two", SHOWN, replaces=1)
    assert not store.write("cpu#web-7", NOON, b"three", SHOWN, replaces=1)

    assert store.latest("cpu#web-7") == AlertRow(b"two", 2)


def test_an_alert_is_created_once(store: AlertStore) -> None:
    store.write("cpu#web-7", NOON, b"one", SHOWN, replaces=0)

    assert not store.write("cpu#web-7", NOON, b"two", SHOWN, replaces=0)

    assert store.latest("cpu#web-7") == AlertRow(b"one", 1)


def test_an_alert_that_is_gone_is_not_replaced(store: AlertStore) -> None:
    assert not store.write("cpu#web-7", NOON, b"two", SHOWN, replaces=1)

    assert store.latest("cpu#web-7") is None


@pytest.mark.parametrize("replaces", [0, 1])
def test_the_repetition_of_a_write_that_happened_is_a_success(
    store: AlertStore, replaces: int
) -> None:
    for version in range(replaces + 1):
        store.write("cpu#web-7", NOON, b"same", SHOWN, replaces=version)

    assert store.write("cpu#web-7", NOON, b"same", SHOWN, replaces=replaces)

    assert store.latest("cpu#web-7") == AlertRow(b"same", replaces + 1)


@mock_aws
def test_a_row_can_be_read_in_the_console() -> None:
    client = _client_with_table()

    DynamoAlertStore(client, "alerts").write("cpu#web-7", NOON, b"{}", SHOWN, replaces=0)

    assert client.scan(TableName="alerts")["Items"] == [
        {
            "dedup_key": {"S": "cpu#web-7"},
            "opened_at": {"S": "2026-03-01T12:00:00.000000Z"},
            "version": {"N": "1"},
            "document": {"S": "{}"},
            "status": {"S": "firing"},
            "count": {"N": "3"},
        }
    ]
