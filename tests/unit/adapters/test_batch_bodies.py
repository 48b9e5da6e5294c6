import json
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from moto import mock_aws

from pipeline.adapters.aws import CLIENT_CONFIG
from pipeline.adapters.batch_bodies import take_over_batches
from pipeline.errors import RetryableError

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
        take_over_batches(fast)
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
        take_over_batches(client)

        client.batch_write_item(RequestItems={"activities": REQUEST["RequestItems"]["activities"]})

        found = client.get_item(TableName="activities", Key={"user_id": ITEM["user_id"]})
    assert found["Item"] == ITEM


def test_other_hooks_still_see_the_tables_of_a_request() -> None:
    seen: list[list[str]] = []
    with mock_aws():
        client = new_client()
        take_over_batches(client)
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
        take_over_batches(client)
        request = {"activities": [{"PutRequest": {"Item": dict(ITEM)}}]}

        client.batch_write_item(RequestItems=request)

    assert request == {"activities": [{"PutRequest": {"Item": ITEM}}]}


READ: dict[str, Any] = {
    "RequestItems": {
        "activities": {"Keys": [{"user_id": ITEM["user_id"]}], "ConsistentRead": True},
        "states": {"Keys": [{"user_id": {"S": "u-1"}}], "ProjectionExpression": "user_id"},
    }
}
ANSWER = {
    "Responses": {
        "activities": [{**ITEM, "state": {"B": "AP/+"}, "states": {"BS": ["AA==", "/w=="]}}],
        "states": [],
    },
    "UnprocessedKeys": {
        "states": {
            "Keys": [{"user_id": {"S": "u-1"}, "state": {"B": "AP/+"}}],
            "ConsistentRead": True,
            "ProjectionExpression": "#u",
            "ExpressionAttributeNames": {"#u": "user_id"},
        }
    },
    "ConsumedCapacity": [{"TableName": "activities", "CapacityUnits": 1.5}],
}


def answer_with(client: Any, status: int, body: bytes) -> None:  # noqa: ANN401  the client
    """Answer each of the client's requests."""
    headers: Any = {"x-amzn-RequestId": "r-1"}
    raw = SimpleNamespace(stream=lambda **_: [body])
    client.meta.events.register(
        "before-send.dynamodb", lambda **_: AWSResponse("https://dynamodb", status, headers, raw)
    )


def test_a_read_asks_what_botocores_own_would() -> None:
    plain, fast = new_client(), new_client()
    take_over_batches(fast)
    sent_plain, sent_fast = bodies_sent(plain), bodies_sent(fast)
    for client in (plain, fast):
        answer_with(client, 200, b"{}")
        client.batch_get_item(**READ)

    assert sent_fast == sent_plain == [READ]


def test_what_a_read_gives_is_what_botocore_would_give() -> None:
    plain, fast = new_client(), new_client()
    take_over_batches(fast)
    for client in (plain, fast):
        answer_with(client, 200, json.dumps(ANSWER).encode())

    answer = fast.batch_get_item(**READ)

    assert answer == plain.batch_get_item(**READ)
    (item,) = answer["Responses"]["activities"]
    assert item == {**ITEM, "states": {"BS": [b"\x00", b"\xff"]}}
    assert answer["UnprocessedKeys"]["states"]["Keys"][0]["state"] == {"B": b"\x00\xff\xfe"}
    assert answer["ResponseMetadata"]["RequestId"] == "r-1"


def test_a_read_that_is_refused_is_an_error_as_before() -> None:
    client = new_client()
    take_over_batches(client)
    refused = {"__type": "com.amazon#ValidationException", "message": "no such attribute"}
    answer_with(client, 400, json.dumps(refused).encode())

    with pytest.raises(ClientError, match=r"ValidationException.*no such attribute"):
        client.batch_get_item(**READ)


@pytest.mark.parametrize("body", [b'{"Responses": {"states": [', b'{"Responses": {"states": {}}}'])
def test_an_answer_that_is_damaged_is_asked_for_again_later(body: bytes) -> None:
    client = new_client()
    take_over_batches(client)
    answer_with(client, 200, body)

    with pytest.raises(RetryableError, match="BatchGetItem: the answer cannot be read"):
        client.batch_get_item(**READ)
