"""The incidents planted in payments and sign-ins, one for each rule about them.

The attacked customers are nobody else's: what ordinary visits do cannot add to an incident.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, NamedTuple

from pipeline.cli.traffic.incidents import PlantedIncident
from pipeline.cli.traffic.shoppers import (
    CITIES,
    City,
    Shopper,
    Simulated,
    payment,
    place,
    shopper,
    sign_in,
)

_SINGAPORE = City("Singapore", "SG", 1.352, 103.820, "SGD")

# TEST-NET-1 belongs to nobody. Source: RFC 5737.
_ATTACKER = "192.0.2.66"


class Attack(NamedTuple):
    """A planted incident and all events of it, in the order of time."""

    incident: PlantedIncident
    events: tuple[Simulated, ...]


def attacks(seed: int, until: datetime) -> list[Attack]:
    """Make one attack of each kind, the first 95 minutes before the end of the traffic."""
    return [
        make(random.Random(f"{seed}/{make.__name__}"), seed, until - before_end)
        for make, before_end in _SCHEDULE.items()
    ]


def _victim(seed: int, number: int) -> Shopper:
    """Return a customer in Berlin who takes no part in ordinary visits."""
    return replace(shopper(seed, -number), user_id=f"victim-{number:02}", home=CITIES[0])


def _attack(title: str, rule_id: str, subject: str, events: list[Simulated]) -> Attack:
    incident = PlantedIncident(title, f"{rule_id}#{subject}", events[0].at, events[-1].at)
    return Attack(incident, tuple(events))


def _large_amount(rng: random.Random, seed: int, start: datetime) -> Attack:
    who = _victim(seed, 1)
    events = [payment(rng, who, start, 14_500.0, category="electronics")]
    title = f"{who.user_id}: a payment of 14,500"
    return _attack(title, "transaction_amount", who.user_id, events)


def _card_testing(rng: random.Random, seed: int, start: datetime) -> Attack:
    """Try a stolen card with many tiny payments."""
    who = _victim(seed, 2)
    moments = [start + timedelta(seconds=4 * number) for number in range(30)]
    events = [payment(rng, who, at, rng.uniform(0.5, 3)) for at in moments]
    title = f"{who.user_id}: 30 payments in 2 min"
    return _attack(title, "transaction_velocity", who.user_id, events)


def _emptied_account(rng: random.Random, seed: int, start: datetime) -> Attack:
    """Take much money in payments of which each stays below the limit of one."""
    who = _victim(seed, 3)
    moments = [start + timedelta(minutes=4 * number) for number in range(9)]
    events = [payment(rng, who, at, 2_600.0) for at in moments]
    title = f"{who.user_id}: 23,400 EUR in 32 min"
    return _attack(title, "transaction_velocity", who.user_id, events)


def _two_places(rng: random.Random, seed: int, start: datetime) -> Attack:
    who = _victim(seed, 4)
    events = [
        sign_in(rng, who, start),
        sign_in(
            rng,
            who,
            start + timedelta(minutes=40),
            ip_address="192.0.2.10",
            location=place(rng, _SINGAPORE),
        ),
    ]
    title = f"{who.user_id}: Berlin, then Singapore"
    return _attack(title, "impossible_travel", who.user_id, events)


def _guessed_password(rng: random.Random, seed: int, start: datetime) -> Attack:
    """Guess one customer's password from an address of its own each time."""
    who = _victim(seed, 5)
    events = [
        sign_in(
            rng,
            who,
            start + timedelta(seconds=8 * number),
            fails=True,
            ip_address=f"192.0.2.{100 + number}",
        )
        for number in range(30)
    ]
    title = f"{who.user_id}: 30 failed sign-ins"
    return _attack(title, "failed_login_user", who.user_id, events)


def _stuffed_credentials(rng: random.Random, seed: int, start: datetime) -> Attack:
    """Try the password of many customers, each once, from one address."""
    events = [
        sign_in(
            rng,
            _victim(seed, 10 + number),
            start + timedelta(seconds=3 * number),
            fails=True,
            ip_address=_ATTACKER,
        )
        for number in range(50)
    ]
    title = f"{_ATTACKER}: 50 failed sign-ins"
    # Facts do not name an address but this pseudonym of it.
    pseudonym = sha256(_ATTACKER.encode()).hexdigest()[:16]
    return _attack(title, "failed_login_address", pseudonym, events)


_SCHEDULE: Final[dict[Callable[[random.Random, int, datetime], Attack], timedelta]] = {
    _large_amount: timedelta(minutes=95),
    _card_testing: timedelta(minutes=85),
    _emptied_account: timedelta(minutes=80),
    _two_places: timedelta(minutes=70),
    _guessed_password: timedelta(minutes=35),
    _stuffed_credentials: timedelta(minutes=20),
}
