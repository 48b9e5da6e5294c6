"""Seeded traffic: hours of a shop's life as a stream of events, with planted incidents in it.

The same seed, length and end give the same events, byte for byte.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from heapq import merge

from pipeline.cli.traffic.attacks import Attack, attacks
from pipeline.cli.traffic.incidents import (
    SERIES,
    SPAN,
    STEP,
    PlantedIncident,
    metric_incidents,
    metric_points,
)
from pipeline.cli.traffic.shoppers import Simulated, visits


@dataclass(frozen=True)
class Simulation:
    """Hours of a shop's life, up to `until`: its hosts' metrics, its customers, its attackers.

    Args:
        records: Number of events.
        seed: Chooses everything but the time.
        until: End of the simulated hours, in UTC; no event is later.
        span: Length of the simulated hours.

    Raises:
        ValueError: `span` is shorter than `SPAN`, or `records` cannot hold metrics and attacks.
    """

    records: int
    seed: int
    until: datetime
    span: timedelta = SPAN

    def __post_init__(self) -> None:
        if self.span < SPAN:
            raise ValueError(
                f"the traffic needs at least {_hours(SPAN)} hours, not {_hours(self.span)}"
            )
        if self._ordinary < 0:
            least = self.records - self._ordinary
            raise ValueError(
                f"{_hours(self.span)} hours of metrics and the planted incidents are "
                f"{least} records, more than {self.records}"
            )

    @property
    def incidents(self) -> tuple[PlantedIncident, ...]:
        """What is planted: the incidents that the pipeline must find, and no others."""
        return (*metric_incidents(self.until), *(attack.incident for attack in self._attacks))

    def events(self) -> Iterator[Simulated]:
        """Yield the events in the order of time; memory holds the visits under way."""
        start = self.until - self.span
        return merge(
            *(metric_points(self.seed, series, self.until, self.span) for series in SERIES),
            *(attack.events for attack in self._attacks),
            visits(self._ordinary, self.seed, start, self.until),
            key=lambda event: event.at,
        )

    @cached_property
    def _attacks(self) -> list[Attack]:
        return attacks(self.seed, self.until)

    @property
    def _ordinary(self) -> int:
        """How many events are left for ordinary visits."""
        metrics = len(SERIES) * (self.span // STEP)
        return self.records - metrics - sum(len(attack.events) for attack in self._attacks)


def _hours(span: timedelta) -> str:
    return f"{span / timedelta(hours=1):g}"
