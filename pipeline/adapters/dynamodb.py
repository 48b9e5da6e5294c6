"""Batched reads and writes of DynamoDB tables through the low-level client."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from pipeline.adapters.aws import service_errors
from pipeline.adapters.parallel import Parallel
from pipeline.errors import RetryableError
from pipeline.ports import RemainingTime

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]
"""An item in DynamoDB JSON: attribute name to `{type: value}`."""

WRITE_BATCH: Final = 25
READ_BATCH: Final = 100
"""Source: Amazon DynamoDB API Reference, BatchWriteItem and BatchGetItem."""

_BACKOFF_START_S: Final = 0.05
_BACKOFF_CAP_S: Final = 2.0

T = TypeVar("T")


class Put(NamedTuple):
    """One item to put; `key` is its primary key's values, by which repetitions collapse."""

    table: str
    key: tuple[str, str]
    item: Item


class BatchTables:
    """Puts and reads in the largest requests the service takes, tables mixed.

    What a request leaves unprocessed is tried again with full jitter until the time is up.

    Args:
        client: Low-level DynamoDB client.
        parallel: Where the requests of one call run side by side.
        sleep: Waits that many seconds; `time.sleep` outside tests.
        jitter: Source of the waits' randomness.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        parallel: Parallel,
        sleep: Callable[[float], None],
        jitter: random.Random,
    ) -> None:
        self._client = client
        self._parallel = parallel
        self._sleep = sleep
        self._jitter = jitter

    def write_calls(
        self, puts: Sequence[Put], remaining_s: RemainingTime
    ) -> list[Callable[[], None]]:
        """Return the calls that write all items, one per request of 25, for `Parallel.run`.

        Of several items with one key the last is written: the service refuses the others.
        """
        unique = list({(put.table, put.key): put for put in puts}.values())
        return [
            lambda chunk=chunk: self._write(chunk, remaining_s)  # type: ignore[misc]  # binds the loop's value
            for chunk in _chunks(unique, WRITE_BATCH)
        ]

    def write(self, puts: Sequence[Put], remaining_s: RemainingTime) -> None:
        """Write all items, in no order and without a condition.

        Raises:
            RetryableError: Throttling or outage; some of the items may be written.
            InvalidRecordError: The service refuses an item.
        """
        self._parallel.run(self.write_calls(puts, remaining_s))

    def read(self, table: str, keys: Sequence[Item], remaining_s: RemainingTime) -> list[Item]:
        """Read items by their unique keys, consistently and in no order; absent ones are left out.

        Raises:
            RetryableError: Throttling or outage.
        """
        items: list[Item] = []
        self._parallel.run(self.read_calls(table, keys, items, remaining_s), "read")
        return items

    def read_calls(
        self, table: str, keys: Sequence[Item], items: list[Item], remaining_s: RemainingTime
    ) -> list[Callable[[], None]]:
        """Return the calls that read items into `items`, one per request of 100."""
        return [
            lambda chunk=chunk: items.extend(self._read(table, chunk, remaining_s))  # type: ignore[misc]  # binds the loop's value
            for chunk in _chunks(keys, READ_BATCH)
        ]

    def _write(self, puts: Sequence[Put], remaining_s: RemainingTime) -> None:
        pending: Mapping[str, Any] = _put_requests(puts)
        for _ in self._attempts(f"write {len(puts)} items", remaining_s):
            with service_errors(f"write {len(puts)} items"):
                answer = self._client.batch_write_item(RequestItems=pending)
            pending = answer.get("UnprocessedItems", {})
            if not pending:
                return

    def _read(self, table: str, keys: Sequence[Item], remaining_s: RemainingTime) -> list[Item]:
        items: list[Item] = []
        pending: Mapping[str, Any] = {table: {"Keys": list(keys), "ConsistentRead": True}}
        for _ in self._attempts(f"read {len(keys)} items of {table}", remaining_s):
            with service_errors(f"read {len(keys)} items of {table}"):
                answer = self._client.batch_get_item(RequestItems=pending)
            items.extend(answer.get("Responses", {}).get(table, []))
            pending = answer.get("UnprocessedKeys", {})
            if not pending:
                break
        return items

    def _attempts(self, operation: str, remaining_s: RemainingTime) -> Iterator[int]:
        attempt = 0
        while True:
            yield attempt
            backoff_s = min(_BACKOFF_CAP_S, _BACKOFF_START_S * 2**attempt)
            wait_s = self._jitter.uniform(0, backoff_s)
            if wait_s >= remaining_s():
                raise RetryableError(f"cannot {operation}: throttled until the time was up")
            self._sleep(wait_s)
            attempt += 1


def _put_requests(puts: Sequence[Put]) -> dict[str, list[dict[str, Any]]]:
    requests: dict[str, list[dict[str, Any]]] = {}
    for put in puts:
        requests.setdefault(put.table, []).append({"PutRequest": {"Item": put.item}})
    return requests


def _chunks(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
