"""The fold for metric points: static limits and a learned baseline, per source and metric.

One incident, one alert: while a series is beyond its static limit, the baseline opens nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Final, Self

import msgspec

from pipeline.detection.anomaly import Anomaly, Edge
from pipeline.detection.baseline import UNKNOWN, Level, deviation, is_known, learn
from pipeline.detection.incidents import IDLE, Incident, breach, relent, severity_at
from pipeline.detection.rules import Limit, MetricBaseline, Rules, StaticLimit
from pipeline.detection.series_facts import Point, Surprise, baseline_fact, limit_fact
from pipeline.events import Event, SystemMetric

RECENT_POINTS: Final = 16
"""How many of the last values a fact shows."""


_LARGEST_HABIT: Final = 5.0  # about 150 times the rule's level: one absurd value deafens nobody


class SeriesState(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of one series.

    `at` is the epoch second of the newest point. `beyond` is the incident of the static limit,
    `unusual` that of the baseline, `usual` the level from before the latter opened.
    `peak` is the largest score of the excursion under way, 0 for none. `habit` is the usual peak of
    past ones, as the logarithm of its ratio to the rule's level, fading since `habit_at`. Before
    `quiet_until` the baseline opens nothing.
    """

    at: float = float("-inf")
    recent: tuple[float, ...] = ()
    beyond: Incident = IDLE
    unusual: Incident = IDLE
    level: Level = UNKNOWN
    usual: Level | None = None
    peak: float = 0.0
    habit: float = 0.0
    habit_at: float = 0.0
    quiet_until: float = 0.0


@dataclass(frozen=True, slots=True)
class MetricDetector:
    """Folds metric points. Points that are not newer than the newest one change nothing."""

    static_limit: StaticLimit
    metric_baseline: MetricBaseline
    limits: Mapping[str, Limit]
    name: str = "metric"
    version: int = 1
    state_type: type[SeriesState] = SeriesState

    @classmethod
    def under(cls, rules: Rules) -> Self:
        """Return the detector that follows these rules."""
        limits = {limit.metric: limit for limit in rules.static_limit.limits}
        return cls(rules.static_limit, rules.metric_baseline, limits)

    def subject(self, event: Event) -> str | None:
        """Return `source/metric`, None for an event that is no metric point.

        A slash in the metric's name is escaped, so the last slash divides the two and no two
        series share a subject.
        """
        if not isinstance(event, SystemMetric):
            return None
        return _subject(event)

    def initial(self) -> SeriesState:
        """Return the state of a series without a point."""
        return SeriesState()

    def fold(
        self, state: SeriesState, event: Event, event_id: str
    ) -> tuple[SeriesState, Sequence[Anomaly]]:
        """Take in one point and return the series' state with the edges that the point causes."""
        if not isinstance(event, SystemMetric):
            return state, ()
        at = event.timestamp.timestamp()
        if at <= state.at:
            return state, ()
        limit = self.limits.get(event.metric_name)
        beyond, limit_edge = state.beyond, None
        if limit is not None:
            beyond, limit_edge = _against_limit(limit, beyond, event)
        after, level_edge = self._against_level(state, event, at, beyond)
        if limit_edge is None and level_edge is None:
            return after, ()
        point = Point(event, event_id, _subject(event), after.recent)
        found = []
        if limit is not None and limit_edge is not None:
            incident = state.beyond if limit_edge == "cleared" else beyond
            found.append(limit_fact(self.static_limit, limit, incident, limit_edge, point))
        if level_edge is not None:
            before = state if level_edge == "cleared" else after
            seen = Surprise(before.unusual, before.usual or state.level, state.level)
            found.append(baseline_fact(self.metric_baseline, seen, level_edge, point))
        return after, found

    def _against_level(
        self, state: SeriesState, event: SystemMetric, at: float, beyond: Incident
    ) -> tuple[SeriesState, Edge | None]:
        rule, level, before = self.metric_baseline, state.level, state.unusual
        scale = deviation(level, rule.knobs)
        score = abs(event.value - level.mean) / scale
        after, edge = before, None
        usual, quiet_until = state.usual, state.quiet_until
        peak, habit, habit_at = state.peak, state.habit, state.habit_at
        if score > rule.open_above and is_known(level, rule.knobs):
            peak = max(peak, score)
        elif peak:
            peak, habit, habit_at = 0.0, self._habit_after(state, at), at
        if before.opened_at is not None:
            if score > rule.open_above:
                severity = severity_at(score, rule.severity, rule.steps)
                after, edge = breach(before, rule.pace, event.timestamp, score, severity)
            else:
                calm = score < rule.clear_below
                after, edge = relent(before, rule.pace, event.timestamp, calm=calm)
                if edge:
                    usual, quiet_until = None, at + rule.quiet_s
        elif self._is_news(state, score, at) and beyond.is_idle:
            severity = severity_at(score, rule.severity, rule.steps)
            after, edge = breach(before, rule.pace, event.timestamp, score, severity)
            if edge:
                usual = level
        elif before.run:
            after = IDLE
        return SeriesState(
            at,
            (*state.recent[1 - RECENT_POINTS :], event.value),
            beyond,
            after,
            learn(level, rule.knobs, at, event.value, scale),
            usual,
            peak,
            habit,
            habit_at,
            quiet_until,
        ), edge

    def _is_news(self, state: SeriesState, score: float, at: float) -> bool:
        rule = self.metric_baseline
        if score <= rule.open_above or at < state.quiet_until:
            return False
        if not is_known(state.level, rule.knobs):
            return False
        usual_height = exp(self._habit(state, at))
        return score > rule.open_above * usual_height * min(usual_height, rule.peak_margin)

    def _habit(self, state: SeriesState, at: float) -> float:
        return state.habit * exp((state.habit_at - at) / self.metric_baseline.peak_memory_s)

    def _habit_after(self, state: SeriesState, at: float) -> float:
        rule, habit = self.metric_baseline, self._habit(state, at)
        height = min(log(state.peak / rule.open_above), _LARGEST_HABIT)
        return habit + rule.peak_rate * max(height - habit, 0.0)


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
