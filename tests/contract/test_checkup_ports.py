"""What the check-up reads, on moto: DetectorStateTable, the stream's end and queue depths."""

import random
from collections.abc import Iterator

import boto3
import pytest

from pipeline.adapters.dynamodb import BatchTables
from pipeline.adapters.parallel import Parallel
from pipeline.adapters.progress import DynamoProgress
from pipeline.adapters.queue_depths import SqsQueueDepths
from pipeline.adapters.state_store import DynamoStateStore
from pipeline.adapters.stream_tail import KinesisStreamTail
from pipeline.detection.record_tally import RecordTally
from pipeline.flows.alerts.checkup_ports import Tail
from pipeline.ports import Cursor, StateKey, StateRow
from tests.contract.accounts import Account, account

END = Tail(None, is_end=True)


@pytest.fixture
def opened() -> Iterator[Account]:
    with account("moto") as one:
        yield one


def seconds() -> float:
    return 10.0


def put(opened: Account) -> tuple[str, int]:
    answer = opened.kinesis.put_record(StreamName="stream", PartitionKey="web-7", Data=b"{}")
    return answer["ShardId"], int(answer["SequenceNumber"])


def test_the_cursors_of_all_shards_are_read_by_one_key(opened: Account) -> None:
    parallel = Parallel(1)
    tables = BatchTables(opened.dynamodb, parallel, lambda _: None, random.Random(1))
    store = DynamoStateStore(opened.dynamodb, tables, parallel, "states")
    cursors = {
        "shard-0": Cursor(applied=7, arrived_at=1_790_000_000.25, tally=RecordTally(600, 20, 1)),
        "shard-1": Cursor(applied=9, ancestors=("shard-0",)),
    }
    for shard_id, cursor in cursors.items():
        store.write_cursor(shard_id, cursor)
        row = StateRow(shard_id.encode(), 7, 1_800_000_000)
        store.write_states(shard_id, {StateKey("heartbeats#1", "3"): row}, seconds)

    progress = DynamoProgress(opened.dynamodb, "states")

    assert progress.cursors() == cursors
    assert sorted(progress.states("heartbeats#1", ["3", "4"])) == [b"shard-0", b"shard-1"]


def test_a_cursor_from_before_there_was_a_watermark_has_none(opened: Account) -> None:
    opened.dynamodb.put_item(
        TableName="states",
        Item={
            "state_key": {"S": "cursor"},
            "shard_id": {"S": "shard-0"},
            "applied": {"S": "7"},
            "ancestors": {"L": []},
            "suspect": {"S": "0"},
            "attempts": {"N": "0"},
        },
    )

    cursors = DynamoProgress(opened.dynamodb, "states").cursors()

    assert cursors == {"shard-0": Cursor(applied=7)}


def test_what_waits_behind_a_number_is_its_first_record(opened: Account) -> None:
    shard_id, first = put(opened)
    tail = KinesisStreamTail(opened.kinesis, "stream")

    before, after = tail.behind(shard_id, 0), tail.behind(shard_id, first)

    assert before.waiting_since is not None
    assert (before.is_end, after) == (False, END)
    put(opened)
    assert tail.behind(shard_id, first).waiting_since is not None


def test_a_shard_that_the_stream_has_dropped_has_nothing_waiting(opened: Account) -> None:
    tail = KinesisStreamTail(opened.kinesis, "stream")

    assert tail.behind("shardId-000000000077", 7) == END


@pytest.mark.usefixtures("opened")
def test_the_depth_of_a_queue_counts_messages_in_flight() -> None:
    sqs = boto3.Session("test", "test", region_name="us-east-1").client("sqs")
    urls = [sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("one-dead", "two-dead")]
    for _ in range(3):
        sqs.send_message(QueueUrl=urls[0], MessageBody="{}")
    sqs.receive_message(QueueUrl=urls[0])

    depths = SqsQueueDepths(sqs, urls).depths()

    assert depths == {"one-dead": 3, "two-dead": 0}
