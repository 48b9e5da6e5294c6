"""A user as UsersTable holds it, and a change of one as the flows see it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pipeline.errors import InvalidRecordError
from pipeline.events import Identifier, Label

Kind = Literal["INSERT", "MODIFY", "REMOVE"]

MAX_SEQUENCE_DIGITS: Final = 40
"""Source: Amazon DynamoDB Streams API Reference, StreamRecord: SequenceNumber has 21 to 40."""

Sequence40 = Annotated[str, Meta(pattern="^[0-9]{40}$", max_length=40)]
"""A sequence number of UsersTable's stream, filled up with zeros: text order is its order."""

Email = Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$(?!\n)", max_length=320)]
Address = Annotated[str, Meta(max_length=45)]
Secret = Annotated[str, Meta(min_length=1, max_length=1024)]


class User(msgspec.Struct, frozen=True, kw_only=True):
    """What the pipeline reads of a user; the table may hold more.

    `signup_ip` is the address that the user signed up from.
    """

    user_id: Identifier
    email: Email
    name: Label | UnsetType = UNSET
    phone: Label | UnsetType = UNSET
    password_hash: Secret | UnsetType = UNSET
    status: Label | UnsetType = UNSET
    locale: Label | UnsetType = UNSET
    signup_ip: Address | UnsetType = UNSET

    @property
    def email_domain(self) -> str:
        """Return the domain of the e-mail address, in lower case and without a final dot."""
        return self.email.rpartition("@")[2].lower().rstrip(".")


@dataclass(frozen=True, slots=True)
class UserChange:
    """One change of one user; a redelivery has the same `change_id`.

    `timestamp` is when DynamoDB took the change. `before` is None for an insert, `after` for a
    removal. `changed` names the attributes that differ, those that the pipeline does not read as
    well. `by_ttl` tells a removal by DynamoDB itself.
    """

    change_id: str
    sequence: str
    kind: Kind
    user_id: str
    timestamp: datetime
    before: User | None = None
    after: User | None = None
    changed: tuple[str, ...] = ()
    by_ttl: bool = False


class UserRecord(NamedTuple):
    """A record of UsersTable's stream; `read` decodes it or raises `InvalidRecordError`.

    `data` is the record as JSON, for quarantine.
    """

    sequence_number: str
    change_id: str
    kind: Kind
    written_at: float
    read: Callable[[], UserChange]
    data: Callable[[], bytes]


def sequence_text(sequence_number: str) -> str:
    """Return a sequence number so that text order is its order."""
    return sequence_number.zfill(MAX_SEQUENCE_DIGITS)


def user_of(fields: Mapping[str, Any]) -> User:
    """Return the user of an item's attributes.

    Raises:
        InvalidRecordError: A field is missing or has no usable value; never quotes the value.
    """
    try:
        return msgspec.convert(fields, User)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        raise InvalidRecordError(f"not a user: {reason}", path.strip("`") or "$") from None
