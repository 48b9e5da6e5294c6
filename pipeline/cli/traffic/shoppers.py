"""Ordinary customers: where they live, how they sign in, look around and buy, hour by hour."""

import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final, NamedTuple

PRODUCER: Final = "streamwarden-traffic"

LONGEST_VISIT: Final = timedelta(minutes=10)
"""No visit takes longer, so none that starts that long before the end is cut off."""

_BUSY = (3, 2, 1, 1, 1, 2, 4, 7, 10, 11, 12, 13, 14, 12, 11, 11, 12, 14, 16, 18, 17, 13, 9, 5)
"""Share of the day's visits by hour of the day, UTC: a peak at noon and a higher one at seven."""

_STRIDE = 7919  # a prime: neighbours in time are strangers, and nobody comes back early
_MERCHANTS = 120
_CATEGORIES = ("groceries", "electronics", "travel", "clothing", "books", "home")


class Simulated(NamedTuple):
    """An event of the simulation: its moment, which is also its timestamp, and its fields."""

    at: datetime
    fields: dict[str, Any]


class City(NamedTuple):
    """Where people live; degrees of WGS 84."""

    name: str
    country: str
    latitude: float
    longitude: float
    currency: str


CITIES: Final = (
    City("Berlin", "DE", 52.520, 13.405, "EUR"),
    City("Hamburg", "DE", 53.551, 9.994, "EUR"),
    City("Munich", "DE", 48.137, 11.575, "EUR"),
    City("Paris", "FR", 48.857, 2.352, "EUR"),
    City("Lyon", "FR", 45.764, 4.836, "EUR"),
    City("Madrid", "ES", 40.417, -3.704, "EUR"),
    City("Lisbon", "PT", 38.722, -9.139, "EUR"),
    City("Rome", "IT", 41.903, 12.496, "EUR"),
    City("Vienna", "AT", 48.208, 16.374, "EUR"),
    City("Amsterdam", "NL", 52.368, 4.904, "EUR"),
    City("Zurich", "CH", 47.377, 8.541, "CHF"),
    City("London", "GB", 51.507, -0.128, "GBP"),
)


@dataclass(frozen=True, slots=True)
class Shopper:
    """A customer with one card, always the same for the same seed and number."""

    user_id: str
    card: str
    home: City
    ip_address: str
    mean_amount: float
    merchants: tuple[int, ...]


def shopper(seed: int, number: int) -> Shopper:
    """Make the customer of a number."""
    rng = random.Random(f"{seed}/shopper/{number}")
    return Shopper(
        user_id=f"user-{number:04}",
        card=f"card-{rng.getrandbits(40):010x}",
        home=rng.choice(CITIES),
        # 198.18.0.0/15 belongs to nobody. Source: RFC 2544.
        ip_address=f"198.{18 + (number >> 16) % 2}.{number >> 8 & 255}.{number & 255}",
        mean_amount=rng.uniform(5, 100),
        merchants=tuple(rng.sample(range(_MERCHANTS), 5)),
    )


class Rhythm:
    """The course of a day: tells when a given share of all visits has begun."""

    def __init__(self, start: datetime, end: datetime) -> None:
        self._moments = [start]
        self._shares = [0.0]
        while self._moments[-1] < end:
            before = self._moments[-1]
            hour = before.replace(minute=0, second=0, microsecond=0)
            after = min(hour + timedelta(hours=1), end)
            self._moments.append(after)
            weight = _BUSY[before.hour] * (after - before).total_seconds()
            self._shares.append(self._shares[-1] + weight)

    def moment(self, share: float) -> datetime:
        """Return when a share of all visits, from 0 to less than 1, has begun."""
        wanted = share * self._shares[-1]
        index = bisect_right(self._shares, wanted) - 1
        reached, next_share = self._shares[index : index + 2]
        start, end = self._moments[index : index + 2]
        return start + (end - start) * ((wanted - reached) / (next_share - reached))


def visits(records: int, seed: int, start: datetime, until: datetime) -> Iterator[Simulated]:
    """Yield exactly so many events of customers' visits, in the order of time.

    Customers come one after the other and come again when all have been there, so the pace of
    one customer does not grow with the number of records. Memory holds the visits under way.
    """
    rng = random.Random(f"{seed}/visits")
    rhythm = Rhythm(start, until - LONGEST_VISIT)
    customers = max(400, records // 10)
    under_way: list[tuple[datetime, int, dict[str, Any]]] = []
    tie_breaker = count()
    begun = 0
    for number in count():
        if begun == records:
            break
        begins = rhythm.moment(begun / records)
        while under_way and under_way[0][0] < begins:
            at, _, fields = heappop(under_way)
            yield Simulated(at, fields)
        visit = _visit(rng, shopper(seed, number * _STRIDE % customers), begins)
        for event in visit[: records - begun]:
            heappush(under_way, (event.at, next(tie_breaker), event.fields))
            begun += 1
    while under_way:
        at, _, fields = heappop(under_way)
        yield Simulated(at, fields)


def event(rng: random.Random, event_type: str, at: datetime, **fields: object) -> Simulated:
    """Make an event with an id of its own, at a whole millisecond."""
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    return Simulated(
        at,
        {
            "event_type": event_type,
            "event_id": _unique(rng, at),
            "timestamp": at.isoformat(timespec="milliseconds"),
            "producer": PRODUCER,
            **fields,
        },
    )


def place(rng: random.Random, city: City) -> dict[str, Any]:
    """Return a position somewhere in a city."""
    return {
        "latitude": round(city.latitude + rng.uniform(-0.05, 0.05), 4),
        "longitude": round(city.longitude + rng.uniform(-0.05, 0.05), 4),
        "city": city.name,
        "country": city.country,
    }


def sign_in(
    rng: random.Random, who: Shopper, at: datetime, *, fails: bool = False, **fields: object
) -> Simulated:
    """Make a sign-in from the customer's home unless the fields say otherwise."""
    usual = {"ip_address": who.ip_address, "location": place(rng, who.home)}
    activity_type = "login_failed" if fails else "login"
    known = {"user_id": who.user_id, "activity_type": activity_type}
    return event(rng, "user_activity", at, **known, **usual | fields)


def payment(
    rng: random.Random, who: Shopper, at: datetime, amount: float, **fields: object
) -> Simulated:
    """Make a payment with the customer's card; `card` is unknown to the contract, as is usual."""
    merchant = rng.choice(who.merchants)
    usual = {
        "transaction_id": f"tx-{_unique(rng, at)}",
        "user_id": who.user_id,
        "amount": round(amount, 2) if rng.random() < 0.2 else f"{amount:.2f}",
        "currency": who.home.currency,
        "merchant": f"shop-{merchant:03}",
        "category": _CATEGORIES[merchant % len(_CATEGORIES)],
        "status": "authorized",
        "location": place(rng, who.home),
        "card": who.card,
    }
    return event(rng, "transaction", at, **usual | fields)


def _visit(rng: random.Random, who: Shopper, begins: datetime) -> list[Simulated]:
    """Return what one visit leaves behind, in the order of time."""
    pauses = _Pauses(rng, begins)
    events: list[Simulated] = []
    if rng.random() < 0.06:  # mistyped
        events.append(sign_in(rng, who, pauses.next(), fails=True))
    events.append(sign_in(rng, who, pauses.next()))
    session = {"session_id": f"{rng.getrandbits(64):016x}", "ip_address": who.ip_address}
    events += [
        _click(rng, who, pauses.next(), rng.choice(("view", "search")), session)
        for _ in range(rng.randrange(1, 6))
    ]
    if rng.random() < 0.35:
        events.append(_click(rng, who, pauses.next(), "add_to_cart", session))
        events += _purchase(rng, who, pauses)
    if rng.random() < 0.5:
        events.append(_click(rng, who, pauses.next(), "logout", session))
    if rng.random() < 0.08:
        events.append(_fraud_report(rng, who, pauses.next()))
    return events


class _Pauses:
    """The moments of one visit: at most 16 of them, seconds apart, so that it ends in time."""

    def __init__(self, rng: random.Random, begins: datetime) -> None:
        self._rng = rng
        self._at = begins

    def next(self) -> datetime:
        self._at += timedelta(milliseconds=self._rng.randrange(1_000, 35_000))
        return self._at


def _click(
    rng: random.Random, who: Shopper, at: datetime, activity_type: str, session: dict[str, str]
) -> Simulated:
    return event(
        rng,
        "user_activity",
        at,
        user_id=who.user_id,
        activity_type=activity_type,
        **session,
        details={"page": f"/products/{rng.randrange(5000)}", "ms": rng.randrange(20, 900)},
    )


def _purchase(rng: random.Random, who: Shopper, pauses: _Pauses) -> list[Simulated]:
    """Return a payment and what becomes of it under the same transaction id."""
    amount = max(abs(rng.gauss(who.mean_amount, who.mean_amount / 2)), 0.5)
    first = payment(rng, who, pauses.next(), amount)
    fate = rng.choices(("captured", "declined", ""), (80, 5, 15))[0]
    if not fate:
        return [first]
    kept = ("user_id", "transaction_id", "amount", "currency", "merchant", "category", "card")
    same = {name: first.fields[name] for name in kept}
    return [first, event(rng, "transaction", pauses.next(), **same, status=fate)]


def _fraud_report(rng: random.Random, who: Shopper, at: datetime) -> Simulated:
    """Return the report about a payment of an earlier day."""
    happened = at - timedelta(days=rng.uniform(1, 7))
    return event(
        rng,
        "fraud_report",
        at,
        user_id=who.user_id,
        transaction_id=f"tx-{_unique(rng, happened)}",
        transaction_timestamp=happened.isoformat(timespec="milliseconds"),
        merchant=f"shop-{rng.choice(who.merchants):03}",
        is_fraud=rng.random() < 0.7,
    )


def _unique(rng: random.Random, at: datetime) -> str:
    """Return an id that the same seed does not give again at another time."""
    return f"{int(at.timestamp() * 1000):012x}{rng.getrandbits(80):020x}"
