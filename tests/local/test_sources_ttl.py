# ruff: noqa: ANN401 - boto3 makes its clients at run time

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipeline.local.sources.ttl import TimeToLive

NOW = 1_800_000_000
FIVE_YEARS_S = 157_680_000


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(
            TableName="users",
            KeySchema=[{"AttributeName": "Id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "Id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        client.update_time_to_live(
            TableName="users",
            TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"},
        )
        yield client


def put(client: Any, item_id: str, **rest: dict[str, str]) -> None:
    client.put_item(TableName="users", Item={"Id": {"S": item_id}, **rest})


def ids(client: Any) -> set[str]:
    return {item["Id"]["S"] for item in client.scan(TableName="users")["Items"]}


def removal(item_id: str, **old: dict[str, str]) -> dict[str, Any]:
    change = {"Keys": {"Id": {"S": item_id}}, "OldImage": {"Id": {"S": item_id}, **old}}
    return {"eventName": "REMOVE", "dynamodb": change}


def sweeper(client: Any) -> TimeToLive:
    moments = iter([NOW - 60, NOW, NOW + 1])
    return TimeToLive(client, "users", lambda: next(moments), interval_s=60)


def test_what_has_expired_is_deleted_and_nothing_else(dynamodb: Any) -> None:
    put(dynamodb, "expired", expires={"N": str(NOW - 1)})
    put(dynamodb, "future", expires={"N": str(NOW + 1)})
    put(dynamodb, "never")
    put(dynamodb, "no number", expires={"S": "1"})
    put(dynamodb, "long ago", expires={"N": str(NOW - FIVE_YEARS_S - 1)})

    sweeper(dynamodb).sweep_if_due()

    assert ids(dynamodb) == {"future", "never", "no number", "long ago"}


def test_only_its_own_deletions_bear_the_identity_of_the_service(dynamodb: Any) -> None:
    put(dynamodb, "expired", expires={"N": str(NOW - 1)})
    time_to_live = sweeper(dynamodb)

    time_to_live.sweep_if_due()

    marked = time_to_live.mark(removal("expired", expires={"N": str(NOW - 1)}))
    assert marked["userIdentity"] == {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}
    for other in (
        removal("expired", expires={"N": str(NOW + 9)}),
        removal("somebody", expires={"N": str(NOW - 1)}),
        {**removal("expired", expires={"N": str(NOW - 1)}), "eventName": "MODIFY"},
    ):
        assert "userIdentity" not in time_to_live.mark(other)


def test_a_deletion_is_known_by_its_key_where_the_stream_has_no_images(dynamodb: Any) -> None:
    put(dynamodb, "expired", expires={"N": str(NOW - 1)})
    time_to_live = sweeper(dynamodb)
    time_to_live.sweep_if_due()
    record = {"eventName": "REMOVE", "dynamodb": {"Keys": {"Id": {"S": "expired"}}}}

    assert "userIdentity" in time_to_live.mark(record)


def test_a_table_is_not_looked_at_again_before_the_interval_is_over(dynamodb: Any) -> None:
    time_to_live = sweeper(dynamodb)
    time_to_live.sweep_if_due()
    put(dynamodb, "expired", expires={"N": str(NOW - 1)})

    time_to_live.sweep_if_due()

    assert ids(dynamodb) == {"expired"}


def test_without_time_to_live_nothing_is_deleted(dynamodb: Any) -> None:
    dynamodb.update_time_to_live(
        TableName="users", TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires"}
    )
    put(dynamodb, "expired", expires={"N": str(NOW - 1)})

    sweeper(dynamodb).sweep_if_due()

    assert ids(dynamodb) == {"expired"}
