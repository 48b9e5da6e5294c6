"""Series of metric points, and a fold over them through the stored form of the state."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.metrics import MetricDetector, SeriesState
from pipeline.detection.rules import default_rules
from pipeline.events import SystemMetric

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
DETECTOR = MetricDetector.under(default_rules())


class Folded(NamedTuple):
    state: SeriesState
    facts: list[Anomaly]

    def of(self, rule_id: str) -> list[str]:
        """Return the edges and severities of one rule."""
        return [f"{fact.edge} {fact.severity}" for fact in self.facts if fact.rule_id == rule_id]


def point(
    value: float,
    at_s: float = 0.0,
    metric: str = "cpu_usage",
    source: str = "web-7",
    unit: str | None = None,
) -> SystemMetric:
    return SystemMetric(
        metric_name=metric,
        value=float(value),
        timestamp=START + timedelta(seconds=at_s),
        source=source,
        unit=UNSET if unit is None else unit,
    )


def series(
    values: Iterable[float], every_s: float = 60, metric: str = "cpu_usage", unit: str | None = None
) -> list[SystemMetric]:
    return [point(value, i * every_s, metric, unit=unit) for i, value in enumerate(values)]


def fold(
    points: Sequence[SystemMetric],
    state: SeriesState | None = None,
    detector: MetricDetector = DETECTOR,
) -> Folded:
    state = state or detector.initial()
    facts: list[Anomaly] = []
    for i, event in enumerate(points):
        state, found = detector.fold(state, event, f"event-{i}")
        facts += found
    return Folded(state, facts)


def stored(state: SeriesState) -> SeriesState:
    """Return the state as it comes back from its row."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=SeriesState)
