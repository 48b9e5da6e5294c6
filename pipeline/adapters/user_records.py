"""Records of the stream of UsersTable, and its items."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.errors import InvalidRecordError
from pipeline.users import Kind, User, UserChange, UserRecord, sequence_text, user_of

_KINDS: Final[Mapping[str, Kind]] = {"INSERT": "INSERT", "MODIFY": "MODIFY", "REMOVE": "REMOVE"}
_DYNAMODB: Final = "dynamodb.amazonaws.com"
_READ: Final = frozenset(User.__struct_fields__)
_NOT_AUDITED: Final = frozenset({"expires_at"})


def user_record(record: Mapping[str, Any]) -> UserRecord:
    """Return what the users flow takes of a record of the table's stream, decoded on demand.

    Args:
        record: A record as Lambda delivers it.
    """
    change = record["dynamodb"]
    return UserRecord(
        sequence_number=change["SequenceNumber"],
        change_id=record["eventID"],
        kind=_KINDS[record["eventName"]],
        written_at=float(change["ApproximateCreationDateTime"]),
        read=lambda: _change(record),
        data=lambda: json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode(),
    )


def decode_user(item: Mapping[str, Any], path: str = "$") -> User:
    """Return the user of an item; an attribute that is NULL counts as absent.

    Raises:
        InvalidRecordError: The item breaks the table's contract.
    """
    fields = {}
    for name in _READ & item.keys():
        match item[name]:
            case {"S": str(text)}:
                fields[name] = text
            case {"NULL": True}:
                continue
            case _:
                raise InvalidRecordError("not a user: Expected a string", f"{path}.{name}")
    return user_of(fields)


def _change(record: Mapping[str, Any]) -> UserChange:
    change, kind = record["dynamodb"], _KINDS[record["eventName"]]
    match change.get("Keys"):
        case {"user_id": {"S": str(user_id)}} if user_id:
            pass
        case _:
            raise InvalidRecordError("a record without its user", "$.dynamodb.Keys.user_id")
    before, after = change.get("OldImage"), change.get("NewImage")
    if kind == "REMOVE":  # his id is all that an erasure needs, so no image can hold it up
        before, after = None, None
    elif after is None or (kind == "MODIFY" and before is None):
        raise InvalidRecordError("a record without its images", "$.dynamodb")
    return UserChange(
        change_id=record["eventID"],
        sequence=sequence_text(change["SequenceNumber"]),
        kind=kind,
        user_id=user_id,
        timestamp=datetime.fromtimestamp(change["ApproximateCreationDateTime"], UTC),
        before=None if before is None or kind == "INSERT" else _old(before),
        after=None if after is None else decode_user(after, "$.dynamodb.NewImage"),
        changed=_changed(before or {}, after or {}) if kind == "MODIFY" else (),
        by_ttl=_is_by_ttl(record),
    )


def _old(image: Mapping[str, Any]) -> User | None:
    """Return the user as he was; a row that has just been mended had no usable form before."""
    try:
        return decode_user(image)
    except InvalidRecordError:
        return None


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    names = (before.keys() | after.keys()) - _NOT_AUDITED
    return tuple(sorted(name for name in names if before.get(name) != after.get(name)))


def _is_by_ttl(record: Mapping[str, Any]) -> bool:
    """Source: Amazon DynamoDB Developer Guide, DynamoDB Streams and Time to Live."""
    identity = record.get("userIdentity") or {}
    return identity.get("type") == "Service" and identity.get("principalId") == _DYNAMODB
