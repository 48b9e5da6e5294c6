"""First step of a batch: every user record gets its fate, accepted, collapsed or refused."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from msgspec import UNSET

from pipeline.errors import InvalidRecordError
from pipeline.events import Event, check_timestamps, decode, partition_key
from pipeline.records import KinesisRecord, UserRecord, unpack, user_records

OTHER_CONTENT: Final = "the event id stands for other content earlier in the same batch"
"""Why the second of two different events with one id is refused."""


class Accepted(NamedTuple):
    """An event that keeps the contract, with its identity and its JSON as the producer wrote it."""

    record: KinesisRecord
    user_record: UserRecord
    event_id: str
    event: Event
    payload: bytes


class Refused(NamedTuple):
    """A user record, or a whole Kinesis record, that goes to quarantine untouched.

    `is_defect` says that a bug refused it, `detector` which one had it, if it was a detector's.
    """

    record: KinesisRecord
    user_record: UserRecord
    reason: str
    path: str
    is_defect: bool = False
    detector: str = ""


@dataclass(slots=True)
class Intake:
    """The user records of one batch by their fate, each list in the order of the shard.

    `stray` are accepted events under another partition key than the contract's.
    """

    accepted: list[Accepted] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    stray: list[Accepted] = field(default_factory=list)
    collapsed: int = 0


def take_in(records: Sequence[KinesisRecord]) -> Intake:
    """Decode all records of a batch; nothing that one of them holds stops the others.

    A repetition of an event id collapses into the first one when the content is the same, and is
    refused when it is not.
    """
    intake = Intake()
    seen: dict[str, bytes] = {}
    for record in records:
        for user_record in _split(record, intake):
            accepted = _accept(record, user_record, intake)
            if accepted is None:
                continue
            known = seen.get(accepted.event_id)
            if known is None:
                seen[accepted.event_id] = accepted.payload
                intake.accepted.append(accepted)
                if accepted.user_record.partition_key != partition_key(accepted.event):
                    intake.stray.append(accepted)
            elif known == accepted.payload:
                intake.collapsed += 1
            else:
                intake.refused.append(Refused(record, user_record, OTHER_CONTENT, "$.event_id"))
    return intake


def whole(record: KinesisRecord) -> UserRecord:
    """Return a record that was not split, as the one user record that it is to quarantine."""
    record_id = f"{record.shard_id}:{record.sequence_number}"
    return UserRecord(record_id, record.partition_key, record.data)


def _split(record: KinesisRecord, intake: Intake) -> list[UserRecord]:
    try:
        return user_records(record)
    except InvalidRecordError as error:
        intake.refused.append(Refused(record, whole(record), error.reason, error.path))
    except Exception as error:  # noqa: BLE001  an unknown bug sets aside its record, visibly
        intake.refused.append(_defect(record, whole(record), error))
    return []


def _accept(record: KinesisRecord, user_record: UserRecord, intake: Intake) -> Accepted | None:
    try:
        payload = unpack(user_record.data)
        event = decode(payload)
        check_timestamps(event, record.arrived_at)
    except InvalidRecordError as error:
        intake.refused.append(Refused(record, user_record, error.reason, error.path))
        return None
    except Exception as error:  # noqa: BLE001  an unknown bug sets aside its record, visibly
        intake.refused.append(_defect(record, user_record, error))
        return None
    event_id = user_record.record_id if event.event_id is UNSET else event.event_id
    return Accepted(record, user_record, event_id, event, payload)


def _defect(record: KinesisRecord, user_record: UserRecord, error: Exception) -> Refused:
    reason = f"defect in decoding: {type(error).__name__}: {error}"
    return Refused(record, user_record, reason, "$", is_defect=True)
