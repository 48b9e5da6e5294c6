"""The contract of `flows.users.ports.VersionedStates`, on the fake and on moto."""

import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import boto3
import pytest
from moto import mock_aws

from pipeline.adapters.dynamodb import BatchTables
from pipeline.adapters.parallel import Parallel
from pipeline.adapters.versioned_states import DynamoVersionedStates
from pipeline.errors import RetryableError
from pipeline.flows.users.ports import StateChange, Versioned, VersionedStates
from pipeline.ports import StateKey
from tests.contract.accounts import create_tables
from tests.fakes.alerts import cpu_fact
from tests.fakes.users import FakeStates, FakeUsersAccount

KEY, OTHER = StateKey("takeover#1", "u1"), StateKey("takeover#1", "u2")
FACT = cpu_fact()


class Wired(NamedTuple):
    """States, and the keys of the facts that were written with them."""

    states: VersionedStates
    facts: Callable[[], set[tuple[str, str]]]


@pytest.fixture(params=["fake", "moto"])
def wired(request: pytest.FixtureRequest) -> Iterator[Wired]:
    if request.param == "fake":
        account = FakeUsersAccount()
        yield Wired(FakeStates(account), lambda: set(account.anomalies))
        return
    with mock_aws():
        client: Any = boto3.Session("test", "test", region_name="us-east-1").client("dynamodb")
        create_tables(client)
        yield Wired(_on(client, "states"), lambda: _facts(client))


def _on(client: Any, table: str) -> DynamoVersionedStates:  # noqa: ANN401  a client
    parallel = Parallel(1)  # moto undoes a failed transaction by the whole table, others' puts too
    tables = BatchTables(client, parallel, lambda _: None, random.Random(1))
    return DynamoVersionedStates(
        client, tables, parallel, table=table, anomalies_table="anomalies", anomaly_ttl_s=60
    )


def _facts(client: Any) -> set[tuple[str, str]]:  # noqa: ANN401  a client
    items = client.scan(TableName="anomalies")["Items"]
    return {(item["dedup_key"]["S"], item["fact_key"]["S"]) for item in items}


def seconds() -> float:
    return 30.0


def change(state: bytes, replaces: int, *facts: Any) -> StateChange:  # noqa: ANN401  anomalies
    return StateChange(state, replaces, 1_800_000_000, facts)


def test_a_state_that_was_never_written_is_absent(wired: Wired) -> None:
    assert wired.states.read([KEY], seconds) == {}


def test_each_write_is_a_version(wired: Wired) -> None:
    wired.states.write({KEY: change(b"1", 0), OTHER: change(b"x", 0)})
    wired.states.write({KEY: change(b"2", 1)})

    found = wired.states.read([KEY, OTHER], seconds)

    assert found == {KEY: Versioned(b"2", 2), OTHER: Versioned(b"x", 1)}


@pytest.mark.parametrize("facts", [(), (FACT,)])
@pytest.mark.parametrize("replaces", [0, 7])
def test_who_has_not_read_the_newest_version_writes_nothing(
    wired: Wired, facts: tuple[Any, ...], replaces: int
) -> None:
    wired.states.write({KEY: change(b"1", 0)})

    lost = wired.states.write({KEY: change(b"late", replaces, *facts), OTHER: change(b"x", 0)})

    assert lost == [KEY]
    assert wired.facts() == set()
    assert wired.states.read([KEY, OTHER], seconds) == {
        KEY: Versioned(b"1", 1),
        OTHER: Versioned(b"x", 1),
    }


def test_a_state_and_its_facts_are_written_together(wired: Wired) -> None:
    lost = wired.states.write({KEY: change(b"1", 0, FACT)})

    assert lost == []
    assert wired.facts() == {(FACT.dedup_key, FACT.fact_key)}


@mock_aws
def test_a_table_that_is_not_there_can_be_retried() -> None:
    client: Any = boto3.Session("test", "test", region_name="us-east-1").client("dynamodb")

    with pytest.raises(RetryableError):
        _on(client, "gone").write({KEY: change(b"1", 0)})
