"""The contract of `flows.users.ports.Suspects`, on the fake and on moto."""

import random
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipeline.adapters.dynamodb import BatchTables
from pipeline.adapters.parallel import Parallel
from pipeline.adapters.suspects import DynamoSuspects
from pipeline.errors import RetryableError
from pipeline.flows.users.ports import Suspects
from tests.contract.accounts import create_tables
from tests.fakes.users import FakeSuspects, FakeUsersAccount

EXPIRES_AT = 1_800_000_000


@pytest.fixture(params=["fake", "moto"])
def suspects(request: pytest.FixtureRequest) -> Iterator[Suspects]:
    if request.param == "fake":
        yield FakeSuspects(FakeUsersAccount())
        return
    with mock_aws():
        client = _client()
        create_tables(client)
        yield _on(client, "states")


def _client() -> Any:  # noqa: ANN401  a client
    return boto3.Session("test", "test", region_name="us-east-1").client("dynamodb")


def _on(client: Any, table: str) -> DynamoSuspects:  # noqa: ANN401  a client
    tables = BatchTables(client, Parallel(1), lambda _: None, random.Random(1))
    return DynamoSuspects(client, tables, table)


def seconds() -> float:
    return 30.0


def test_a_record_that_was_never_tried_has_no_tries(suspects: Suspects) -> None:
    assert suspects.tries("c1", seconds) == 0


def test_the_last_mark_counts_and_is_the_record_s_own(suspects: Suspects) -> None:
    suspects.mark("c1", 1, EXPIRES_AT)
    suspects.mark("c1", 2, EXPIRES_AT)

    assert suspects.tries("c1", seconds) == 2
    assert suspects.tries("c2", seconds) == 0


def test_a_cleared_record_starts_over(suspects: Suspects) -> None:
    suspects.mark("c1", 2, EXPIRES_AT)

    suspects.clear("c1")
    suspects.clear("c1")

    assert suspects.tries("c1", seconds) == 0


@mock_aws
def test_a_table_that_is_not_there_can_be_retried() -> None:
    with pytest.raises(RetryableError):
        _on(_client(), "gone").mark("c1", 1, EXPIRES_AT)
