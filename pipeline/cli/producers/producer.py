"""Put records on the stream as a producer should: in requests of 500, the refused part again."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.cli.producers.puts import StreamPut

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

MAX_RECORDS: Final = 500
"""Most records of one PutRecords request. Source: Kinesis API Reference, PutRecords."""

MAX_REQUEST_BYTES: Final = 5 * 1024 * 1024
"""Most bytes of one request, data and partition keys. Source: as above; it was raised since."""

MAX_RECORD_BYTES: Final = 1024 * 1024
"""Most bytes of one record, data and partition key, unless the stream was configured for more."""

_MAX_ATTEMPTS: Final = 8
_FIRST_PAUSE_S: Final = 0.1


class PutError(Exception):
    """The stream cannot be reached or went on refusing records.

    Attributes:
        taken: Receipts of the records of the failed request's worth that it did take.
    """

    def __init__(self, message: str, taken: "Sequence[Receipt]" = ()) -> None:
        super().__init__(message)
        self.taken = tuple(taken)


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

    def send(self, puts: Iterable[StreamPut]) -> Iterator[list[Receipt]]:
        """Put records in the order given and yield the receipts of each request's worth.

        Reads no more of `puts` than the next request holds.

        Raises:
            PutError: The service refused or did not answer a request, or eight attempts in a row
                put nothing more. What was yielded before is on the stream, and so is `taken`.
            ValueError: A record is larger than the stream takes.
        """
        for portion in _portions(puts):
            yield self._send_portion(portion)

    def _send_portion(self, portion: Sequence[StreamPut]) -> list[Receipt]:
        receipts: list[Receipt] = []
        left = list(portion)
        fruitless = 0
        while True:
            refused, code = self._attempt(left, receipts)
            if not refused:
                return receipts
            fruitless = fruitless + 1 if len(refused) == len(left) else 1
            if fruitless == _MAX_ATTEMPTS:
                raise PutError(
                    f"{self._stream} refused {len(refused)} records {_MAX_ATTEMPTS} times, "
                    f"the first with {code}",
                    receipts,
                )
            left = refused
            self._pause(random.uniform(0, _FIRST_PAUSE_S * 2 ** (fruitless - 1)))

    def _attempt(
        self, puts: Sequence[StreamPut], receipts: list[Receipt]
    ) -> tuple[list[StreamPut], str]:
        """Put records once; return those refused and the error code of the first of them."""
        try:
            answer = self._kinesis.put_records(
                StreamName=self._stream,
                Records=[{"Data": put.data, "PartitionKey": put.partition_key} for put in puts],
            )
        except (BotoCoreError, ClientError) as error:
            raise PutError(f"cannot put on {self._stream}: {error}", receipts) from error
        refused, code = [], ""
        for put, result in zip(puts, answer["Records"], strict=True):
            if "SequenceNumber" in result:
                receipts.append(Receipt(put, result["ShardId"], result["SequenceNumber"]))
            else:
                refused.append(put)
                code = code or result.get("ErrorCode", "no code")
        return refused, code


def _portions(puts: Iterable[StreamPut]) -> Iterator[list[StreamPut]]:
    portion: list[StreamPut] = []
    size = 0
    for put in puts:
        own = len(put.data) + len(put.partition_key.encode())
        if own > MAX_RECORD_BYTES:
            raise ValueError(f"a record of {own} bytes, the limit is {MAX_RECORD_BYTES}")
        if portion and (len(portion) == MAX_RECORDS or size + own > MAX_REQUEST_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(put)
        size += own
    if portion:
        yield portion
