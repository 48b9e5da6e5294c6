from typing import TYPE_CHECKING, cast

import pytest

from pipeline.adapters.lineage import KinesisShardLineage
from tests.contract.accounts import ACCOUNTS, account
from tests.fakes.aws import FakeAws

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient


@pytest.mark.parametrize("kind", ACCOUNTS)
def test_a_shard_born_with_the_stream_has_no_parents(kind: str) -> None:
    with account(kind) as opened:
        lineage = KinesisShardLineage(opened.kinesis, "stream")

        assert lineage.parents("shardId-000000000001") == ()


def test_a_split_shard_has_one_parent_and_a_merged_one_two() -> None:
    aws = FakeAws()
    aws.shards = [
        {"ShardId": "shard-0"},
        {"ShardId": "shard-1", "ParentShardId": "shard-0"},
        {"ShardId": "shard-2", "ParentShardId": "shard-0"},
        {"ShardId": "shard-3", "ParentShardId": "shard-1", "AdjacentParentShardId": "shard-2"},
    ]
    lineage = KinesisShardLineage(cast("KinesisClient", aws), "stream")

    assert lineage.parents("shard-1") == ("shard-0",)
    assert lineage.parents("shard-3") == ("shard-1", "shard-2")


def test_moto_names_the_parent_of_a_split() -> None:
    with account("moto") as opened:
        opened.kinesis.split_shard(
            StreamName="stream", ShardToSplit="shardId-000000000000", NewStartingHashKey="1000"
        )
        lineage = KinesisShardLineage(opened.kinesis, "stream")

        assert lineage.parents("shardId-000000000002") == ("shardId-000000000000",)
