"""What the sweep finds wrong with the pipeline itself, with its real adapters on moto."""

import random
from collections.abc import Iterator
from datetime import timedelta

import boto3
import msgspec
import pytest

from pipeline.adapters.dynamodb import BatchTables
from pipeline.adapters.parallel import Parallel
from pipeline.adapters.state_store import DynamoStateStore
from pipeline.detection.heartbeats import Beat, Heartbeats
from pipeline.ports import Cursor, StateKey, StateRow
from tests.consumers.test_schedule_alerts import Account, account  # noqa: F401  a fixture
from tests.fakes.alerts import NOON
from tests.recorded_calls import recording

SHARD = "shardId-000000000000"
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def record() -> Iterator[None]:
    with recording("schedule_alerts"):
        yield


def processed(account: Account) -> None:  # noqa: F811  the fixture's value
    """Let a shard be processed up to noon, with a source that was heard every minute."""
    parallel = Parallel(1)
    tables = BatchTables(account.dynamodb, parallel, lambda _: None, random.Random(1))
    store = DynamoStateStore(account.dynamodb, tables, parallel, "states")
    noon = NOON.timestamp()
    put = boto3.client("kinesis").put_record(StreamName="events", PartitionKey="k", Data=b"{}")
    cursor = Cursor(applied=int(put["SequenceNumber"]), arrived_at=noon)
    beats = Heartbeats((Beat("source web-7", int(noon), 60.0, 50),))
    row = StateRow(msgspec.msgpack.encode(beats), 7, int(noon) + 86_400)
    with recording("the event flow, played"):
        store.write_cursor(SHARD, cursor)
        store.write_states(SHARD, {StateKey("heartbeats#1", "3"): row}, lambda: 10.0)


def told(account: Account) -> list[str]:  # noqa: F811  the fixture's value
    items = account.dynamodb.scan(TableName="anomalies")["Items"]
    return sorted(f"{item['edge']['S']} {item['dedup_key']['S']}" for item in items)


def test_a_silent_source_becomes_one_fact_however_often_it_is_looked_for(
    account: Account,  # noqa: F811  the fixture's value
) -> None:
    processed(account)

    for _ in range(8):
        account.sweep_after(MINUTE)

    assert told(account) == ["opened pipeline_silent_source#source web-7"]


def test_dead_letters_become_a_fact_and_are_cleared(
    account: Account,  # noqa: F811  the fixture's value
) -> None:
    url = account.sqs.get_queue_url(QueueName="uploads-dead")["QueueUrl"]
    account.sqs.send_message(QueueUrl=url, MessageBody="{}")
    account.sweep_after(MINUTE)

    account.sqs.purge_queue(QueueUrl=url)
    account.sweep_after(MINUTE)

    assert told(account) == [
        "cleared pipeline_dead_letters#uploads-dead",
        "opened pipeline_dead_letters#uploads-dead",
    ]


def test_a_look_that_fails_holds_no_sweep_back_and_counts_as_none(
    account: Account,  # noqa: F811  the fixture's value
    capsys: pytest.CaptureFixture[str],
) -> None:
    account.dynamodb.delete_table(TableName="states")

    account.sweep_after(MINUTE)

    lines = [line for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    emitted = {name: value for line in lines for name, value in msgspec.json.decode(line).items()}
    assert (emitted["Sweeps"], emitted["Checkups"]) == ([1], [0])
