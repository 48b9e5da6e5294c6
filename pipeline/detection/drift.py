"""Fields that producers send and the contract does not know: told once each, remembered in bounds.

Looking at every event would decode it twice, so the caller looks at a sample. What was told is
remembered as digests: names are the producers' to choose, and a row must stay below 1 KB.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import msgspec

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.health_rules import HealthRule
from pipeline.events import Event

MAX_FIELDS: Final = 64
"""Fields that a shard remembers; the last place says that there are more."""

MAX_GROUP_FIELDS: Final = 12
"""Fields of one producer and event type that are told one by one."""

MAX_NAME_CHARS: Final = 64

_DIGEST_BYTES: Final = 4
_UNNAMED: Final = "an unnamed producer"
_MANY: Final = b"\0" * _DIGEST_BYTES
_DAY_S: Final = 86_400
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Drift(msgspec.Struct, frozen=True, array_like=True):
    """What a shard has told: a digest of producer and event type, then one of the field.

    `day` counts days since 1970; it moves with what comes in, so the row does not expire while a
    field that was told is still sent.
    """

    told: tuple[bytes, ...] = ()
    day: int = 0


def unknown_fields(payload: bytes, event: Event) -> tuple[str, ...]:
    """Return the names of an accepted event's top-level fields that its type does not have."""
    known = {*event.__struct_encode_fields__, str(event.__struct_config__.tag_field)}
    return tuple(sorted(name for name in _object.decode(payload) if name not in known))


def fold(
    rule: HealthRule,
    state: Drift,
    fields: Sequence[str],
    event: Event,
    event_id: str,
    arrived_at: float,
) -> tuple[Drift, Sequence[Anomaly]]:
    """Take in the unknown fields of one event; one fact names all that are new.

    An event folded a second time yields no fact and returns the very same state.
    """
    event_type, producer = str(event.__struct_config__.tag), _producer(event)
    group = _digest(f"{event_type}\n{producer}")
    entries = {name: group + _digest(name) for name in fields}
    new = [name for name, entry in entries.items() if entry not in state.told]
    room = min(
        MAX_FIELDS - 1 - len(state.told),
        MAX_GROUP_FIELDS - sum(entry.startswith(group) for entry in state.told),
    )
    told, more = new[: max(0, room)], group + _MANY
    added = [entries[name] for name in told]
    is_cut = len(told) < len(new) and more not in state.told and len(state.told) < MAX_FIELDS
    day = int(arrived_at) // _DAY_S
    if not added and not is_cut:
        return (state if day <= state.day else Drift(state.told, day)), ()
    after = Drift((*state.told, *added, *([more] if is_cut else []))[:MAX_FIELDS], day)
    reasons = [_reason(name, arrived_at, producer) for name in told]
    if is_cut:
        reasons.append("there are more unknown fields, which are not told one by one")
    arrival = datetime.fromtimestamp(arrived_at, UTC)
    return after, (_fact(rule, event_type, producer, arrival, event_id, tuple(reasons)),)


def _fact(
    rule: HealthRule,
    event_type: str,
    producer: str,
    arrival: datetime,
    event_id: str,
    reasons: tuple[str, ...],
) -> Anomaly:
    fields = "a field" if len(reasons) == 1 else "fields"
    return Anomaly(
        rule_id=rule.id,
        rule_version=rule.version,
        detector=rule.detector,
        kind=rule.kind,
        severity=rule.severity,
        edge="opened",
        subject=f"{event_type} of {producer}",
        source=producer,
        component=rule.component,
        opened_at=arrival,
        occurred_at=arrival,
        event_id=event_id,
        observed=len(reasons),
        expected="the fields of the contract",
        title=f"{event_type} of {producer} has {fields} that the contract does not know",
        reasons=reasons,
        labels={"event_type": event_type, "producer": producer},
    )


def _reason(name: str, arrived_at: float, producer: str) -> str:
    since = datetime.fromtimestamp(arrived_at, UTC)
    return f"field {name[:MAX_NAME_CHARS]} new since {since:%Y-%m-%d %H:%M} UTC, from {producer}"


def _producer(event: Event) -> str:
    producer: Any = event.producer
    return producer if isinstance(producer, str) else _UNNAMED


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()[:_DIGEST_BYTES]
