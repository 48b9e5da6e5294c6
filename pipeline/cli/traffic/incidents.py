"""The incidents planted in metrics: the series of a few hosts and services, some of which go wrong.

The incidents planted in payments and sign-ins are in attacks.py.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pipeline.cli.traffic.shoppers import Simulated, event

STEP: Final = timedelta(minutes=3)
"""Time between two points of a series."""

SPAN: Final = timedelta(hours=8)
"""Shortest simulated time: the baseline needs 100 points before it judges."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with a series: the values it takes, `start` before the end of the traffic."""

    title: str
    rule_id: str
    start: timedelta
    length: timedelta
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """A metric series: its usual level with normal noise, cut at 2.5 standard deviations."""

    source: str
    metric_name: str
    unit: str
    mean: float
    deviation: float
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class PlantedIncident:
    """What the pipeline must find: one alert under this key, opened between the two moments."""

    title: str
    dedup_key: str
    starts_at: datetime
    ends_at: datetime

    @property
    def rule_id(self) -> str:
        """The rule that must find it."""
        return self.dedup_key.partition("#")[0]


SERIES: Final = (
    Series("web-1", "cpu_usage", "%", 38.0, 4.0),
    Series("web-2", "cpu_usage", "%", 44.0, 5.0),
    Series(
        "web-7",
        "cpu_usage",
        "%",
        42.0,
        4.0,
        Fault(
            "web-7: CPU at 97 %",
            "static_limit",
            timedelta(minutes=75),
            timedelta(minutes=30),
            97.0,
        ),
    ),
    Series(
        "db-1",
        "disk_usage",
        "%",
        71.0,
        0.2,
        Fault(
            "db-1: disk jumps to 93.5 %",
            "static_limit",
            timedelta(minutes=50),
            timedelta(minutes=50),
            93.5,
        ),
    ),
    Series(
        "checkout",
        "error_rate",
        "%",
        0.5,
        0.1,
        Fault(
            "checkout: 31 % errors",
            "static_limit",
            timedelta(minutes=40),
            timedelta(minutes=25),
            31.0,
        ),
    ),
    Series(
        "search",  # what is unusual at a source in critical trouble may be hidden as a symptom
        "response_time",
        "ms",
        120.0,
        12.0,
        Fault(
            "search: one answer of 640 ms",
            "metric_baseline",
            timedelta(minutes=100),
            STEP,
            640.0,
        ),
    ),
    Series(
        "shop",
        "orders_per_minute",
        "1/min",
        80.0,
        6.0,
        Fault(
            "shop: orders fall to 4 a minute",
            "metric_baseline",
            timedelta(minutes=30),
            timedelta(minutes=30),
            4.0,
        ),
    ),
)


def metric_incidents(until: datetime) -> tuple[PlantedIncident, ...]:
    """Return the incidents of the series whose traffic ends at `until`."""
    return tuple(
        PlantedIncident(
            series.fault.title,
            f"{series.fault.rule_id}#{series.source}/{series.metric_name}",
            until - series.fault.start,
            until - series.fault.start + series.fault.length,
        )
        for series in SERIES
        if series.fault
    )


def metric_points(
    seed: int, series: Series, until: datetime, span: timedelta = SPAN
) -> Iterator[Simulated]:
    """Yield the points of a series in the order of time, one each `STEP`."""
    rng = random.Random(f"{seed}/{series.source}/{series.metric_name}")
    for number in reversed(range(span // STEP)):
        at = until - number * STEP - timedelta(seconds=rng.uniform(1, 30))
        yield event(
            rng,
            "system_metric",
            at,
            metric_name=series.metric_name,
            value=_value(rng, series, until - at),
            source=series.source,
            unit=series.unit,
        )


def _value(rng: random.Random, series: Series, before_end: timedelta) -> float:
    noise = min(max(rng.gauss(0.0, 1.0), -2.5), 2.5) * series.deviation
    fault = series.fault
    if fault and fault.start - fault.length < before_end <= fault.start:
        return round(fault.value + noise * 0.1, 3)
    return round(series.mean + noise, 3)
