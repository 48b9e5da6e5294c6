"""Refused records that today's contracts take, and their way back under their original ids."""

import base64
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET

from pipeline.adapters.user_records import user_record
from pipeline.cli.lake.quarantine_lines import general_reason, list_objects, raw_bytes, read_lines
from pipeline.cli.stack import Stack
from pipeline.cli.way_back.function_calls import Functions, NotTakenError
from pipeline.cli.way_back.records import Lost
from pipeline.events import MAX_PAYLOAD_BYTES
from pipeline.flows.events.intake import OTHER_CONTENT, Accepted, take_in
from pipeline.flows.events.lake import QuarantineLine
from pipeline.flows.users.flow import PLACE as USERS
from pipeline.flows.users.flow import read_changes
from pipeline.records import KinesisRecord

CONSUMER: Final = "KinesisEventsFunction"
"""The function that reads the event stream, by its name in the template."""

SOURCE: Final = "EventStream"

_CONSUMERS: Final = {SOURCE: CONSUMER, USERS: "DynamodbUsersFunction"}
_MAX_REASONS: Final = 3
_OWN_PLACE: Final = 2  # parts of the id of a record that no aggregate carried


@dataclass(frozen=True, slots=True)
class Judged:
    """A line of quarantine and what today's contract says of it.

    `record` is what goes back to the consumer; None when it stays, for the `reason` of today.
    """

    line: QuarantineLine
    record: dict[str, Any] | None
    reason: str = ""


class QuarantineBack:
    """The objects of quarantine; what passes leaves its object, the rest stays in it.

    Args:
        stack: Whose quarantine.
        functions: Has the consumer of the stream.
        since: From this hour of arrival on.
        until: Up to this hour of arrival.
    """

    def __init__(
        self,
        stack: Stack,
        functions: Functions,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> None:
        self._s3 = stack.client("s3")
        self._bucket = stack.output("LakeBucketName")
        self._region = stack.region
        self._functions = functions
        self._hours = (since, until)

    def judge(self) -> Iterator[tuple[str, list[Judged]]]:
        """Judge the refused records, object by object, the oldest first."""
        for one in list_objects(self._s3, self._bucket, *self._hours):
            yield one.key, self._judge(one.key)

    def find(self) -> Iterator[Lost]:
        """Find for each object what passes, and what stays."""
        for key, judged in self.judge():
            passing = [one.line for one in judged if one.record is not None]
            staying = [one.line for one in judged if one.record is None]
            if passing:
                yield _lost(key, passing, "")
            if staying:
                yield _lost(key, staying, "today's contract refuses it too")

    def put_back(self, lost: Lost) -> None:
        """Hand what passes to the consumer out of turn, then take it out of the object."""
        judged = self._judge(lost.key)
        records = [one.record for one in judged if one.record is not None]
        answers = self._functions.call_with_records(_CONSUMERS[lost.source], records)
        refused = sum(answer["report"]["quarantined"] for answer in answers)
        if refused:
            raise NotTakenError(
                f"the deployed consumer refuses {refused} of {len(records)} records that this "
                "version takes: deploy it first"
            )
        self._keep(lost.key, [one.line for one in judged if one.record is None])

    def leave(self, lost: Lost) -> None:
        """Leave the object as it is."""

    def _judge(self, key: str) -> list[Judged]:
        lines = list(read_lines(self._s3, self._bucket, key))
        if lines and lines[0].shard_id == USERS:
            return [_judge_change(line) for line in lines]
        judged = [self._judge_one(line) for line in lines]
        together = take_in([_back(one.record) for one in judged if one.record is not None])
        clashing = {item.user_record.record_id for item in together.refused}
        return [
            Judged(one.line, None, OTHER_CONTENT)
            if _place(one.line) in clashing or one.line.record_id in clashing
            else one
            for one in judged
        ]

    def _judge_one(self, line: QuarantineLine) -> Judged:
        if line.reason == OTHER_CONTENT:  # alone it would pass, and replace the other one's row
            return Judged(line, None, OTHER_CONTENT)
        data = raw_bytes(line)
        record = KinesisRecord(
            line.shard_id,
            int(line.sequence_number),
            line.partition_key,
            datetime.fromisoformat(line.arrived_at).timestamp(),
            data,
        )
        intake = take_in([record])
        if intake.refused:
            return Judged(line, None, intake.refused[0].reason)
        if (
            len(line.record_id.split(":")) > _OWN_PLACE
            and intake.accepted[0].event.event_id is UNSET
        ):
            data = _identified(intake.accepted[0], line.record_id)
            if len(data) > MAX_PAYLOAD_BYTES:
                return Judged(line, None, f"{len(data)} bytes with its event id")
        return Judged(line, self._event_record(line, data, record.arrived_at))

    def _event_record(self, line: QuarantineLine, data: bytes, arrived_at: float) -> dict[str, Any]:
        """Return the record as Lambda delivers it."""
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": line.partition_key,
                "sequenceNumber": line.sequence_number,
                "data": base64.b64encode(data).decode(),
                "approximateArrivalTimestamp": arrived_at,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": _place(line),
            "eventName": "aws:kinesis:record",
            "awsRegion": self._region,
        }

    def _keep(self, key: str, lines: Sequence[QuarantineLine]) -> None:
        if not lines:
            self._s3.delete_object(Bucket=self._bucket, Key=key)
            return
        content = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        body = gzip.compress(content, mtime=0)
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body)


def _lost(key: str, lines: Sequence[QuarantineLine], obstacle: str) -> Lost:
    reasons = list(dict.fromkeys(f"{general_reason(one.reason)} at {one.path}" for one in lines))
    more = f"; {len(reasons) - _MAX_REASONS} more" if len(reasons) > _MAX_REASONS else ""
    return Lost(
        place="quarantine",
        source=USERS if lines[0].shard_id == USERS else SOURCE,
        reason="; ".join(reasons[:_MAX_REASONS]) + more,
        key=key,
        records=len(lines),
        at=datetime.fromisoformat(min(one.arrived_at for one in lines)),
        obstacle=obstacle,
    )


def _judge_change(line: QuarantineLine) -> Judged:
    """Judge a record of UsersTable's stream, which lies there as Lambda delivered it."""
    record = json.loads(raw_bytes(line))
    _, bad = read_changes([user_record(record)])
    return Judged(line, None, bad[0].reason) if bad else Judged(line, record)


def _place(line: QuarantineLine) -> str:
    return f"{line.shard_id}:{line.sequence_number}"


def _identified(item: Accepted, event_id: str) -> bytes:
    """Write the id that a user record has by its place in an aggregate, now that it comes alone."""
    return b'{"event_id":' + json.dumps(event_id).encode() + b"," + item.payload.strip()[1:]


def _back(record: dict[str, Any]) -> KinesisRecord:
    kinesis = record["kinesis"]
    return KinesisRecord(
        record["eventID"].partition(":")[0],
        int(kinesis["sequenceNumber"]),
        kinesis["partitionKey"],
        kinesis["approximateArrivalTimestamp"],
        base64.b64decode(kinesis["data"]),
    )
