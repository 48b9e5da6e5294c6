"""A day's figures against their own history, by median and median deviation.

Neither is moved by a few days that were out of the ordinary themselves, so past incidents need not
be taken out. Pure arithmetic; late events that change a day's figure change its fact, not its key.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from math import isfinite
from statistics import median
from typing import Final

from pipeline.detection.anomaly import Anomaly, Baseline
from pipeline.detection.kpi_rules import KpiDrift
from pipeline.detection.texts import title_text

_TO_STANDARD_DEVIATION: Final = 1.4826
"""What makes a standard deviation of a median absolute one, if values are normally distributed."""

_SMALLEST_DEVIATION: Final = 1e-9
_RECENT: Final = 7


def drifts(
    rule: KpiDrift,
    query: str,
    day: date,
    figures: Mapping[str, float],
    history: Mapping[date, Mapping[str, float]],
) -> Iterator[Anomaly]:
    """Yield a fact for each figure of a day that is unlike its history.

    Args:
        rule: From when on.
        query: Whose figures they are, a part of the subject.
        day: The day.
        figures: Its figures by name.
        history: Those of other days; only what is before the day and known counts.
    """
    for name, value in sorted(figures.items()):
        past = {
            when: known[name]
            for when, known in history.items()
            if name in known and timedelta() < day - when <= timedelta(days=rule.history_days)
        }
        fact = _drift(rule, f"{query}.{name}", day, value, past)
        if fact is not None:
            yield fact


def _drift(
    rule: KpiDrift, figure: str, day: date, value: float, past: Mapping[date, float]
) -> Anomaly | None:
    same_weekday = [known for when, known in past.items() if when.weekday() == day.weekday()]
    by_weekday = len(same_weekday) >= rule.min_weeks
    known = same_weekday if by_weekday else list(past.values())
    if not by_weekday and len(known) < rule.min_days:
        return None
    middle, scale = _spread(known, rule.floor_of_median)
    score = abs(value - middle) / scale
    if score <= rule.open_above or not isfinite(score):
        return None
    moment = datetime.combine(day, time(), UTC)
    margin = rule.open_above * scale
    low, high = middle - margin, middle + margin
    if min(known) >= 0:
        low = max(low, 0.0)  # what never was negative is not expected to be
    expected = f"{low:,.6g} to {high:,.6g}"
    side = "above" if value > middle else "below"
    distance = f"{score:.3g} deviations {side}"
    if scale == _SMALLEST_DEVIATION:  # all zeros, from which no distance tells anything
        expected, distance = "0", side
    days = f"{day:%A}s" if by_weekday else "days"
    reason = f"{value:,.6g} is {distance} {middle:,.6g}, the median of {len(known)} {days}"
    return Anomaly(
        rule_id=rule.id,
        rule_version=rule.version,
        detector=rule.detector,
        kind=rule.kind,
        severity=rule.severity,
        edge="opened",
        subject=figure,
        source="analytics",
        component=rule.component,
        opened_at=moment,
        occurred_at=moment,
        event_id=day.isoformat(),
        observed=value,
        expected=expected,
        baseline=Baseline(n=len(known), mean=middle, stdev=scale),
        score=score,
        window_s=86_400,
        title=title_text(f"{figure} unusual on {day.isoformat()}"),
        reasons=(reason,),
        recent=tuple(past[when] for when in sorted(past)[-_RECENT:]),
        labels={"figure": figure, "day": day.isoformat()},
    )


def _spread(values: Sequence[float], floor_of_median: float) -> tuple[float, float]:
    """Return median and deviation; positive, however equal the values are."""
    middle = median(values)
    deviation = _TO_STANDARD_DEVIATION * median(abs(value - middle) for value in values)
    return middle, max(deviation, floor_of_median * abs(middle), _SMALLEST_DEVIATION)
