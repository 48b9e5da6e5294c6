"""What a producer puts: user records and the Kinesis records that carry them."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pipeline.cli.producers.kpl import aggregate

POISON: Final = "poison"
"""Stands for the event type of a user record that is meant to be refused."""


@dataclass(frozen=True, slots=True)
class UserPut:
    """One user record: its event type, its event id, empty when the stream shall give one."""

    event_type: str
    event_id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class StreamPut:
    """One Kinesis record and the user records in it; `at` is when its producer sends it."""

    at: datetime
    partition_key: str
    data: bytes
    user_records: tuple[UserPut, ...]
    is_aggregate: bool = False


def json_bytes(fields: Mapping[str, Any]) -> bytes:
    """Return an event as compact JSON."""
    return json.dumps(fields, separators=(",", ":")).encode()


def user_put(fields: Mapping[str, Any]) -> UserPut:
    """Return an event, given by its fields, as the user record that carries it."""
    return UserPut(fields["event_type"], fields.get("event_id", ""), json_bytes(fields))


def contract_key(fields: Mapping[str, Any]) -> str:
    """Return the partition key that the contract demands for an event given by its fields."""
    key: str = fields["source" if fields["event_type"] == "system_metric" else "user_id"]
    return key


def plain(at: datetime, partition_key: str, record: UserPut) -> StreamPut:
    """Send one user record as it is."""
    return StreamPut(at, partition_key, record.data, (record,))


def zipped(at: datetime, partition_key: str, record: UserPut) -> StreamPut:
    """Send one user record compressed with gzip."""
    packed = UserPut(record.event_type, record.event_id, gzip.compress(record.data, mtime=0))
    return plain(at, partition_key, packed)


def aggregated(at: datetime, partition_key: str, records: Sequence[UserPut]) -> StreamPut:
    """Send several user records of one partition key as one KPL aggregate."""
    data = aggregate([(partition_key, record.data) for record in records])
    return StreamPut(at, partition_key, data, tuple(records), is_aggregate=True)
