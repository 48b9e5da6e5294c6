"""Records that no retry can make good, one builder per way to break the contract."""

import gzip
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from pipeline.cli.producers.puts import (
    POISON,
    StreamPut,
    UserPut,
    aggregated,
    json_bytes,
    plain,
    user_put,
)

BOMB_BYTES: Final = 8 * 1024 * 1024
"""Size of the gzip bomb once decompressed, far above the limit of a payload."""


def poison_puts(rng: random.Random, at: datetime) -> list[StreamPut]:
    """Return one record of each kind; their bytes differ from call to call.

    A record with a conflicting event id travels in one aggregate with the record it contradicts,
    because only within a batch are the two compared.
    """
    source = f"host-{rng.getrandbits(32):08x}"
    lone = [
        plain(at, source, UserPut(POISON, "", build(_metric(rng, source, at))))
        for build in KINDS.values()
    ]
    return [*lone, _damaged_aggregate(rng, source, at), _conflict(rng, source, at)]


def _truncated(fields: dict[str, Any]) -> bytes:
    return json_bytes(fields)[:-12]


def _wrong_type(fields: dict[str, Any]) -> bytes:
    return json_bytes(fields | {"value": "hot"})


def _missing_field(fields: dict[str, Any]) -> bytes:
    return json_bytes({name: value for name, value in fields.items() if name != "timestamp"})


def _not_a_number(fields: dict[str, Any]) -> bytes:
    return json_bytes(fields | {"value": float("nan")})


def _unknown_type(fields: dict[str, Any]) -> bytes:
    return json_bytes(fields | {"event_type": "heartbeat"})


def _far_future(fields: dict[str, Any]) -> bytes:
    moment = datetime.fromisoformat(fields["timestamp"]) + timedelta(days=400)
    return json_bytes(fields | {"timestamp": moment.isoformat()})


def _not_utf_8(fields: dict[str, Any]) -> bytes:
    return json_bytes(fields).replace(b"host-", b"host\xff", 1)


def _plain_text(fields: dict[str, Any]) -> bytes:
    return f"WARN {fields['source']} was busy at {fields['timestamp']}".encode()


def _gzip_bomb(fields: dict[str, Any]) -> bytes:
    return gzip.compress(json_bytes(fields) + b" " * BOMB_BYTES, mtime=0)


KINDS: Final[dict[str, Callable[[dict[str, Any]], bytes]]] = {
    "plain text": _plain_text,
    "truncated JSON": _truncated,
    "wrong type": _wrong_type,
    "missing field": _missing_field,
    "NaN": _not_a_number,
    "unknown event type": _unknown_type,
    "far future": _far_future,
    "not UTF-8": _not_utf_8,
    "gzip bomb": _gzip_bomb,
}


def _metric(rng: random.Random, source: str, at: datetime) -> dict[str, Any]:
    return {
        "event_type": "system_metric",
        "event_id": f"{rng.getrandbits(128):032x}",
        "metric_name": "queue_depth",
        "value": round(rng.uniform(0, 50), 3),
        "timestamp": at.isoformat(timespec="milliseconds"),
        "source": source,
        "producer": "streamwarden-demo",
    }


def _damaged_aggregate(rng: random.Random, source: str, at: datetime) -> StreamPut:
    records = [user_put(_metric(rng, source, at)) for _ in range(3)]
    whole = aggregated(at, source, records).data
    damaged = whole[:-1] + bytes([whole[-1] ^ 0xFF])
    return plain(at, source, UserPut(POISON, "", damaged))


def _conflict(rng: random.Random, source: str, at: datetime) -> StreamPut:
    fields = _metric(rng, source, at)
    other = UserPut(POISON, "", json_bytes(fields | {"value": fields["value"] + 1}))
    return aggregated(at, source, [user_put(fields), other])
