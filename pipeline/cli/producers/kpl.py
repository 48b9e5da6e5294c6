"""Make KPL aggregates, as the Kinesis Producer Library puts them."""

from collections.abc import Iterable, Sequence
from hashlib import md5

from pipeline.records import AGGREGATE_MAGIC


def aggregate(user_records: Sequence[tuple[str, bytes]]) -> bytes:
    """Join user records, given as partition key and data, into the data of one Kinesis record.

    Source: github.com/awslabs/amazon-kinesis-producer, aggregation-format.md.
    """
    keys = list(dict.fromkeys(key for key, _ in user_records))
    index = {key: position for position, key in enumerate(keys)}
    body = b"".join(
        [
            *_table(keys),
            *(
                _field(3, b"\x08" + _varint(index[key]) + _field(3, data))
                for key, data in user_records
            ),
        ]
    )
    return AGGREGATE_MAGIC + body + md5(body, usedforsecurity=False).digest()


def _table(keys: Iterable[str]) -> Iterable[bytes]:
    return (_field(1, key.encode()) for key in keys)


def _field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    groups = []
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])
