"""The demo's traffic: seeded, the same for the same seed and the same end."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pipeline.cli.incidents import SPAN, PlantedIncident, metric_puts, planted_incidents
from pipeline.cli.poison import poison_puts
from pipeline.cli.puts import StreamPut, aggregated, plain, user_put, zipped

MIN_RECORDS: Final = 1300
"""Fewest user records that hold all metric series and one poison record of each kind."""

_USERS = 400
_MERCHANTS = 60
_SHARE_ZIPPED = 0.03
_SHARE_WITHOUT_ID = 0.05
_SHARE_REPEATED = 0.01
_SHARE_BURSTS = 0.02
_BURST = 5


@dataclass(frozen=True, slots=True)
class Traffic:
    """Kinesis records in the order in which they are put, and what is hidden in them."""

    puts: tuple[StreamPut, ...]
    incidents: tuple[PlantedIncident, ...]

    @property
    def user_records(self) -> int:
        """How many user records the Kinesis records carry."""
        return sum(len(put.user_records) for put in self.puts)


def make_traffic(*, records: int, seed: int, until: datetime) -> Traffic:
    """Make user records of all event types with planted incidents, poison and repetitions.

    Args:
        records: Number of user records, at least `MIN_RECORDS`.
        seed: Chooses everything but the time.
        until: End of the simulated hours; no event is later, save for the poison meant to be.
    """
    if records < MIN_RECORDS:
        raise ValueError(f"the traffic needs at least {MIN_RECORDS} records, not {records}")
    rng = random.Random(seed)
    puts = list(metric_puts(rng, until))
    for _ in range(max(records // 1000, 1)):
        puts += poison_puts(rng, _moment(rng, until))
    left = records - sum(len(put.user_records) for put in puts)
    while left > 0:
        added = _ordinary(rng, until, left)
        puts += added
        left -= sum(len(put.user_records) for put in added)
    puts.sort(key=lambda put: put.at)
    return Traffic(tuple(puts), planted_incidents(until))


def _ordinary(rng: random.Random, until: datetime, room: int) -> list[StreamPut]:
    """Return one ordinary record, sometimes twice, or a burst of one user's activities."""
    at = _moment(rng, until)
    user_id = f"user-{rng.randrange(_USERS):04}"
    if room > _BURST and rng.random() < _SHARE_BURSTS:
        burst = [user_put(_activity(rng, user_id, at)) for _ in range(_BURST)]
        return [aggregated(at, user_id, [*burst, burst[-1]])]
    make = rng.choices((_activity, _transaction, _fraud_report), (60, 35, 5))[0]
    fields = make(rng, user_id, at)
    if rng.random() < _SHARE_WITHOUT_ID:
        del fields["event_id"]
    send = zipped if rng.random() < _SHARE_ZIPPED else plain
    put = send(at, user_id, user_put(fields))
    is_repeated = room > 1 and "event_id" in fields and rng.random() < _SHARE_REPEATED
    return [put, put] if is_repeated else [put]


def _moment(rng: random.Random, until: datetime) -> datetime:
    return until - timedelta(seconds=rng.uniform(1, SPAN.total_seconds()))


def _common(rng: random.Random, event_type: str, user_id: str, at: datetime) -> dict[str, Any]:
    return {
        "event_type": event_type,
        "event_id": f"{rng.getrandbits(128):032x}",
        "producer": "streamwarden-demo",
        "user_id": user_id,
        "timestamp": at.isoformat(timespec="milliseconds"),
    }


def _activity(rng: random.Random, user_id: str, at: datetime) -> dict[str, Any]:
    return _common(rng, "user_activity", user_id, at) | {
        "activity_type": rng.choice(("login", "view", "search", "add_to_cart", "logout")),
        "session_id": f"{rng.getrandbits(64):016x}",
        "ip_address": f"198.51.100.{rng.randrange(256)}",
        "details": {"page": f"/products/{rng.randrange(5000)}", "ms": rng.randrange(20, 900)},
        "client_version": "4.2.0",  # unknown to the contract: kept in the lake only
    }


def _transaction(rng: random.Random, user_id: str, at: datetime) -> dict[str, Any]:
    amount = f"{rng.lognormvariate(3.2, 0.8):.2f}"
    return _common(rng, "transaction", user_id, at) | {
        "transaction_id": f"tx-{rng.getrandbits(48):012x}",
        "amount": amount if rng.random() < 0.8 else float(amount),
        "currency": rng.choice(("EUR", "USD", "CHF")),
        "merchant": f"shop-{rng.randrange(_MERCHANTS):02}",
        "category": rng.choice(("groceries", "travel", "electronics")),
        "status": rng.choice(("authorized", "captured", "refunded")),
    }


def _fraud_report(rng: random.Random, user_id: str, at: datetime) -> dict[str, Any]:
    happened = at - timedelta(days=rng.uniform(1, 7))
    return _common(rng, "fraud_report", user_id, at) | {
        "transaction_id": f"tx-{rng.getrandbits(48):012x}",
        "transaction_timestamp": happened.isoformat(timespec="milliseconds"),
        "merchant": f"shop-{rng.randrange(_MERCHANTS):02}",
        "is_fraud": rng.random() < 0.7,
    }
