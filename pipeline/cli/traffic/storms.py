"""Storms planted in the traffic: many incidents of one rule at once, which nobody reads one by one.

The hosts of a rack are one group, so the first of them pages and one update tells of the others.
The customers are no group: of those that the page budget has no room for, a digest tells.
"""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from pipeline.cli.traffic.attacks import Attack
from pipeline.cli.traffic.incidents import PlantedIncident
from pipeline.cli.traffic.shoppers import CITIES, event, payment, shopper

HOSTS: Final = 24
CUSTOMERS: Final = 24

_RACK_BEFORE_END: Final = timedelta(minutes=22)
_CHARGES_BEFORE_END: Final = timedelta(minutes=18)
_NOBODY: Final = 1000
"""Numbers of customers from here on, counted down, take no part in ordinary visits."""


def storms(seed: int, until: datetime) -> list[Attack]:
    """Make both storms: incidents of one title belong together.

    Args:
        seed: Chooses the customers.
        until: End of the traffic.
    """
    rng = random.Random(f"{seed}/storms")
    return [
        *(_full_disk(rng, number, until - _RACK_BEFORE_END) for number in range(HOSTS)),
        *(_charged(rng, seed, number, until - _CHARGES_BEFORE_END) for number in range(CUSTOMERS)),
    ]


def _full_disk(rng: random.Random, number: int, start: datetime) -> Attack:
    """Fill the disk of a host of the rack, and clear it a few minutes later."""
    source = f"rack-{number + 1:02}"
    points = [
        event(
            rng,
            "system_metric",
            start + timedelta(seconds=rng.uniform(0, 1), minutes=minutes),
            metric_name="disk_usage",
            value=value,
            source=source,
            unit="%",
        )
        for minutes, value in ((0, 95.5), (5, 61.0), (10, 61.2))
    ]
    incident = PlantedIncident(
        f"{HOSTS} hosts of a rack: full disks",
        f"static_limit#{source}/disk_usage",
        start,
        start + timedelta(seconds=1),
    )
    return Attack(incident, tuple(points))


def _charged(rng: random.Random, seed: int, number: int, start: datetime) -> Attack:
    """Charge a customer far too much."""
    who = replace(
        shopper(seed, -_NOBODY - number), user_id=f"charged-{number + 1:02}", home=CITIES[0]
    )
    paid = payment(rng, who, start + timedelta(seconds=number), 14_500.0, category="groceries")
    incident = PlantedIncident(
        f"{CUSTOMERS} customers charged a hundredfold",
        f"transaction_amount#{who.user_id}",
        paid.at,
        paid.at,
    )
    return Attack(incident, (paid,))
