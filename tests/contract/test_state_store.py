import random
from collections.abc import Iterator

import pytest

from pipeline.adapters.dynamodb import BatchTables
from pipeline.adapters.parallel import Parallel
from pipeline.adapters.state_store import DynamoStateStore
from pipeline.ports import Cursor, StateKey, StateRow, StateStore
from tests.contract.accounts import ACCOUNTS, account

LONG_NUMBER = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_898


@pytest.fixture(params=ACCOUNTS)
def store(request: pytest.FixtureRequest) -> Iterator[StateStore]:
    with account(request.param) as opened:
        parallel = Parallel(1)
        tables = BatchTables(opened.dynamodb, parallel, lambda _: None, random.Random(1))
        yield DynamoStateStore(opened.dynamodb, tables, parallel, "states")


def seconds() -> float:
    return 10.0


def test_a_new_shard_has_no_cursor(store: StateStore) -> None:
    assert store.read_cursor("shard-0") is None


def test_a_cursor_is_read_as_it_was_written(store: StateStore) -> None:
    cursor = Cursor(applied=LONG_NUMBER, ancestors=("b", "a"), suspect=LONG_NUMBER + 1, attempts=2)

    store.write_cursor("shard-0", cursor)

    assert store.read_cursor("shard-0") == cursor
    assert store.read_cursor("shard-1") is None


def test_states_belong_to_their_shard_and_absent_ones_are_left_out(store: StateStore) -> None:
    known, unknown = StateKey("metric#1", "web-7/cpu"), StateKey("metric#1", "web-8/cpu")
    row = StateRow(b"\x00\xff state", LONG_NUMBER, 1_790_000_000)

    store.write_states("shard-0", {known: row}, seconds)

    assert store.read_states("shard-0", [known, unknown], seconds) == {known: row}
    assert store.read_states("shard-1", [known, unknown], seconds) == {}


def test_more_states_than_one_request_takes_are_written_and_read(store: StateStore) -> None:
    rows = {
        StateKey("metric#1", f"web-{number}/cpu"): StateRow(b"%d" % number, number, 1)
        for number in range(230)
    }

    store.write_states("shard-0", rows, seconds)

    assert store.read_states("shard-0", list(rows), seconds) == rows


def test_cursor_and_states_are_read_together_as_they_are_one_by_one(store: StateStore) -> None:
    cursor, key = Cursor(applied=7, ancestors=("a",)), StateKey("metric#1", "web-7/cpu")
    row = StateRow(b"state", 7, 1_790_000_000)
    assert store.read_shard("shard-0", [key], seconds) == (None, {})
    store.write_cursor("shard-0", cursor)
    store.write_states("shard-0", {key: row}, seconds)

    assert store.read_shard("shard-0", [key], seconds) == (cursor, {key: row})
    assert store.read_shard("shard-0", [], seconds) == (cursor, {})


def test_no_states_cost_no_request(store: StateStore) -> None:
    store.write_states("shard-0", {}, seconds)

    assert store.read_states("shard-0", [], seconds) == {}


def test_the_shards_of_a_key_are_those_that_have_a_row_of_it(store: StateStore) -> None:
    key, other = StateKey("pool#1", "all"), StateKey("pool#1", "m")
    row = StateRow(b"part", 7, 1_790_000_000)
    store.write_states("shard-0", {key: row}, seconds)
    store.write_states("shard-1", {key: row, other: row}, seconds)

    assert set(store.shards_of(key, seconds)) == {"shard-0", "shard-1"}
    assert set(store.shards_of(other, seconds)) == {"shard-1"}
    assert set(store.shards_of(StateKey("pool#1", "none"), seconds)) == set()
