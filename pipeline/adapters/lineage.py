"""Shard lineage from Kinesis ListShards."""

from typing import TYPE_CHECKING

from pipeline.adapters.aws import service_errors

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient


class KinesisShardLineage:
    """`ports.ShardLineage` of one stream; asked once per new shard, so nothing is cached."""

    def __init__(self, client: "KinesisClient", stream: str) -> None:
        self._client = client
        self._stream = stream

    def parents(self, shard_id: str) -> tuple[str, ...]:
        """Return the shard's parents, adjacent parent last; empty for a shard born with the stream.

        Source: Amazon Kinesis Data Streams API Reference, Shard: a merged shard has a parent and
        an adjacent parent, a split one has a parent only.
        """
        with service_errors(f"list the shards of {self._stream}"):
            pages = self._client.get_paginator("list_shards").paginate(StreamName=self._stream)
            shards = [shard for page in pages for shard in page["Shards"]]
        for shard in shards:
            if shard["ShardId"] == shard_id:
                found = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
                return tuple(parent for parent in found if parent)
        return ()
