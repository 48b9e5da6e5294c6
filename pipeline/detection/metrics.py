"""The fold for metric points: static limits and a learned baseline, per source and metric.

One incident, one alert: while a series is beyond its static limit, the baseline opens nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from struct import Struct
from typing import Final, NamedTuple, Self

import msgspec

from pipeline.detection.anomaly import Anomaly, Edge
from pipeline.detection.baseline import UNKNOWN, Learned, View, learn
from pipeline.detection.incidents import IDLE, Incident, breach, relent, severity_at
from pipeline.detection.page_test import METRIC as PAGE_TEST
from pipeline.detection.rules import Limit, MetricBaseline, Rules, StaticLimit
from pipeline.detection.series_facts import Point, Surprise, Usual, baseline_fact, limit_fact
from pipeline.events import Event, SystemMetric

RECENT_POINTS: Final = 16
"""How many of the last values a fact shows."""

_RECENT: Final = Struct("<f")
_LARGEST_RECENT: Final = 3e38
_STEEPEST: Final = 50.0  # the logistic function is 0 or 1 beyond


class SeriesState(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of one series.

    `at` is the epoch second of the newest point, `recent` the last values, four bytes each.
    `beyond` is the incident of the static limit, `unusual` that of the baseline, `usual` what was
    expected when the latter opened. `alarms` counts the baseline's openings, fading since `at`.
    Before `quiet_until` the baseline opens nothing.
    """

    at: float = float("-inf")
    recent: bytes = b""
    beyond: Incident = IDLE
    unusual: Incident = IDLE
    learned: Learned = UNKNOWN
    usual: Usual | None = None
    alarms: float = 0.0
    quiet_until: float = 0.0


class Looked(NamedTuple):
    """What looking at a point gave.

    `score` is 0 to 1, an alarm from a half on; it is 0 while the baseline may open nothing.
    """

    state: SeriesState
    facts: Sequence[Anomaly]
    score: float


@dataclass(frozen=True, slots=True)
class MetricDetector:
    """Folds metric points. Points that are not newer than the newest one change nothing."""

    static_limit: StaticLimit
    metric_baseline: MetricBaseline
    limits: Mapping[str, Limit]
    name: str = "metric"
    version: int = 2
    state_type: type[SeriesState] = SeriesState

    @classmethod
    def under(cls, rules: Rules) -> Self:
        """Return the detector that follows these rules."""
        limits = {limit.metric: limit for limit in rules.static_limit.limits}
        return cls(rules.static_limit, rules.metric_baseline, limits)

    def subject(self, event: Event) -> str | None:
        """Return `source/metric`, None for what is no metric point or only tests the pages.

        A slash in the metric's name is escaped, so the last slash divides the two and no two
        series share a subject.
        """
        if not isinstance(event, SystemMetric) or event.metric_name == PAGE_TEST:
            return None
        return _subject(event)

    def initial(self) -> SeriesState:
        """Return the state of a series without a point."""
        return SeriesState()

    def fold(
        self, state: SeriesState, event: Event, event_id: str
    ) -> tuple[SeriesState, Sequence[Anomaly]]:
        """Take in one point and return the series' state with the edges that the point causes."""
        looked = self.look(state, event, event_id)
        return looked.state, looked.facts

    def look(self, state: SeriesState, event: Event, event_id: str) -> Looked:
        """Do what `fold` does, and tell how unusual the point was."""
        if not isinstance(event, SystemMetric):
            return Looked(state, (), 0.0)
        at = event.timestamp.timestamp()
        if at <= state.at:
            return Looked(state, (), 0.0)
        limit = self.limits.get(event.metric_name)
        beyond, limit_edge = state.beyond, None
        if limit is not None:
            beyond, limit_edge = _against_limit(limit, beyond, event)
        after, level_edge, view, score = self._against_past(state, event, at, beyond)
        if limit_edge is None and level_edge is None:
            return Looked(after, (), score)
        point = Point(event, event_id, _subject(event), _values(after.recent))
        found = []
        if limit is not None and limit_edge is not None:
            incident = state.beyond if limit_edge == "cleared" else beyond
            found.append(limit_fact(self.static_limit, limit, incident, limit_edge, point))
        if level_edge is not None:
            before = state if level_edge == "cleared" else after
            seen = Surprise(before.unusual, before.usual or Usual.of(view), view)
            found.append(baseline_fact(self.metric_baseline, seen, level_edge, point))
        return Looked(after, found, score)

    def _against_past(
        self, state: SeriesState, event: SystemMetric, at: float, beyond: Incident
    ) -> tuple[SeriesState, Edge | None, View, float]:
        rule, before = self.metric_baseline, state.unusual
        learned, view = learn(state.learned, rule.knobs, at, event.value)
        alarms, usual = state.alarms, state.usual
        quiet_until = self._quiet_until(state, at, view)
        if alarms:
            alarms *= exp((state.at - at) / (rule.habit_s * view.stretch))
        height = view.height - rule.habit * alarms
        after, edge, score = before, None, 0.0
        if before.opened_at is not None:
            if height > rule.open_above:
                severity = severity_at(view.deviations, rule.severity, rule.steps)
                after, edge = breach(before, rule.pace, event.timestamp, view.deviations, severity)
            else:
                calm = height < rule.clear_below
                after, edge = relent(before, rule.pace, event.timestamp, calm=calm)
                if edge:
                    usual = None
        elif view.is_known and at >= quiet_until and beyond.is_idle:
            score = _logistic(height - rule.open_above)
            if height > rule.open_above:
                severity = severity_at(view.deviations, rule.severity, rule.steps)
                after, edge = breach(before, rule.pace, event.timestamp, view.deviations, severity)
                if edge:
                    usual = Usual.of(view)
                    alarms, quiet_until = alarms + 1.0, at + rule.quiet_s * view.stretch
            elif before.run:
                after = IDLE
        elif before.run:
            after = IDLE
        recent = state.recent[_RECENT.size * (1 - RECENT_POINTS) :] + _packed(event.value)
        state = SeriesState(at, recent, beyond, after, learned, usual, alarms, quiet_until)
        return state, edge, view, score

    def _quiet_until(self, state: SeriesState, at: float, view: View) -> float:
        """Keep quiet for a while behind a static limit: what it told leaves the series shifted."""
        if state.beyond.opened_at is None:
            return state.quiet_until
        return max(state.quiet_until, at + self.metric_baseline.quiet_s * view.stretch)


def _logistic(height: float) -> float:
    return 1.0 / (1.0 + exp(-max(-_STEEPEST, min(_STEEPEST, height))))


def _packed(value: float) -> bytes:
    return _RECENT.pack(max(-_LARGEST_RECENT, min(_LARGEST_RECENT, value)))


def _values(recent: bytes) -> tuple[float, ...]:
    return tuple(float(f"{value:.7g}") for (value,) in _RECENT.iter_unpack(recent))


def _against_limit(
    limit: Limit, before: Incident, event: SystemMetric
) -> tuple[Incident, Edge | None]:
    factor = limit.factor(event)
    if factor is None:
        return before, None
    value = event.value * factor
    if value > limit.above:
        severity = severity_at(value, limit.severity, limit.steps)
        return breach(before, limit.pace, event.timestamp, value, severity)
    if before.is_idle:
        return before, None
    return relent(before, limit.pace, event.timestamp, calm=value < limit.clear_below)


def _subject(event: SystemMetric) -> str:
    metric = event.metric_name
    if "/" in metric or "%" in metric:
        metric = metric.replace("%", "%25").replace("/", "%2F")
    return f"{event.source}/{metric}"
