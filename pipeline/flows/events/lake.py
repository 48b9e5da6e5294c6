"""The objects of one batch: accepted events for the lake, refused records for quarantine.

Both are gzip JSON lines under the hour of arrival, named by shard and first sequence number, so a
redelivered batch overwrites its own objects. A batch that comes again in other portions can leave a
line twice, under the same `event_id` or `record_id`.

Records that come back out of turn are any part of a batch whose other part may have been stored
under that name. So the name of their object has a digest of its lines too: it overwrites nothing
but itself.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from pipeline.detection.anomaly import Anomaly, timestamp_text
from pipeline.flows.events.intake import Accepted, Refused
from pipeline.ports import LakeObject
from pipeline.records import KinesisRecord

_COMPRESSION: Final = 3  # 60 B and 1.7 us a record; level 6 takes twice the time for 52 B

_NEW_LINES: Final = bytes.maketrans(b"\r\n", b"  ")


class QuarantineLine(msgspec.Struct, frozen=True, kw_only=True):
    """One refused record: where it came from, why it was refused, and its bytes in base64."""

    record_id: str
    shard_id: str
    sequence_number: str
    partition_key: str
    arrived_at: str
    reason: str
    path: str
    data: str


def lake_objects(
    events: Sequence[Accepted], batch: Sequence[KinesisRecord], *, is_late: bool = False
) -> list[LakeObject]:
    """Archive accepted events: the original JSON, with the event id when the producer gave none.

    At most two objects: events that arrived in the batch's last hour, and all earlier ones under
    the hour of the latest of them. So an object never lies in an hour before its events arrived.
    """
    return [
        _lines_object("events", hour * 3600.0, batch, map(_event_line, portion), is_late)
        for hour, portion in _portions(events, batch)
    ]


def archived(
    facts: Iterable[Anomaly], events: Sequence[Accepted], batch: Sequence[KinesisRecord]
) -> list[Anomaly]:
    """Note on each fact under which hour `lake_objects` archives its event."""
    hours = {
        item.event_id: datetime.fromtimestamp(hour * 3600.0, UTC)
        for hour, portion in _portions(events, batch)
        for item in portion
    }
    return [msgspec.structs.replace(fact, archived_at=hours.get(fact.event_id)) for fact in facts]


def quarantine_objects(
    refused: Sequence[Refused], batch: Sequence[KinesisRecord], *, is_late: bool = False
) -> list[LakeObject]:
    """Set refused records aside: one object, none when nothing was refused."""
    if not refused:
        return []
    lines = map(_quarantine_line, refused)
    return [_lines_object("quarantine", batch[-1].arrived_at, batch, lines, is_late)]


def _portions(
    events: Sequence[Accepted], batch: Sequence[KinesisRecord]
) -> list[tuple[int, list[Accepted]]]:
    """Split events into those of the batch's last hour and all earlier ones, each with its hour."""
    last_hour = _hour(batch[-1].arrived_at)
    late = [item for item in events if _hour(item.record.arrived_at) != last_hour]
    current = [item for item in events if _hour(item.record.arrived_at) == last_hour]
    portions = (late, current)
    return [(_hour(part[-1].record.arrived_at), part) for part in portions if part]


def _lines_object(
    prefix: str,
    arrived_at: float,
    batch: Sequence[KinesisRecord],
    lines: Iterable[bytes],
    is_late: bool,  # noqa: FBT001  of this module only
) -> LakeObject:
    hour = datetime.fromtimestamp(arrived_at, UTC).strftime("dt=%Y-%m-%d/hour=%H")
    name = f"{batch[0].shard_id}-{batch[0].sequence_number}"
    content = b"\n".join(lines) + b"\n"
    if is_late:
        name += f"-late-{hashlib.sha256(content).hexdigest()[:12]}"
    body = gzip.compress(content, _COMPRESSION, mtime=0)
    return LakeObject(f"{prefix}/{hour}/{name}.jsonl.gz", body)


def _hour(arrived_at: float) -> int:
    return int(arrived_at // 3600)


def _event_line(item: Accepted) -> bytes:
    line = item.payload.strip().translate(
        _NEW_LINES
    )  # JSON allows line breaks between its tokens only
    if isinstance(item.event.event_id, str):
        return line
    return b'{"event_id":' + json.dumps(item.event_id).encode() + b"," + line[1:]


def _quarantine_line(refused: Refused) -> bytes:
    record = refused.record
    line = QuarantineLine(
        record_id=refused.user_record.record_id,
        shard_id=record.shard_id,
        sequence_number=str(record.sequence_number),
        partition_key=refused.user_record.partition_key,
        arrived_at=timestamp_text(datetime.fromtimestamp(record.arrived_at, UTC)),
        reason=refused.reason,
        path=refused.path,
        data=base64.b64encode(refused.user_record.data).decode(),
    )
    return msgspec.json.encode(line)
