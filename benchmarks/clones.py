"""Count cloned cards that the rule of impossible travel finds, and journeys that it flags wrongly.

Customers of the fraud simulator pay near their homes, positions wrong by up to 20 km. Some fly:
they pay at an airport, fly 500 to 9,000 km at 850 km/h with an hour at each end, and pay there.
Some cards are cloned: they are used 1,500 km away and more within the hour. All by seed.

Run it with `make bench-detection`.
"""

import random
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import asin, atan2, cos, degrees, pi, radians, sin
from typing import Final, NamedTuple

from pipeline.detection.rules import default_rules
from pipeline.detection.travel import EARTH_RADIUS_KM, TravelDetector
from pipeline.events import Location, Money, Transaction

ERROR_KM: Final = 20.0
CRUISE_KM_H: Final = 850.0
CARDS: Final = 300
DAYS: Final = 28

_START: Final = datetime(2026, 3, 2, tzinfo=UTC)


class Use(NamedTuple):
    """A payment of a card, and whether a clone made it."""

    at_s: float
    place: Location
    is_clone: bool = False


class Found(NamedTuple):
    """How many clones there were, how many were found, and how many owners were flagged."""

    clones: int
    found: int
    false: int
    flights: int


def run(seed: int, cards: int = CARDS) -> Found:
    """Fold the uses of all cards and compare the flags with the truth."""
    rng = random.Random(seed)
    detector = TravelDetector.under(default_rules())
    clones = found = false = flights = 0
    for card in range(cards):
        uses, flown = _uses(rng)
        flights += flown
        state = detector.initial()
        for number, use in enumerate(sorted(uses)):
            event = Transaction(
                transaction_id=f"{card}-{number}",
                user_id=f"user-{card}",
                amount=Money(20),
                currency="EUR",
                timestamp=_START + timedelta(seconds=use.at_s),
                location=use.place,
            )
            after, _ = detector.fold(state, event, event.transaction_id)
            is_flagged = after.refused != state.refused
            state = after
            clones += use.is_clone
            found += use.is_clone and is_flagged
            false += is_flagged and not use.is_clone
    return Found(clones, found, false, flights)


def main(seeds: Sequence[int]) -> None:
    """Print recall and false flags of each seed."""
    for seed in seeds:
        one = run(seed)
        print(
            f"seed {seed}: {one.found} of {one.clones} cloned uses found, "
            f"{one.false} false flags over {one.flights} flights"
        )
        is_met = one.found == one.clones and not one.false
        print(f"goal: every clone, no false flag   {'met' if is_met else 'MISSED'}")


def _uses(rng: random.Random) -> tuple[list[Use], int]:
    """Return what happens to one card over the days, and how often its owner flew."""
    home = Location(latitude=rng.uniform(-50, 60), longitude=rng.uniform(-179, 179))
    uses: list[Use] = []
    flights = 0
    here = home
    for day in range(DAYS):
        noon = day * 86_400 + rng.uniform(9, 11) * 3600
        if rng.random() < 0.08:
            km = rng.uniform(500, 9_000)
            there = _moved(here, km, rng.uniform(0, 2 * pi))
            lands = noon + 7200 + km / CRUISE_KM_H * 3600  # an hour at each end
            uses += [Use(noon, _about(rng, here)), Use(lands, _about(rng, there))]
            here, flights = there, flights + 1
            continue
        for _ in range(rng.randrange(4)):
            noon += rng.uniform(60, 7200)
            uses.append(Use(noon, _about(rng, here)))
        if uses and uses[-1].at_s == noon and rng.random() < 0.05:
            far = _moved(here, rng.uniform(1_500, 15_000), rng.uniform(0, 2 * pi))
            uses.append(Use(noon + rng.uniform(60, 3600), _about(rng, far), is_clone=True))
    return uses, flights


def _about(rng: random.Random, place: Location) -> Location:
    return _moved(place, rng.uniform(0, ERROR_KM), rng.uniform(0, 2 * pi))


def _moved(place: Location, km: float, bearing: float) -> Location:
    """Return where one gets from a place on a great circle."""
    way, latitude = km / EARTH_RADIUS_KM, radians(place.latitude)
    sine = sin(latitude) * cos(way) + cos(latitude) * sin(way) * cos(bearing)
    there = asin(max(-1.0, min(1.0, sine)))
    turned = atan2(sin(bearing) * sin(way) * cos(latitude), cos(way) - sin(latitude) * sine)
    longitude = (place.longitude + degrees(turned) + 180) % 360 - 180
    return Location(latitude=degrees(there), longitude=longitude)


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or [1, 2, 3])
