"""Changes of users as JSON lines, checked by the contract of UsersTable before they are written."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from pipeline.cli.traffic.people import PutUser, RemoveUser, UserAction
from pipeline.errors import InvalidRecordError
from pipeline.events import Identifier
from pipeline.users import user_of


class RefusedChange(NamedTuple):
    """A line that breaks the contract: where and why; never what it says."""

    line: int
    reason: str


class _Put(msgspec.Struct, tag_field="action", tag="put", forbid_unknown_fields=True):
    user: dict[str, str]


class _Remove(msgspec.Struct, tag_field="action", tag="remove", forbid_unknown_fields=True):
    user_id: Identifier


_decoder = msgspec.json.Decoder(_Put | _Remove)


def line_of(action: UserAction) -> str:
    """Return a change as a line, such as `{"action": "remove", "user_id": "ada"}`."""
    if isinstance(action, PutUser):
        return json.dumps({"action": "put", "user": dict(action.user)}, ensure_ascii=False)
    return json.dumps({"action": "remove", "user_id": action.user_id}, ensure_ascii=False)


def read_changes(lines: Iterable[bytes]) -> Iterator[UserAction | RefusedChange]:
    """Yield the change of each line that is not empty, or what is wrong with it."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _change(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            yield RefusedChange(number, f"not a change of a user: {error}")
        except InvalidRecordError as error:
            yield RefusedChange(number, f"{error.path}: {error.reason}")


def _change(line: bytes) -> UserAction:
    decoded: Any = _decoder.decode(line)
    if isinstance(decoded, _Remove):
        return RemoveUser(decoded.user_id)
    user_of(decoded.user)
    return PutUser(decoded.user)
