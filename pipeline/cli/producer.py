"""Put records on the stream as a producer should: in requests of 500, the refused part again."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from pipeline.cli.puts import StreamPut

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

MAX_RECORDS: Final = 500
"""Most records of one PutRecords request. Source: Kinesis API Reference, PutRecords."""

MAX_REQUEST_BYTES: Final = 5 * 1024 * 1024
"""Most bytes of one request, data and partition keys. Source: as above; it was raised since."""

_MAX_ATTEMPTS: Final = 8
_FIRST_PAUSE_S: Final = 0.1


class PutError(Exception):
    """The stream went on refusing records."""


class Receipt(NamedTuple):
    """A record that the stream has taken, and where."""

    put: StreamPut
    shard_id: str
    sequence_number: str


class Producer:
    """Puts records on one stream.

    Within a request order is kept per partition key unless the stream refuses a part of it: the
    part comes again before anything later is sent, but after what was taken of its own request.

    Args:
        kinesis: Client of the service.
        stream: Name of the stream.
        pause: Waits a number of seconds between two attempts.
    """

    def __init__(
        self, kinesis: "KinesisClient", stream: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._kinesis = kinesis
        self._stream = stream
        self._pause = pause

    def send(self, puts: Sequence[StreamPut]) -> Iterator[list[Receipt]]:
        """Put records in the order given and yield the receipts of each request's worth.

        Raises:
            PutError: The stream refused records time and again.
        """
        for portion in _portions(puts):
            yield self._send_portion(portion)

    def _send_portion(self, portion: Sequence[StreamPut]) -> list[Receipt]:
        receipts: list[Receipt] = []
        left = list(portion)
        for attempt in range(_MAX_ATTEMPTS):
            answer = self._kinesis.put_records(
                StreamName=self._stream,
                Records=[{"Data": put.data, "PartitionKey": put.partition_key} for put in left],
            )
            refused = []
            for put, result in zip(left, answer["Records"], strict=True):
                if "SequenceNumber" in result:
                    receipts.append(Receipt(put, result["ShardId"], result["SequenceNumber"]))
                else:
                    refused.append((put, result.get("ErrorCode", "without a code")))
            if not refused:
                return receipts
            left = [put for put, _ in refused]
            self._pause(random.uniform(0, _FIRST_PAUSE_S * 2**attempt))
        raise PutError(
            f"{self._stream} refused {len(refused)} records {_MAX_ATTEMPTS} times, "
            f"the first with {refused[0][1]}"
        )


def _portions(puts: Sequence[StreamPut]) -> Iterator[list[StreamPut]]:
    portion: list[StreamPut] = []
    size = 0
    for put in puts:
        own = len(put.data) + len(put.partition_key.encode())
        if portion and (len(portion) == MAX_RECORDS or size + own > MAX_REQUEST_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(put)
        size += own
    if portion:
        yield portion
