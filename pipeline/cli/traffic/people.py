"""Seeded changes of UsersTable: people sign up, change and leave, and some are up to no good.

A table's stream bears the time of the write, so unlike events these changes cannot lie in the past.
The same seed gives the same changes. E-mail domains, addresses and phone numbers belong to nobody;
sources: RFC 2606, RFC 2544, RFC 5737, and the range 555-01XX for fiction.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple

from pipeline.cli.traffic.incidents import PlantedIncident

MIN_PEOPLE: Final = 20
"""Fewest ordinary users of a crowd: some of them change something."""

BURST_DOMAIN: Final = "prize-draw.example"
BURST_ADDRESS: Final = "203.0.113.77"
VICTIM: Final = "member-victim"

_OF_DOMAIN: Final = 14
_FROM_ADDRESS: Final = 14
_LEAVING: Final = 25
_PER_DOMAIN: Final = 6  # colleagues; ten within ten minutes would be a burst
_LOCALES: Final = ("de-DE", "en-GB", "fr-FR", "it-IT", "es-ES")
_FIRST_NAMES: Final = ("Ada", "Ben", "Carla", "Dmitri", "Emre", "Fatima", "Grace", "Hugo", "Ines")
_LAST_NAMES: Final = ("Berg", "Costa", "Dubois", "Evans", "Fischer", "Gruber", "Hansen", "Ito")

User = Mapping[str, str]


class PutUser(NamedTuple):
    """A user is written as he is now, whole: a sign-up if there was none of his id."""

    user: User

    @property
    def user_id(self) -> str:
        """Who is written."""
        return self.user["user_id"]


class RemoveUser(NamedTuple):
    """A user is deleted."""

    user_id: str


UserAction = PutUser | RemoveUser


class Plan(NamedTuple):
    """An incident that is planted, without the time at which it will be."""

    title: str
    dedup_key: str

    def between(self, since: datetime, until: datetime) -> PlantedIncident:
        """Return the incident of changes that were written between two moments."""
        return PlantedIncident(self.title, self.dedup_key, since, until)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Sign-ups, then changes, then removals; each in an order that holds for each user."""

    joining: tuple[PutUser, ...]
    changing: tuple[PutUser, ...]
    leaving: tuple[RemoveUser, ...]
    plans: tuple[Plan, ...]

    def actions(self) -> Iterator[UserAction]:
        """Yield everything in its order."""
        yield from self.joining
        yield from self.changing
        yield from self.leaving


def make_crowd(people: int, seed: int) -> Crowd:
    """Make ordinary users with a take-over, two bursts of sign-ups and a mass deletion among them.

    Args:
        people: Number of ordinary users, at least `MIN_PEOPLE`; the planted ones come on top.
        seed: Chooses everything.
    """
    if people < MIN_PEOPLE:
        raise ValueError(f"a crowd has at least {MIN_PEOPLE} people, not {people}")
    rng = random.Random(f"{seed}/people")
    ordinary = [_person(rng, f"member-{number:04}", number) for number in range(people)]
    victim = _person(rng, VICTIM, people)
    leaving = [
        _person(rng, f"leaver-{number:02}", people + 1 + number) for number in range(_LEAVING)
    ]
    bursts = [*_burst_of_domain(rng), *_burst_from_address(rng)]
    newcomers = [*ordinary, victim, *leaving, *bursts]
    rng.shuffle(newcomers)
    return Crowd(
        joining=tuple(PutUser(user) for user in newcomers),
        changing=tuple(PutUser(user) for user in [*_changed(rng, ordinary), *_taken_over(victim)]),
        leaving=tuple(RemoveUser(user["user_id"]) for user in leaving),
        plans=_plans(),
    )


def _plans() -> tuple[Plan, ...]:
    # Facts do not name an address but this pseudonym of it.
    pseudonym = sha256(BURST_ADDRESS.encode()).hexdigest()[:16]
    return (
        Plan(f"{VICTIM}: e-mail, phone, password", f"account_takeover#{VICTIM}"),
        Plan(f"{_OF_DOMAIN} sign-ups of one domain", f"signup_domain#{BURST_DOMAIN}"),
        Plan(f"{_FROM_ADDRESS} sign-ups of one address", f"signup_address#{pseudonym}"),
        Plan(f"{_LEAVING} users removed at once", "mass_deletion#users"),
    )


def _person(rng: random.Random, user_id: str, number: int, **known: str) -> dict[str, str]:
    """Return a user with an e-mail domain that few share and an address of his own."""
    first, last = rng.choice(_FIRST_NAMES), rng.choice(_LAST_NAMES)
    fields = {
        "user_id": user_id,
        "email": f"{first}.{last}.{number}@firm-{number // _PER_DOMAIN:03}.example".lower(),
        "name": f"{first} {last}",
        "phone": f"+1-202-555-01{number % 100:02}",
        "password_hash": f"scrypt${rng.getrandbits(128):032x}",
        "status": "new",
        "locale": rng.choice(_LOCALES),
        "signup_ip": f"198.{18 + (number >> 16) % 2}.{number >> 8 & 255}.{number & 255}",
    }
    return {**fields, **known}


def _changed(rng: random.Random, people: Sequence[User]) -> Iterator[User]:
    """Let one in ten change something, none of them enough to look taken over."""
    for person in rng.sample(list(people), max(4, len(people) // 10)):
        change = rng.choice(("status", "locale", "email", "password_hash"))
        fresh = {
            "status": "active",
            "locale": "nl-NL",
            "email": f"new.{person['email']}",
            "password_hash": f"scrypt${rng.getrandbits(128):032x}",
        }
        yield {**person, change: fresh[change]}


def _taken_over(victim: User) -> Iterator[User]:
    """Lock a user out of the account, one attribute after the other."""
    user = dict(victim)
    for name, stolen in (
        ("password_hash", f"scrypt${0:032x}"),
        ("email", "somebody.else@elsewhere.example"),
        ("phone", "+1-202-555-0199"),
    ):
        user[name] = stolen
        yield dict(user)


def _burst_of_domain(rng: random.Random) -> Iterator[User]:
    for number in range(_OF_DOMAIN):
        yield _person(
            rng,
            f"prize-{number:02}",
            number,
            email=f"winner{number}@{BURST_DOMAIN}",
            signup_ip=f"198.51.100.{number}",
        )


def _burst_from_address(rng: random.Random) -> Iterator[User]:
    for number in range(_FROM_ADDRESS):
        yield _person(
            rng,
            f"script-{number:02}",
            number,
            email=f"s{number}@host-{number}.example",
            signup_ip=BURST_ADDRESS,
        )
