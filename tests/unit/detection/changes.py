"""Changes of users, and a fold over them through the stored form of the states."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import msgspec

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.rules import Rules, default_rules
from pipeline.detection.signups import change_detectors
from pipeline.users import Kind, User, UserChange
from tests.unit.detection.series import START


def change(
    number: object,
    at_s: float = 0.0,
    kind: Kind = "MODIFY",
    was: Mapping[str, str] | None = None,
    now: Mapping[str, str] | None = None,
    *,
    user: str = "u1",
    by_ttl: bool = False,
) -> UserChange:
    before, after = (_user(user, fields or {}) for fields in (was, now))
    return UserChange(
        change_id=f"change-{number}",
        sequence=f"{number:0>40}",
        kind=kind,
        user_id=user,
        timestamp=START + timedelta(seconds=at_s),
        before=None if kind != "MODIFY" else before,
        after=None if kind == "REMOVE" else after,
        by_ttl=by_ttl,
    )


def _user(user_id: str, fields: Mapping[str, str]) -> User:
    return msgspec.convert(
        {"user_id": user_id, "email": f"{user_id}@example.com"} | dict(fields), User
    )


class ChangeFolds:
    """All detectors of changes, and the stored states of all subjects."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.detectors = change_detectors(rules or default_rules())
        self.rows: dict[tuple[str, str], bytes] = {}

    def take(self, changes: Iterable[UserChange]) -> list[Anomaly]:
        facts: list[Anomaly] = []
        for one in changes:
            for detector in self.detectors:
                subject = detector.subject(one)
                if subject is None:
                    continue
                row = self.rows.get((detector.name, subject))
                before: Any = (
                    detector.initial()
                    if row is None
                    else msgspec.msgpack.decode(row, type=detector.state_type)
                )
                after, found = detector.fold(before, one)
                self.rows[detector.name, subject] = msgspec.msgpack.encode(after)
                facts += found
        return facts
