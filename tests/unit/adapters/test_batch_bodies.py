import json
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipeline.adapters.aws import CLIENT_CONFIG
from pipeline.adapters.batch_bodies import encode_batch_writes

ITEM: dict[str, Any] = {
    "user_id": {"S": 'Zoë "☃" \u2028\n'},
    "amount": {"N": "10.50"},
    "state": {"B": b"\x00\xff\xfe"},
    "is_fraud": {"BOOL": True},
    "nothing": {"NULL": True},
    "recent": {"L": [{"N": "1"}, {"SS": ["1e-200"]}]},
    "location": {"M": {"latitude": {"N": "52.5"}}},
}
REQUEST: dict[str, Any] = {
    "RequestItems": {
        "activities": [{"PutRequest": {"Item": ITEM}}],
        "states": [{"DeleteRequest": {"Key": {"user_id": {"S": "u-1"}}}}],
    }
}


def new_client() -> Any:  # noqa: ANN401  the client, free to take any request
    session = boto3.Session("test", "test", region_name="us-east-1")
    return session.client("dynamodb", config=CLIENT_CONFIG)


def bodies_sent(client: Any) -> list[Any]:  # noqa: ANN401  the client
    """Return the list that the bodies of the client's requests will be appended to."""
    bodies: list[Any] = []
    client.meta.events.register(
        "before-send.dynamodb", lambda request, **_: bodies.append(json.loads(request.body))
    )
    return bodies


def create_table(client: Any, name: str, key: str) -> None:  # noqa: ANN401  the client
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
    )


def test_a_body_means_what_botocores_own_would() -> None:
    with mock_aws():
        plain, fast = new_client(), new_client()
        create_table(plain, "activities", "user_id")
        create_table(plain, "states", "user_id")
        encode_batch_writes(fast)
        sent_plain, sent_fast = bodies_sent(plain), bodies_sent(fast)

        plain.batch_write_item(**REQUEST)
        fast.batch_write_item(**REQUEST)

    assert sent_fast == sent_plain
    assert sent_fast[0]["RequestItems"]["activities"][0]["PutRequest"]["Item"]["state"] == {
        "B": "AP/+"
    }


def test_an_item_comes_back_as_it_was_put() -> None:
    with mock_aws():
        client = new_client()
        create_table(client, "activities", "user_id")
        encode_batch_writes(client)

        client.batch_write_item(RequestItems={"activities": REQUEST["RequestItems"]["activities"]})

        found = client.get_item(TableName="activities", Key={"user_id": ITEM["user_id"]})
    assert found["Item"] == ITEM


def test_other_hooks_still_see_the_tables_of_a_request() -> None:
    seen: list[list[str]] = []
    with mock_aws():
        client = new_client()
        encode_batch_writes(client)
        client.meta.events.register(
            "before-parameter-build.dynamodb",
            lambda params, **_: seen.append(list(params["RequestItems"])),
        )

        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.batch_write_item(**REQUEST)

    assert seen == [["activities", "states"]]


def test_the_callers_request_is_left_alone() -> None:
    with mock_aws():
        client = new_client()
        create_table(client, "activities", "user_id")
        encode_batch_writes(client)
        request = {"activities": [{"PutRequest": {"Item": dict(ITEM)}}]}

        client.batch_write_item(RequestItems=request)

    assert request == {"activities": [{"PutRequest": {"Item": ITEM}}]}
