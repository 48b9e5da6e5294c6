"""From a Kinesis record to the payloads in it: KPL aggregates and gzip."""

from typing import NamedTuple


class KinesisRecord(NamedTuple):
    """One record of a shard, as Lambda delivers it.

    `arrived_at` is the approximate arrival in epoch seconds; `sequence_number` compares as an
    integer within its shard only.
    """

    shard_id: str
    sequence_number: int
    partition_key: str
    arrived_at: float
    data: bytes


class UserRecord(NamedTuple):
    """One payload that a producer put, alone or within a KPL aggregate.

    `record_id` is `shardId:sequenceNumber[:subsequence]`, the same on every delivery. `data` is
    as the producer sent it and may still be compressed: `unpack` it.
    """

    record_id: str
    partition_key: str
    data: bytes


def user_records(record: KinesisRecord) -> list[UserRecord]:
    """Split a record into the user records that it carries, one for a plain record.

    Raises:
        InvalidRecordError: The record opens as a KPL aggregate and is damaged.
    """
    raise NotImplementedError


def unpack(data: bytes) -> bytes:
    """Decompress a gzip payload and drop a byte-order mark; anything else is returned unchanged.

    Raises:
        InvalidRecordError: Damaged gzip, or more than `MAX_PAYLOAD_BYTES` once decompressed.
    """
    raise NotImplementedError
