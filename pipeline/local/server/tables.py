"""Corrections of moto's DynamoDB, inside the server's process.

moto checks a condition and writes in two steps between which another thread may write. It puts a
record into a table's stream for a write that changes nothing, two for an update that creates an
item, and some for a transaction that is rolled back.

Source: Amazon DynamoDB Developer Guide, "Change data capture for DynamoDB Streams": each change is
one record, and a write that changes nothing is none.
"""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import StreamShard
from moto.dynamodbstreams.models import ShardIterator


class _Change(NamedTuple):
    """An item before and after a write; None where it does not exist."""

    shard: Any
    old: Any
    new: Any


class _Streams:
    """Holds the changes of a write back until it is done; used under the lock of all writes."""

    def __init__(self, record: Callable[[Any, Any, Any], None]) -> None:
        self._record = record
        self._held: list[_Change] | None = None

    def add(self, shard: Any, old: Any, new: Any) -> None:  # noqa: ANN401  moto's
        if self._held is not None:
            self._held.append(_Change(shard, old, new))
        elif old is None or new is None or old != new:
            self._record(shard, old, new)

    def hold(self, write: Callable[[], Any], *, as_one: bool) -> Any:  # noqa: ANN401  moto's
        """Do a write and record its changes: `as_one` if it is of one item, none if it fails."""
        outer, self._held = self._held, []
        try:
            result = write()
        except BaseException:
            self._held = outer
            raise
        held, self._held = self._held, outer
        if as_one and held:
            held = [_Change(held[0].shard, held[0].old, held[-1].new)]
        for change in held:
            self.add(*change)
        return result


def correct_tables() -> None:
    """Replace what is wrong in moto's tables; once, before the server serves."""
    streams, lock = _Streams(StreamShard.add), threading.RLock()
    StreamShard.add = _adder(streams)  # type: ignore[method-assign]
    for name in ("put_item", "update_item", "delete_item"):
        setattr(DynamoDBBackend, name, _held(name, streams, lock, as_one=True))
    name = "transact_write_items"
    setattr(DynamoDBBackend, name, _held(name, streams, lock, as_one=False))
    ShardIterator.get = _of_the_table_as_it_is(ShardIterator.get)  # type: ignore[method-assign]


def _adder(streams: _Streams) -> Any:  # noqa: ANN401  replaces a method of moto's
    def add(shard: Any, old: Any, new: Any) -> None:  # noqa: ANN401  moto's
        streams.add(shard, old, new)

    return add


def _of_the_table_as_it_is(get: Callable[..., dict[str, Any]]) -> Any:  # noqa: ANN401  replaces a method of moto's
    def get_records(iterator: ShardIterator, limit: int = 1000) -> dict[str, Any]:
        before = iterator.stream_shard.table
        now = iterator.streams_backend.dynamodb.tables.get(before.name)
        if now and now.stream_shard and now.latest_stream_label == before.latest_stream_label:
            iterator.stream_shard = now.stream_shard
        return get(iterator, limit)

    return get_records


def _held(name: str, streams: _Streams, lock: threading.RLock, *, as_one: bool) -> Any:  # noqa: ANN401  replaces a method of moto's
    original = getattr(DynamoDBBackend, name)

    def write(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  moto's
        with lock:
            return streams.hold(lambda: original(*args, **kwargs), as_one=as_one)

    return write
