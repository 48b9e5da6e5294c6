"""The lake read back: the original events of a time range, shard by shard, each once."""

import base64
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import UNSET

from pipeline.cli.lake.quarantine_lines import StoredObject, list_objects
from pipeline.cli.stack import StackError
from pipeline.errors import InvalidRecordError
from pipeline.events import Event, decode, partition_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX: Final = "events/"

MAX_LATENESS: Final = timedelta(hours=1)
"""How long after its own time an event may have arrived to be found."""

_HOUR: Final = re.compile(r"/dt=(\d{4}-\d\d-\d\d)/hour=(\d\d)/")


class LakeEvent(NamedTuple):
    """An event of the lake, its identity and its line, which always has the event id."""

    shard_id: str
    place: int
    arrival_hour: datetime
    event_id: str
    event: Event
    line: bytes


@dataclass(frozen=True, slots=True)
class Range:
    """Events from one moment to another, the second left out; empty texts stand for all.

    `subject` is a user id, or the source of metrics.
    """

    start: datetime
    end: datetime
    event_type: str = ""
    subject: str = ""

    def includes(self, event: Event) -> bool:
        """Whether an event is meant."""
        return (
            self.start <= event.timestamp < self.end
            and (not self.event_type or event.__struct_config__.tag == self.event_type)
            and (not self.subject or partition_key(event) == self.subject)
        )


class Lake:
    """The events of a bucket; counts the lines that today's contract does not take."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self.unreadable = 0

    def read(self, wanted: Range) -> Iterator[LakeEvent]:
        """Yield the events of a range, those of a shard in its order.

        What stands twice, as after a batch that came again in other portions, is yielded once.

        Raises:
            StackError: An object is not what the event flow writes.
        """
        last = wanted.end + MAX_LATENESS
        objects = list_objects(self._s3, self._bucket, wanted.start, last, PREFIX)
        objects.sort(key=lambda one: (one.shard_id, one.first_sequence_number, one.key))
        seen: set[str] = set()
        for one in objects:
            for item in self.read_one(one):
                if wanted.includes(item.event) and item.event_id not in seen:
                    seen.add(item.event_id)
                    yield item

    def read_one(self, one: StoredObject) -> Iterator[LakeEvent]:
        """Yield the events of an object.

        Raises:
            StackError: The object is not what the event flow writes.
        """
        hour = _arrival_hour(one.key)
        body = self._s3.get_object(Bucket=self._bucket, Key=one.key)["Body"].read()
        try:
            with gzip.open(io.BytesIO(body)) as file:
                lines = file.read().splitlines()
        except (OSError, EOFError, zlib.error) as error:
            raise StackError(f"s3://{self._bucket}/{one.key} is damaged: {error}") from error
        for line in lines:
            try:
                event = decode(line)
            except InvalidRecordError:
                self.unreadable += 1
                continue
            if event.event_id is UNSET:
                self.unreadable += 1
                continue
            yield LakeEvent(
                one.shard_id, one.first_sequence_number, hour, event.event_id, event, line
            )


def stream_record(item: LakeEvent, region: str) -> dict[str, Any]:
    """Return an event of the lake as Lambda would deliver its record.

    The lake knows the hour of arrival only. So the record arrives within that hour as near to the
    event's own time as possible, which the contract's limits of lead and lag allow.
    """
    last = item.arrival_hour + timedelta(hours=1) - timedelta(milliseconds=1)
    arrived_at = min(max(item.event.timestamp, item.arrival_hour), last)
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": partition_key(item.event),
            "sequenceNumber": str(item.place),
            "data": base64.b64encode(item.line).decode(),
            "approximateArrivalTimestamp": arrived_at.timestamp(),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{item.shard_id}:{item.place}",
        "eventName": "aws:kinesis:record",
        "awsRegion": region,
    }


def _arrival_hour(key: str) -> datetime:
    found = _HOUR.search(key)
    if not found:
        raise StackError(f"{key} lies under no hour of arrival")
    return datetime.fromisoformat(f"{found[1]}T{found[2]}:00").replace(tzinfo=UTC)
