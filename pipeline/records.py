"""From a Kinesis record to the payloads in it: KPL aggregates and gzip.

Nothing is dropped here: a record yields all of its user records or is refused as a whole. The
order of the user records is the order in which their producer put them.
"""

import zlib
from collections.abc import Iterator
from hashlib import md5
from typing import Final, NamedTuple

from pipeline.errors import InvalidRecordError
from pipeline.events import MAX_PAYLOAD_BYTES

AGGREGATE_MAGIC: Final = b"\xf3\x89\x9a\xc2"
"""First bytes of a KPL aggregate. No UTF-8 text can open with them, hence no JSON either.

Source: github.com/awslabs/amazon-kinesis-producer, aggregation-format.md.
"""

_MD5_BYTES = 16
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WBITS = 16 + zlib.MAX_WBITS  # a gzip header and trailer are demanded, the CRC is checked
_MAX_GZIP_MEMBERS = 16  # bounds the work on a payload made of thousands of empty members
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# Fields and wire types of the protobuf messages AggregatedRecord and Record.
_PARTITION_KEY_TABLE, _EXPLICIT_HASH_KEY_TABLE, _RECORDS = 1, 2, 3
_PARTITION_KEY_INDEX, _DATA = 1, 3
_VARINT, _FIXED_64, _LENGTH_DELIMITED, _FIXED_32 = 0, 1, 2, 5


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

    The user records of an aggregate are numbered from 0, and their ids always have the third
    part. After a split or merge of shards an aggregate may hold keys that now belong to another
    shard; they are returned like the rest, where the KCL would drop them and rely on the producer
    to send them again.

    Raises:
        InvalidRecordError: The record opens as a KPL aggregate and is damaged, or carries no user
            record at all. There is no sub-record to blame then, so the record fails as a whole.
    """
    record_id = f"{record.shard_id}:{record.sequence_number}"
    if not record.data.startswith(AGGREGATE_MAGIC):
        return [UserRecord(record_id, record.partition_key, record.data)]
    body = record.data[len(AGGREGATE_MAGIC) : -_MD5_BYTES]
    if md5(body, usedforsecurity=False).digest() != record.data[-_MD5_BYTES:]:
        raise _damaged("its MD5 does not match")
    parts = _aggregated(body)
    if not parts:
        raise _damaged("it has no user records")
    return [UserRecord(f"{record_id}:{n}", key, data) for n, (key, data) in enumerate(parts)]


def unpack(data: bytes) -> bytes:
    """Decompress a gzip payload and drop a byte-order mark; anything else is returned unchanged.

    Never allocates more than the limit, whatever the payload would expand to.

    Raises:
        InvalidRecordError: Damaged gzip, or more than `MAX_PAYLOAD_BYTES` once decompressed.
    """
    if data.startswith(_GZIP_MAGIC):
        data = _decompress(data)
    return data.removeprefix(_BYTE_ORDER_MARK)


def _aggregated(body: bytes) -> list[tuple[str, bytes]]:
    """Parse a protobuf AggregatedRecord into partition keys and data."""
    keys: list[str] = []
    parts: list[tuple[int, bytes]] = []
    for number, value in _fields(body):
        if number == _RECORDS:
            parts.append(_record(_bytes(value)))
        elif number == _PARTITION_KEY_TABLE:
            keys.append(_text(_bytes(value)))
        elif number != _EXPLICIT_HASH_KEY_TABLE:
            raise _damaged(f"unknown field {number}")
    try:
        return [(keys[index], data) for index, data in parts]
    except IndexError as error:
        raise _damaged("a partition key index lies outside the table") from error


def _record(message: bytes) -> tuple[int, bytes]:
    index: int | None = None
    data: bytes | None = None
    for number, value in _fields(message):  # explicit hash key and tags say nothing to a consumer
        if number == _DATA:
            data = _bytes(value)
        elif number == _PARTITION_KEY_INDEX:
            index = _integer(value)
    if index is None or data is None:
        raise _damaged("a user record lacks its partition key index or its data")
    return index, data


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield field number and value, an integer for a varint.

    Source: protobuf.dev/programming-guides/encoding.
    """
    position, end = 0, len(message)
    while position < end:
        tag, position = _varint(message, position)
        wire_type = tag & 7
        if wire_type == _VARINT:
            value, position = _varint(message, position)
            yield tag >> 3, value
            continue
        if wire_type == _LENGTH_DELIMITED:
            size, position = _varint(message, position)
        elif wire_type in {_FIXED_64, _FIXED_32}:
            size = 8 if wire_type == _FIXED_64 else 4
        else:
            raise _damaged(f"protobuf wire type {wire_type}")
        if position + size > end:
            raise _damaged("a field is truncated")
        yield tag >> 3, message[position : position + size]
        position += size


def _varint(message: bytes, position: int) -> tuple[int, int]:
    if position < len(message) and message[position] < 0x80:  # nearly every number is that small
        return message[position], position + 1
    value = 0
    for shift in range(0, 70, 7):  # 64 bits take at most ten groups of seven
        if position >= len(message):
            raise _damaged("a number is truncated")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise _damaged("a number is longer than 64 bits")


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise _damaged("a number stands where bytes belong")
    return value


def _integer(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise _damaged("bytes stand where a number belongs")
    return value


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise _damaged("a partition key is not UTF-8") from error


def _damaged(fault: str) -> InvalidRecordError:
    return InvalidRecordError(f"damaged KPL aggregate: {fault}")


def _decompress(data: bytes) -> bytes:
    """Decompress the members of a gzip payload into at most `MAX_PAYLOAD_BYTES`."""
    plain = b""
    for _ in range(_MAX_GZIP_MEMBERS):
        member = zlib.decompressobj(_GZIP_WBITS)
        try:
            plain += member.decompress(data, MAX_PAYLOAD_BYTES + 1 - len(plain))
        except zlib.error as error:
            raise InvalidRecordError(f"damaged gzip payload: {error}") from error
        if len(plain) > MAX_PAYLOAD_BYTES:
            raise InvalidRecordError(f"more than {MAX_PAYLOAD_BYTES} bytes once decompressed")
        if not member.eof:
            raise InvalidRecordError("damaged gzip payload: it is truncated")
        data = member.unused_data
        if not data:
            return plain
    raise InvalidRecordError(f"more than {_MAX_GZIP_MEMBERS} gzip members")
