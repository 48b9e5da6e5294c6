from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipeline.adapters.once import PowertoolsOnce, persistence
from pipeline.errors import RetryableError

CONTEXT: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)
OUT_OF_TIME: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: -1)


@pytest.fixture
def client() -> Iterator[Any]:
    with mock_aws():
        client: Any = boto3.Session("test", "test", region_name="us-east-1").client("dynamodb")
        client.create_table(
            TableName="done",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "job_key", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "job_key", "AttributeType": "S"}],
        )
        yield client


def once(client: Any, table: str = "done") -> PowertoolsOnce:  # noqa: ANN401  a client
    return PowertoolsOnce(persistence(client, table), 3600, CONTEXT)


def test_an_effect_is_had_once_by_each_key(client: Any) -> None:  # noqa: ANN401  a client
    had: list[str] = []

    told = [once(client).do(key, lambda: had.append("x")) for key in ("a", "a", "b")]

    assert told == [True, False, True]
    assert len(had) == 2


def test_an_effect_that_fails_is_not_remembered(client: Any) -> None:  # noqa: ANN401  a client
    def fail() -> None:
        raise RetryableError("sns is throttled")

    with pytest.raises(RetryableError, match="sns is throttled"):
        once(client).do("a", fail)

    assert once(client).do("a", lambda: None) is True


class CrashError(BaseException):
    """The execution environment dies here."""


def test_an_effect_that_is_under_way_elsewhere_comes_later(client: Any) -> None:  # noqa: ANN401  a client
    def die() -> None:
        raise CrashError

    with pytest.raises(CrashError):
        once(client).do("a", die)

    with pytest.raises(RetryableError, match="another invocation"):
        once(client).do("a", lambda: None)

    (row,) = client.scan(TableName="done")["Items"]
    assert row["status"] == {"S": "INPROGRESS"}
    assert "in_progress_expiration" in row  # after which it may be tried again


def test_what_a_dead_invocation_has_claimed_is_had_once_its_time_is_over(client: Any) -> None:  # noqa: ANN401  a client
    def die() -> None:
        raise CrashError

    with pytest.raises(CrashError):
        PowertoolsOnce(persistence(client, "done"), 3600, OUT_OF_TIME).do("a", die)

    told = [once(client).do("a", lambda: None) for _ in range(2)]

    assert told == [True, False]


def test_a_table_that_cannot_be_read_is_an_outage(client: Any) -> None:  # noqa: ANN401  a client
    had: list[str] = []

    with pytest.raises(RetryableError, match="cannot remember a job"):
        once(client, "gone").do("a", lambda: had.append("x"))

    assert had == []
