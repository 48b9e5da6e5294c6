"""What Kinesis's requests and replies are made of: errors, tokens, keys, shards as JSON."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, Final

from pipeline.local.server.kinesis_shards import HASH_KEYS, Shard, decoded_size_bytes, shard_number

_TOKEN_LIFE_MS: Final = 300_000  # of shard iterators and of ListShards tokens alike
_MAX_PARTITION_KEY: Final = 256
_MAX_ENTRIES: Final = 500
_MAX_ENTRIES_BYTES: Final = 5 * 1024 * 1024

Parameters = dict[str, Any]
Reply = dict[str, Any]


class KinesisError(Exception):
    """An error of the service, by its name in the API."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def shard_iterator(stream: str, shard: Shard, position: int, now_ms: int) -> str:
    """Make the iterator that reads a shard from a position on."""
    # The position as text, for other JSON readers would round it.
    fields = {"stream": stream, "shard": shard.shard_id, "position": str(position)}
    return listing_token(fields, now_ms)


def read_iterator(iterator: str, now_ms: int) -> tuple[str, str, int]:
    """Return the stream's name, the shard's name and the position of an iterator.

    Raises:
        KinesisError: It is not one, or it is too old.
    """
    token = _read_token(iterator, now_ms, "ShardIterator", "ExpiredIteratorException")
    return token["stream"], token["shard"], int(token["position"])


def listing_token(parameters: Parameters, now_ms: int) -> str:
    """Make the token under which a listing with these parameters goes on."""
    return base64.b64encode(json.dumps({**parameters, "made_ms": now_ms}).encode()).decode()


def read_listing_token(token: str, now_ms: int) -> Parameters:
    """Return the parameters of a listing that goes on.

    Raises:
        KinesisError: It is not a token, or it is too old.
    """
    return _read_token(token, now_ms, "NextToken", "ExpiredNextTokenException")


def _read_token(text: str, now_ms: int, what: str, expired: str) -> Parameters:
    try:
        token: Parameters = json.loads(base64.b64decode(text, validate=True))
        age_ms = now_ms - token["made_ms"]
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise KinesisError("InvalidArgumentException", f"Invalid {what}.") from error
    if age_ms > _TOKEN_LIFE_MS:
        raise KinesisError(
            expired,
            f"{what} expired. It was created {age_ms} milliseconds ago, which is more than the "
            f"tolerated delay of {_TOKEN_LIFE_MS} milliseconds.",
        )
    return token


def check_entries(entries: Sequence[Parameters]) -> None:
    """Judge the entries of PutRecords as a whole and one by one.

    Raises:
        KinesisError: They are too many or too large together, or one is wrong.
    """
    if len(entries) > _MAX_ENTRIES:
        raise KinesisError(
            "ValidationException",
            "1 validation error detected: Value at 'records' failed to satisfy constraint: Member "
            f"must have length less than or equal to {_MAX_ENTRIES}",
        )
    for entry in entries:
        hash_key_of(entry)
    size_bytes = sum(
        decoded_size_bytes(entry["Data"]) + len(entry["PartitionKey"].encode()) for entry in entries
    )
    if size_bytes > _MAX_ENTRIES_BYTES:
        raise KinesisError("InvalidArgumentException", "Records size exceeds 5 MB limit")


def hash_key_of(entry: Parameters) -> int | None:
    """Return the explicit hash key of an entry that is put, if it has one.

    Raises:
        KinesisError: It is out of range, or the partition key is too long or empty.
    """
    partition_key = entry["PartitionKey"]
    if not 1 <= len(partition_key) <= _MAX_PARTITION_KEY:
        raise KinesisError(
            "ValidationException",
            f"1 validation error detected: Value '{partition_key}' at 'partitionKey' failed to "
            f"satisfy constraint: Member must have length between 1 and {_MAX_PARTITION_KEY}",
        )
    text = entry.get("ExplicitHashKey")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text) < HASH_KEYS):
        raise KinesisError(
            "InvalidArgumentException",
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. "
            f"Specified value was {text}",
        )
    return int(text)


def starting_sequence_number(stream: str, shard: Shard, parameters: Parameters) -> int:
    """Return the StartingSequenceNumber of a request.

    Raises:
        KinesisError: No shard, or another one, can have given it.
    """
    text = str(parameters.get("StartingSequenceNumber") or "")
    owner = shard_number(int(text)) if text.isascii() and text.isdigit() else None
    if owner is None:
        raise KinesisError(
            "InvalidArgumentException",
            f"StartingSequenceNumber {text} used in GetShardIterator on shard {shard.shard_id} in "
            f"stream {stream} is invalid.",
        )
    if owner != shard.number:
        raise KinesisError(
            "InvalidArgumentException",
            f"Invalid StartingSequenceNumber. It encodes shardId-{owner:012d}, while it was used "
            f"in a call to a shard with {shard.shard_id}",
        )
    return int(text)


def shard_reply(shard: Shard) -> Reply:
    """Describe a shard as ListShards and DescribeStream do."""
    numbers = {"StartingSequenceNumber": str(shard.starting_sequence_number)}
    if shard.ending_sequence_number is not None:
        numbers["EndingSequenceNumber"] = str(shard.ending_sequence_number)
    parents = zip(("ParentShardId", "AdjacentParentShardId"), shard.parents, strict=False)
    return {
        "ShardId": shard.shard_id,
        **dict(parents),
        "HashKeyRange": hash_key_range(shard),
        "SequenceNumberRange": numbers,
    }


def hash_key_range(shard: Shard) -> Reply:
    """Give a shard's hash keys, both ends inclusive."""
    return {"StartingHashKey": str(shard.first_hash), "EndingHashKey": str(shard.last_hash)}
