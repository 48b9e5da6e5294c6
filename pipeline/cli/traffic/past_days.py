"""The days before the demo's traffic: quiet ones, against which its own day is unlike any other.

Their events are put as those of a producer that was cut off for a while and are computed by the
schedules of their own nights, so that the history of a day's figures is the flow's own.
"""

import random
from datetime import UTC, datetime, time, timedelta
from typing import Final

from pipeline.cli.producers.puts import contract_key, plain, user_put
from pipeline.cli.traffic.incidents import PlantedIncident
from pipeline.cli.traffic.records import Traffic
from pipeline.cli.traffic.shoppers import event

PAST_DAYS: Final = 10
"""More than the seven that a figure needs before it is judged."""

VISITORS: Final = 12
"""Customers who come once on each of these days."""

_UNLIKE: Final = (
    "daily_activity.events",
    "daily_activity.unique_users",
    "daily_metrics.points",
    "daily_metrics.sources",
    "daily_transactions.transactions",
    "daily_transactions.unique_users",
)
"""Figures that are higher than on any of these days; nothing was measured or paid on them."""


def past_days(seed: int, until: datetime) -> Traffic:
    """Make the events of the days before `until`, and what must be found in the day that follows.

    Args:
        seed: Chooses the ids of the events.
        until: End of the traffic that follows; what of it lies before midnight is of its own day.
    """
    rng = random.Random(f"{seed}/past")
    midnight = datetime.combine(until.astimezone(UTC), time(), UTC)
    days = [midnight - timedelta(days=back) for back in range(PAST_DAYS, 0, -1)]
    clicks = [
        event(
            rng,
            "user_activity",
            day + timedelta(hours=7, minutes=50 * number),
            user_id=f"regular-{number:02}",
            activity_type="view",
        )
        for day in days
        for number in range(VISITORS)
    ]
    puts = (plain(at, contract_key(fields), user_put(fields)) for at, fields in clicks)
    incidents = (
        PlantedIncident(
            "a day unlike the ten before it",
            f"kpi_drift#{figure}",
            midnight - timedelta(days=1),
            midnight + timedelta(days=1),
        )
        for figure in _UNLIKE
    )
    return Traffic(tuple(puts), tuple(incidents))
