"""The guard refuses what AWS refuses, and moto alone does not."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from pipeline.local.endpoint import Endpoint
from pipeline.local.server.guard import RULES, Refusal, TableKeys, refusal
from pipeline.local.server.guard_client import install
from pipeline.local.server.guard_rules import Request
from tests.local.guard_cases import CASES, Case, item, nested, puts

Clients = Callable[[str], Any]

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "local.md").read_text()
SECTION = "### What the guard refuses"
# Neither side of the wire may judge before the guard does.
UNCHECKED = Config(parameter_validation=False, retries={"max_attempts": 0})
KEYS: dict[str, Any] = {
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
    "region_name": "us-east-1",
}


def create(client: Clients) -> dict[str, str]:
    """Make what the cases are about and return what stands for it."""
    dynamodb = client("dynamodb")
    for name, keys, kind in (("guarded", ["k", "r", "g"], "S"), ("guarded-numbers", ["k"], "N")):
        dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": key, "KeyType": role}
                for key, role in zip(keys[:2], ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key in keys],
            **(
                {
                    "GlobalSecondaryIndexes": [
                        {
                            "IndexName": "by_g",
                            "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                            "Projection": {"ProjectionType": "ALL"},
                        }
                    ]
                }
                if "g" in keys
                else {}
            ),
        )
    client("kinesis").create_stream(StreamName="guarded", ShardCount=1)
    client("s3").create_bucket(Bucket="guarded")
    sqs = client("sqs")
    fifo = {"FifoQueue": "true"}
    return {
        "TABLE": "guarded",
        "NUMBERS": "guarded-numbers",
        "STREAM": "guarded",
        "BUCKET": "guarded",
        "TOPIC": client("sns").create_topic(Name="guarded")["TopicArn"],
        "QUEUE": sqs.create_queue(QueueName="guarded")["QueueUrl"],
        "FIFO": sqs.create_queue(QueueName="guarded.fifo", Attributes=fifo)["QueueUrl"],
    }


def filled(value: Any, made: Mapping[str, str]) -> Any:  # noqa: ANN401  arguments nest freely
    if isinstance(value, dict):
        return {made.get(name, name): filled(child, made) for name, child in value.items()}
    if isinstance(value, list):
        return [filled(child, made) for child in value]
    return made.get(value, value) if isinstance(value, str) else value


def call(client: Clients, case: Case, made: Mapping[str, str]) -> dict[str, Any]:
    answer: dict[str, Any] = getattr(client(case.service), case.operation)(
        **filled(case.arguments, made)
    )
    return answer


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Clients, dict[str, str]]]:
    with Endpoint() as endpoint:
        session = boto3.Session(**KEYS)

        def client(service: str) -> Any:  # noqa: ANN401  any service's
            return session.client(service, endpoint_url=endpoint.url, config=UNCHECKED)  # type: ignore[call-overload]  # any service

        yield client, create(client)


@pytest.fixture(scope="module")
def moto() -> Iterator[tuple[Clients, Clients, dict[str, str]]]:
    """Give the clients of moto alone and those with the guard in them."""
    with mock_aws():
        alone, guarded = boto3.Session(**KEYS), boto3.Session(**KEYS)
        install(guarded)

        def bare(service: str) -> Any:  # noqa: ANN401  any service's
            return alone.client(service, config=UNCHECKED)  # type: ignore[call-overload]  # any service

        def strict(service: str) -> Any:  # noqa: ANN401  any service's
            return guarded.client(service, config=UNCHECKED)  # type: ignore[call-overload]  # any service

        yield bare, strict, create(bare)


def assert_refused(error: ClientError, case: Case) -> None:
    found = error.response["Error"]
    assert found["Code"] == (case.code or RULES[case.rule].code)
    assert case.message in found["Message"]
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400


NAMED = [f"{number}-{case.rule}" for number, case in enumerate(CASES)]


@pytest.mark.parametrize("case", CASES, ids=NAMED)
def test_the_server_refuses_with_the_error_of_aws(
    server: tuple[Clients, dict[str, str]], case: Case
) -> None:
    client, made = server

    with pytest.raises(ClientError) as refused:
        call(client, case, made)

    assert_refused(refused.value, case)


@pytest.mark.parametrize("case", CASES, ids=NAMED)
def test_a_client_on_mocked_aws_refuses_with_the_same_error(
    moto: tuple[Clients, Clients, dict[str, str]], case: Case
) -> None:
    _, strict, made = moto

    with pytest.raises(ClientError) as refused:
        call(strict, case, made)

    assert_refused(refused.value, case)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES, ids=NAMED)
def test_moto_alone_does_not_say_the_same(
    moto: tuple[Clients, Clients, dict[str, str]], case: Case
) -> None:
    bare, _, made = moto

    said: dict[str, Any] = {}
    try:
        call(bare, case, made)
    except ClientError as error:
        said.update(error.response["Error"])
    except Exception as crash:  # noqa: BLE001  moto's own, of any kind
        said["Code"] = f"a crash: {crash!r}"

    same_code = said.get("Code") == (case.code or RULES[case.rule].code)
    assert not (same_code and case.message in said["Message"])


def test_each_rule_has_a_case() -> None:
    covered = {case.rule for case in CASES}

    # A client asks for 10,000 records at most only since the shard iterator is at hand.
    assert covered == set(RULES) - {"kinesis-read-limit"}


def test_more_records_than_kinesis_reads_at_once_are_refused(
    server: tuple[Clients, dict[str, str]],
) -> None:
    client, made = server
    kinesis = client("kinesis")
    iterator = kinesis.get_shard_iterator(
        StreamName=made["STREAM"], ShardId="shardId-000000000000", ShardIteratorType="LATEST"
    )["ShardIterator"]

    with pytest.raises(ClientError, match="Member must have value less than or equal to 10000"):
        kinesis.get_records(ShardIterator=iterator, Limit=10_001)

    assert kinesis.get_records(ShardIterator=iterator, Limit=10_000)["Records"] == []


def test_what_is_right_passes_to_the_limit(server: tuple[Clients, dict[str, str]]) -> None:
    client, made = server
    dynamodb, sqs = client("dynamodb"), client("sqs")

    items = [item(sort=str(number)) for number in range(25)]
    dynamodb.batch_write_item(RequestItems={made["TABLE"]: puts(*items)})
    dynamodb.put_item(TableName=made["TABLE"], Item=item(x={"N": "9." + "9" * 37 + "E125"}))
    dynamodb.put_item(TableName=made["TABLE"], Item=item(x={"N": "1E-130"}))
    dynamodb.put_item(TableName=made["TABLE"], Item=item(x={"N": "1" + "0" * 125}))
    dynamodb.put_item(TableName=made["TABLE"], Item=item(x=nested(31)))
    dynamodb.get_item(TableName=made["TABLE"], Key=item("k" * 2048, "r" * 1024))
    client("kinesis").put_record(
        StreamName=made["STREAM"], Data=b"x" * 1_048_575, PartitionKey="p", ExplicitHashKey="0"
    )
    client("sns").publish(TopicArn=made["TOPIC"], Subject="x" * 99, Message="x" * 262_144)
    sqs.send_message(QueueUrl=made["QUEUE"], MessageBody="\t\r\n퟿\U0010ffff")
    sqs.send_message(QueueUrl=made["QUEUE"], MessageBody="x" * 1_048_576)
    client("s3").put_object(Bucket=made["BUCKET"], Key="ü" * 512, Body=b"body")
    body = client("s3").get_object(Bucket=made["BUCKET"], Key="ü" * 512)["Body"].read()

    assert body == b"body"


def test_a_refused_upload_leaves_its_connection_usable(
    server: tuple[Clients, dict[str, str]],
) -> None:
    client, made = server
    s3 = client("s3")

    for _ in range(3):
        with pytest.raises(ClientError, match="KeyTooLongError"):
            s3.put_object(Bucket=made["BUCKET"], Key="k" * 1025, Body=b"x" * 300_000)
        s3.put_object(Bucket=made["BUCKET"], Key="after", Body=b"y")

    assert s3.get_object(Bucket=made["BUCKET"], Key="after")["Body"].read() == b"y"


def test_the_exception_is_the_clients_own(server: tuple[Clients, dict[str, str]]) -> None:
    client, made = server
    sqs = client("sqs")

    with pytest.raises(sqs.exceptions.InvalidMessageContents):
        sqs.send_message(QueueUrl=made["QUEUE"], MessageBody="\0")


def test_the_older_protocol_of_sqs_is_understood(server: tuple[Clients, dict[str, str]]) -> None:
    client, made = server
    body = (
        "Action=SendMessage&MessageBody=m&QueueUrl="
        + made["QUEUE"]
        + "".join(
            f"&MessageAttribute.{n}.Name=a{n}&MessageAttribute.{n}.Value.DataType=String"
            f"&MessageAttribute.{n}.Value.StringValue=x"
            for n in range(1, 12)
        )
    )
    request = urllib.request.Request(
        client("sqs").meta.endpoint_url,
        body.encode(),
        {
            "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": "AWS4-HMAC-SHA256 "
            "Credential=test/20260921/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0",
        },
    )

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)

    text = refused.value.read().decode()
    refused.value.close()
    assert "<Code>InvalidParameterValue</Code>" in text
    assert "Number of message attributes [11] exceeds the allowed maximum [10]." in text


def test_a_request_is_judged_without_a_server() -> None:
    table = TableKeys({"k": "S"}, "k", {})
    writes = puts({"k": {"S": "a"}}, {"k": {"S": "a"}, "x": {"N": "1"}})
    params = {"RequestItems": {"t": writes}}
    size_bytes = len(json.dumps(params))

    judged = refusal("dynamodb", Request("BatchWriteItem", params, size_bytes, lambda _: table))
    unknown = refusal("dynamodb", Request("BatchWriteItem", params, size_bytes, lambda _: None))

    assert judged == Refusal(
        "ValidationException", "Provided list of item keys contains duplicates", 400
    )
    assert unknown is None


@pytest.mark.skipif(SECTION not in DOCUMENT, reason="the section has yet to be merged")
def test_the_document_lists_the_rules() -> None:
    section = DOCUMENT.split(SECTION)[1].split("\n#")[0]

    rows = re.findall(r"^\| `([\w-]+)` \| .+ \| `([\w.]+)` \| (.+) \|$", section, re.MULTILINE)

    assert rows == [(rule.name, rule.code, rule.moto) for rule in RULES.values()]
