"""Events as JSON lines: read, checked as the pipeline checks them, and made into puts."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import BinaryIO, Final, NamedTuple

from msgspec import UNSET

from pipeline.cli.producers.puts import StreamPut, UserPut, plain
from pipeline.errors import InvalidRecordError
from pipeline.events import (
    MAX_PAYLOAD_BYTES,
    Event,
    check_timestamps,
    decode,
    partition_key,
)

_READ_BYTES: Final = 2 * MAX_PAYLOAD_BYTES  # room for blanks around the longest event
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """A line that is not blank, without the white space around it; numbered from 1.

    `is_cut` says that the line is longer than any event, and only its beginning is here.
    """

    number: int
    text: bytes
    is_cut: bool = False


class Accepted(NamedTuple):
    """A line whose event keeps the contract, and the record that it is put as."""

    line: int
    event: Event
    put: StreamPut


class Refused(NamedTuple):
    """A line that breaks the contract: where, as a JSON path, and how."""

    line: int
    path: str
    reason: str


def read_lines(stream: BinaryIO) -> Iterator[Line]:
    """Yield the lines of a stream; memory holds one at a time, and at most 512 KiB of it."""
    number = 0
    while piece := stream.readline(_READ_BYTES):
        number += 1
        text = piece.removeprefix(_BYTE_ORDER_MARK) if number == 1 else piece
        is_cut = False
        while len(piece) == _READ_BYTES and not piece.endswith(b"\n"):
            piece = stream.readline(_READ_BYTES)
            is_cut = is_cut or bool(piece.strip())
        if is_cut or text.strip():
            yield Line(number, text.strip(), is_cut)


def check(line: Line, now: datetime) -> Accepted | Refused:
    """Decide about a line as the pipeline would if its record arrived now.

    An event without an id gets one made of its bytes: the same line is the same event however
    often it is put, so a file can be put again after a failure.
    """
    if line.is_cut:
        return Refused(line.number, "$", f"more than {MAX_PAYLOAD_BYTES} bytes, the limit")
    try:
        event = decode(line.text)
        check_timestamps(event, now.timestamp())
        event_id, data = _identified(line.text, event)
    except InvalidRecordError as error:
        return Refused(line.number, error.path, error.reason)
    record = UserPut(_event_type(event), event_id, data)
    return Accepted(line.number, event, plain(now, partition_key(event), record))


def check_lines(stream: BinaryIO, now: Callable[[], datetime]) -> Iterator[Accepted | Refused]:
    """Yield the fate of each line of a stream that is not blank, in order."""
    for line in read_lines(stream):
        yield check(line, now())


def _identified(text: bytes, event: Event) -> tuple[str, bytes]:
    if event.event_id is not UNSET:
        return event.event_id, text
    event_id = hashlib.sha256(text).hexdigest()[:32]
    data = b'{"event_id":"%s",%s' % (event_id.encode(), text[1:])
    if len(data) > MAX_PAYLOAD_BYTES:
        reason = f"{len(data)} bytes with its event id, the limit is {MAX_PAYLOAD_BYTES}"
        raise InvalidRecordError(reason)
    return event_id, data


def _event_type(event: Event) -> str:
    return str(event.__struct_config__.tag)
