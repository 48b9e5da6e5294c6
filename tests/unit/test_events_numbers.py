import math
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from pipeline.events import Money, SystemMetric, Transaction, decode, number_text
from tests.unit.event_samples import METRIC, TRANSACTION, refusal, with_text

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

amounts = st.decimals(
    min_value=Decimal("-999999999999999999.99999999999999999999"),
    max_value=Decimal("999999999999999999.99999999999999999999"),
    allow_nan=False,
    allow_infinity=False,
    places=20,
) | st.decimals(min_value=-(10**6), max_value=10**6, places=2)
metric_values = st.floats(min_value=-1e100, max_value=1e100)


def amount_of(json_text: str) -> Money:
    event = decode(with_text(TRANSACTION, "amount", json_text))
    assert isinstance(event, Transaction)
    return event.amount


def value_of(json_text: str) -> float:
    event = decode(with_text(METRIC, "value", json_text))
    assert isinstance(event, SystemMetric)
    return event.value


@pytest.mark.parametrize(
    ("json_text", "amount"),
    [
        ("1", "1"),
        ("-1.10", "-1.10"),
        ('"-1.10"', "-1.10"),
        ("0.1", "0.1"),
        ("1e2", "100"),
        ("1E-20", "0.00000000000000000001"),
        ("-0", "0"),
        ('"-0.00"', "0"),
        ("0E+99", "0"),
        ("0e-99", "0"),
        ("999999999999999999.99999999999999999999", "999999999999999999.99999999999999999999"),
        ('"-999999999999999999.99999999999999999999"', "-999999999999999999.99999999999999999999"),
    ],
)
def test_an_amount_is_read_exactly(json_text: str, amount: str) -> None:
    read = amount_of(json_text)

    assert read == Decimal(amount)
    assert not (read == 0 and read.is_signed())


@pytest.mark.parametrize(
    ("json_text", "reason"),
    [
        ("1e18", "Expected an amount below 10^18"),
        ("1000000000000000000000000000000", "Expected an amount below 10^18"),
        ("1" + "0" * 5000, "Integer value out of range"),
        ("1e-21", "Expected at most 20 fractional digits"),
        ("1." + "0" * 100, "Expected a number of at most 64 characters"),
        ("1e9999999999999999999", "Expected a number with a smaller exponent"),
        ("1e-9999999999999999999", "Expected a number with a smaller exponent"),
        ("null", "Expected a decimal number, got `null`"),
        ("[1.5]", "Expected a decimal number, got `array`"),
        ("{}", "Expected a decimal number, got `object`"),
        *(
            (text, "Expected plain digits, at most 18 before the point and 20 after it")
            for text in [
                '"NaN"', '"Infinity"', '"1E+5"', '"01"', '"+1"', '"1."', '".5"', '" 1"', '"1\\n"',
                '"1_000"', '"\u0661"', '""', '"1000000000000000000"', '"0.000000000000000000001"',
            ]
        ),
    ],
)  # fmt: skip
def test_an_amount_that_dynamodb_or_a_reader_would_mistake_is_refused(
    json_text: str, reason: str
) -> None:
    refused = refusal(with_text(TRANSACTION, "amount", json_text))

    assert refused == (reason, "$.amount")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (12.0, "12"),
        (0.1, "0.1"),
        (-1e16, "-1e+16"),
        (5e-324, "0"),
        (-9.9e-101, "0"),
        (1e-100, "1e-100"),
        (Money("10.50"), "10.5"),
        (Money("100"), "100"),
        (Money("0.00"), "0"),
        (Money("1E+17"), "100000000000000000"),
        (Money("1E-20"), "0.00000000000000000001"),
    ],
)
def test_a_number_is_written_as_dynamodb_keeps_it(value: float | Money, text: str) -> None:
    written = number_text(value)

    assert written == text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e126])
def test_a_float_that_dynamodb_has_no_number_for_is_an_error(value: float) -> None:
    with pytest.raises(ValueError, match="DynamoDB has no number"):
        number_text(value)


@given(metric_values)
@settings(derandomize=True, deadline=None, max_examples=500)
def test_the_real_encoder_takes_every_metric_value_and_gives_it_back(value: float) -> None:
    written = number_text(value_of(repr(value)))

    stored = TypeSerializer().serialize(Decimal(written))
    back = float(TypeDeserializer().deserialize(stored))

    assert back == (value if abs(value) >= 1e-100 else 0)


@given(amounts, st.booleans())
@settings(derandomize=True, deadline=None, max_examples=500)
def test_the_real_encoder_takes_every_amount_and_gives_it_back(
    amount: Decimal,
    as_text: bool,  # noqa: FBT001  hypothesis passes by position
) -> None:
    json_text = f'"{amount:f}"' if as_text else f"{amount:f}"
    written = number_text(amount_of(json_text))

    stored = TypeSerializer().serialize(Decimal(written))
    back = TypeDeserializer().deserialize(stored)

    assert back == amount


@pytest.fixture(scope="module")
def dynamodb() -> Iterator["DynamoDBClient"]:
    with mock_aws():
        client = boto3.client(
            "dynamodb",
            region_name="eu-central-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        client.create_table(
            TableName="numbers",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client


@given(st.lists(metric_values.map(float) | amounts.map(Money), min_size=20, max_size=40))
@settings(derandomize=True, deadline=None, max_examples=20)
def test_a_table_stores_every_accepted_number(
    dynamodb: "DynamoDBClient", values: list[float | Money]
) -> None:
    texts = [number_text(value) for value in values]

    dynamodb.put_item(
        TableName="numbers",
        Item={"id": {"N": "1"}, "values": {"L": [{"N": text} for text in texts]}},
    )
    item = dynamodb.get_item(TableName="numbers", Key={"id": {"N": "1"}})["Item"]

    stored = [Decimal(value["N"]) for value in item["values"]["L"]]
    assert stored == [Decimal(text) for text in texts]
