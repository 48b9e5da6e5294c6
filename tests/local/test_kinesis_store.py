# ruff: noqa: ANN401 - a boto3 client's type depends on the service
import hashlib
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from pipeline.local.endpoint import Endpoint
from pipeline.local.server.kinesis_protocol import KinesisError, read_iterator, shard_iterator
from pipeline.local.server.kinesis_shards import HASH_KEYS, ReshardError, StreamShards, shard_number

CREATED_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
LARGE = [{"Data": b"x" * (2**20 - 10), "PartitionKey": "large"}] * 6
names = (f"kinesis-store-{number}" for number in itertools.count())


def hash_of(key: str) -> int:
    return int(hashlib.md5(key.encode()).hexdigest(), 16)


def read_all(shards: StreamShards, shard_id: str, position: int = 0) -> list[str]:
    shard = shards.find(shard_id)
    assert shard is not None
    return [record.data for record in shard.read(position, 10_000, CREATED_MS).records]


@pytest.fixture
def client(endpoint: Endpoint) -> Any:
    return endpoint.client("kinesis")


@pytest.fixture
def stream(client: Any) -> Iterator[str]:
    name = next(names)
    client.create_stream(StreamName=name, ShardCount=1)
    yield name
    client.delete_stream(StreamName=name)


def iterator(client: Any, stream: str, number: int, kind: str = "TRIM_HORIZON", **more: Any) -> str:
    answer = client.get_shard_iterator(
        StreamName=stream, ShardId=f"shardId-{number:012d}", ShardIteratorType=kind, **more
    )
    return str(answer["ShardIterator"])


def bodies(answer: dict[str, Any]) -> list[bytes]:
    return [record["Data"] for record in answer["Records"]]


def created(client: Any, stream: str) -> datetime:
    summary = client.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    at: datetime = summary["StreamCreationTimestamp"]
    return at


def put(client: Any, stream: str, *words: bytes) -> list[str]:
    return [
        client.put_record(StreamName=stream, Data=word, PartitionKey="key")["SequenceNumber"]
        for word in words
    ]


def test_sequence_numbers_grow_are_long_and_name_their_shard() -> None:
    shards = StreamShards(4, CREATED_MS)

    numbers = [shards.put(f"key {i}", "", CREATED_MS + i)[1] for i in range(100)]

    assert len(set(numbers)) == 100
    assert {len(str(number)) for number in numbers} == {56}
    assert {shard_number(number) for number in numbers} == {0, 1, 2, 3}
    assert shard_number(1) is None


@pytest.mark.parametrize(
    ("hash_key", "number"), [(0, 0), (2**127 - 1, 0), (2**127, 1), (HASH_KEYS - 1, 1)]
)
def test_both_ends_of_a_hash_range_belong_to_the_shard(hash_key: int, number: int) -> None:
    shards = StreamShards(2, CREATED_MS)

    shard, _ = shards.put("key", "", CREATED_MS, hash_key)

    assert shard.number == number


@given(
    st.lists(st.integers(1, 12), max_size=5), st.lists(st.text(min_size=1), min_size=1, max_size=20)
)
def test_every_key_has_one_open_shard_whatever_was_resharded(
    counts: list[int], keys: list[str]
) -> None:
    shards = StreamShards(3, CREATED_MS)
    last: dict[str, int] = {}

    for step, count in enumerate([3, *counts]):
        shards.resize(count, CREATED_MS + step)
        for key in keys:
            shard, number = shards.put(key, key, CREATED_MS + step)

            assert shard.first_hash <= hash_of(key) <= shard.last_hash
            assert number > last.get(key, 0)
            last[key] = number
    ranges = [(shard.first_hash, shard.last_hash + 1) for shard in shards.open]
    bounds = [0, *(end for _, end in ranges)]
    assert ranges == list(itertools.pairwise(bounds))
    assert bounds[-1] == HASH_KEYS
    assert len(ranges) == [3, *counts][-1]


def test_a_split_shard_keeps_its_records_and_takes_no_more() -> None:
    shards = StreamShards(1, CREATED_MS)
    shards.put("a", "before", CREATED_MS)
    parent = shards.open[0]

    shards.split(parent, 2**127, CREATED_MS)
    child, number = shards.put("a", "after", CREATED_MS)

    assert read_all(shards, parent.shard_id) == ["before"]
    assert read_all(shards, child.shard_id) == ["after"]
    assert child.parents == ("shardId-000000000000",)
    assert parent.ending_sequence_number is not None
    assert number > child.starting_sequence_number > parent.ending_sequence_number


def test_the_last_read_of_a_closed_shard_has_no_position() -> None:
    shards = StreamShards(1, CREATED_MS)
    for word in ("a", "b"):
        shards.put("key", word, CREATED_MS)
    shard = shards.open[0]
    shards.split(shard, 2**127, CREATED_MS)

    first = shard.read(0, 1, CREATED_MS)
    assert first.position is not None
    last = shard.read(first.position, 1, CREATED_MS)

    assert [record.data for record in last.records] == ["b"]
    assert last.position is None


@pytest.mark.parametrize("hash_key", [0, HASH_KEYS])
def test_a_split_that_leaves_a_half_empty_is_refused(hash_key: int) -> None:
    shards = StreamShards(1, CREATED_MS)

    with pytest.raises(ReshardError, match="is not both greater than"):
        shards.split(shards.open[0], hash_key, CREATED_MS)


def test_a_closed_shard_cannot_be_resharded_again() -> None:
    shards = StreamShards(1, CREATED_MS)
    parent = shards.open[0]
    shards.split(parent, 2**127, CREATED_MS)

    with pytest.raises(ReshardError, match="already been merged or split"):
        shards.split(parent, 2**126, CREATED_MS)


def test_neighbours_merge_in_either_order_and_others_do_not() -> None:
    shards = StreamShards(3, CREATED_MS)
    first, second, third = shards.open

    with pytest.raises(ReshardError, match="not an adjacent pair"):
        shards.merge(first, third, CREATED_MS)
    shards.merge(second, first, CREATED_MS)

    merged = shards.open[0]
    assert (merged.first_hash, merged.last_hash) == (first.first_hash, second.last_hash)
    assert merged.parents == ("shardId-000000000001", "shardId-000000000000")


def test_retention_forgets_records_and_then_closed_shards() -> None:
    shards = StreamShards(1, CREATED_MS)
    parent = shards.open[0]
    shards.put("key", "old", CREATED_MS)
    shards.put("key", "young", CREATED_MS + 2 * HOUR_MS)
    shards.split(parent, 2**127, CREATED_MS + 3 * HOUR_MS)

    shards.trim(CREATED_MS + HOUR_MS)
    assert read_all(shards, parent.shard_id) == ["young"]
    shards.trim(CREATED_MS + 4 * HOUR_MS)

    assert [shard.shard_id for shard in shards] == ["shardId-000000000001", "shardId-000000000002"]


def test_a_position_outlives_the_records_that_were_trimmed() -> None:
    shards = StreamShards(1, CREATED_MS)
    _, number = shards.put("key", "old", CREATED_MS)
    shards.put("key", "young", CREATED_MS + 2 * HOUR_MS)

    shards.trim(CREATED_MS + HOUR_MS)

    assert read_all(shards, "shardId-000000000000", number) == ["young"]


def test_a_reader_learns_how_far_it_is_behind() -> None:
    shards = StreamShards(1, CREATED_MS)
    for second in (0, 5):
        shards.put("key", "", CREATED_MS + second * 1000)
    shard = shards.open[0]

    behind = [shard.read(0, limit, CREATED_MS + 7000).behind_ms for limit in (1, 2)]

    assert behind == [7000, 0]


def test_one_read_is_bounded_by_ten_megabytes() -> None:
    shards = StreamShards(1, CREATED_MS)
    for _ in range(12):
        shards.put("key", "A" * (4 * 2**20 // 3), CREATED_MS)

    read = shards.open[0].read(0, 100, CREATED_MS)

    assert len(read.records) == 10


def test_an_iterator_lives_five_minutes() -> None:
    shard = StreamShards(1, CREATED_MS).open[0]
    text = shard_iterator("stream", shard, 7, CREATED_MS)

    assert read_iterator(text, CREATED_MS + 300_000) == ("stream", "shardId-000000000000", 7)
    with pytest.raises(KinesisError, match="300001 milliseconds ago") as raised:
        read_iterator(text, CREATED_MS + 300_001)
    assert raised.value.code == "ExpiredIteratorException"


def test_records_come_back_as_they_were_put(client: Any, stream: str) -> None:
    client.put_records(
        StreamName=stream,
        Records=[
            {"Data": bytes([0, 255]), "PartitionKey": "ä"},
            {"Data": b"", "PartitionKey": "b"},
        ],
    )
    answer = client.get_records(ShardIterator=iterator(client, stream, 0))

    assert bodies(answer) == [bytes([0, 255]), b""]
    assert [record["PartitionKey"] for record in answer["Records"]] == ["ä", "b"]
    assert answer["Records"][0]["ApproximateArrivalTimestamp"] >= created(client, stream)
    assert answer["MillisBehindLatest"] == 0


def test_iterators_start_where_they_are_told(client: Any, stream: str) -> None:
    start = created(client, stream)
    _, second, _ = put(client, stream, b"a", b"b", b"c")
    latest = iterator(client, stream, 0, "LATEST")
    put(client, stream, b"d")

    def read(kind: str, **more: Any) -> list[bytes]:
        at = iterator(client, stream, 0, kind, **more)
        return bodies(client.get_records(ShardIterator=at))

    assert read("AT_SEQUENCE_NUMBER", StartingSequenceNumber=second) == [b"b", b"c", b"d"]
    assert read("AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=second) == [b"c", b"d"]
    assert read("AT_TIMESTAMP", Timestamp=start) == [b"a", b"b", b"c", b"d"]
    assert bodies(client.get_records(ShardIterator=latest)) == [b"d"]


def test_a_reader_goes_from_the_parent_to_its_children(client: Any, stream: str) -> None:
    put(client, stream, b"before")
    client.split_shard(
        StreamName=stream, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127)
    )
    put(client, stream, b"after")

    parent = client.get_records(ShardIterator=iterator(client, stream, 0))
    children = [client.get_records(ShardIterator=iterator(client, stream, n)) for n in (1, 2)]

    assert bodies(parent) == [b"before"]
    assert "NextShardIterator" not in parent
    assert [child["ShardId"] for child in parent["ChildShards"]] == [
        "shardId-000000000001",
        "shardId-000000000002",
    ]
    assert parent["ChildShards"][0]["ParentShards"] == ["shardId-000000000000"]
    assert [data for child in children for data in bodies(child)] == [b"after"]
    assert all("NextShardIterator" in child for child in children)


def test_the_stream_is_described_as_it_is_after_a_reshard(client: Any, stream: str) -> None:
    answer = client.update_shard_count(
        StreamName=stream, TargetShardCount=2, ScalingType="UNIFORM_SCALING"
    )

    description = client.describe_stream(StreamName=stream)["StreamDescription"]
    summary = client.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    assert (answer["CurrentShardCount"], answer["TargetShardCount"]) == (1, 2)
    assert summary["OpenShardCount"] == 2
    assert description["StreamStatus"] == "ACTIVE"
    assert description["StreamCreationTimestamp"] == summary["StreamCreationTimestamp"]
    ended = ["EndingSequenceNumber" in s["SequenceNumberRange"] for s in description["Shards"]]
    assert ended == [True, False, False]


def test_shards_are_listed_by_pages_and_filters(client: Any, stream: str) -> None:
    client.update_shard_count(StreamName=stream, TargetShardCount=2, ScalingType="UNIFORM_SCALING")

    def listed(**more: Any) -> list[int]:
        shards = client.list_shards(StreamName=stream, **more)["Shards"]
        return [int(shard["ShardId"][-12:]) for shard in shards]

    first = client.list_shards(StreamName=stream, MaxResults=2)
    rest = client.list_shards(NextToken=first["NextToken"])
    assert [shard["ShardId"][-1] for shard in first["Shards"] + rest["Shards"]] == ["0", "1", "2"]
    assert listed(ExclusiveStartShardId="shardId-000000000001") == [2]
    assert listed(ShardFilter={"Type": "AT_LATEST"}) == [1, 2]
    assert listed(ShardFilter={"Type": "AT_TRIM_HORIZON"}) == [0]
    assert listed(ShardFilter={"Type": "FROM_TRIM_HORIZON"}) == [0, 1, 2]
    assert listed(ShardFilter={"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000000"}) == [
        1,
        2,
    ]


def test_records_of_an_encrypted_stream_say_so(client: Any, stream: str) -> None:
    client.start_stream_encryption(StreamName=stream, EncryptionType="KMS", KeyId="alias/aws/k")

    answer = client.put_record(StreamName=stream, Data=b"a", PartitionKey="a")
    read = client.get_records(ShardIterator=iterator(client, stream, 0))

    assert answer["EncryptionType"] == "KMS"
    assert read["Records"][0]["EncryptionType"] == "KMS"


def test_a_stream_is_known_by_its_arn(client: Any, stream: str) -> None:
    arn = f"arn:aws:kinesis:us-east-1:123456789012:stream/{stream}"

    client.put_record(StreamARN=arn, Data=b"a", PartitionKey="a")
    shards = client.list_shards(StreamARN=arn)["Shards"]

    assert len(shards) == 1


def test_a_stream_of_the_same_name_starts_empty(client: Any, stream: str) -> None:
    put(client, stream, b"old")
    client.delete_stream(StreamName=stream)
    client.create_stream(StreamName=stream, ShardCount=1)

    answer = client.get_records(ShardIterator=iterator(client, stream, 0))

    assert bodies(answer) == []


@pytest.mark.parametrize(
    ("operation", "parameters", "code"),
    [
        ("put_record", {"StreamName": "none", "PartitionKey": "a"}, "ResourceNotFoundException"),
        ("put_record", {"PartitionKey": "a" * 257}, "ValidationException"),
        (
            "put_record",
            {"PartitionKey": "a", "ExplicitHashKey": str(2**128)},
            "InvalidArgumentException",
        ),
        (
            "put_records",
            {"Records": [{"Data": b"", "PartitionKey": "a"}] * 501},
            "ValidationException",
        ),
        ("put_records", {"Records": LARGE}, "InvalidArgumentException"),
        ("get_records", {"ShardIterator": "nonsense"}, "InvalidArgumentException"),
        ("list_shards", {"NextToken": "nonsense"}, "InvalidArgumentException"),
        ("update_shard_count", {"TargetShardCount": 3}, "InvalidArgumentException"),
        (
            "get_shard_iterator",
            {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": "1"},
            "InvalidArgumentException",
        ),
        (
            "get_shard_iterator",
            {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": datetime(2999, 1, 1, tzinfo=UTC)},
            "InvalidArgumentException",
        ),
        (
            "get_shard_iterator",
            {"ShardIteratorType": "LATEST", "ShardId": "shardId-000000000009"},
            "ResourceNotFoundException",
        ),
    ],
)
def test_what_kinesis_refuses_is_refused_with_its_error(
    client: Any, stream: str, operation: str, parameters: dict[str, Any], code: str
) -> None:
    defaults: dict[str, dict[str, Any]] = {
        "put_record": {"StreamName": stream, "Data": b""},
        "put_records": {"StreamName": stream},
        "get_records": {},
        "list_shards": {"StreamName": stream},
        "update_shard_count": {"StreamName": stream, "ScalingType": "UNIFORM_SCALING"},
        "get_shard_iterator": {"StreamName": stream, "ShardId": "shardId-000000000000"},
    }

    with pytest.raises(ClientError) as raised:
        getattr(client, operation)(**{**defaults[operation], **parameters})

    assert raised.value.response["Error"]["Code"] == code
