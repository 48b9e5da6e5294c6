import random
from collections.abc import Iterable
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detection.baseline import UNKNOWN, Level, deviation, is_known, learn
from pipeline.detection.rules import default_rules
from tests.unit.detection.series import Folded, fold, series

KNOBS = default_rules().metric_baseline.knobs
HOUR = 3600


def learned(values: Iterable[float], every_s: float = 300) -> Level:
    level = UNKNOWN
    for i, value in enumerate(values):
        level = learn(level, KNOBS, i * every_s, value, deviation(level, KNOBS))
    return level


def noise(points: int, seed: int = 1, mean: float = 50, stdev: float = 5) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(mean, stdev) for _ in range(points)]


def judged(values: Iterable[float], every_s: float = 300) -> Folded:
    return fold(series(values, every_s, metric="orders"))


def test_mean_and_variance_of_the_first_points_are_the_plain_ones() -> None:
    level = learned([1, 2, 3, 4])

    assert level.mean == pytest.approx(2.5)
    assert level.variance == pytest.approx(1.25)


@pytest.mark.parametrize("every_s", [60, 300, 1800])
def test_the_same_series_at_another_rate_teaches_the_same_level(every_s: int) -> None:
    span_s = 5 * 24 * HOUR

    level = learned(noise(span_s // every_s), every_s)

    assert level.mean == pytest.approx(50, abs=1.5)
    assert deviation(level, KNOBS) == pytest.approx(5, abs=1)


@pytest.mark.parametrize(("points", "every_s"), [(100, 36), (99, 300), (3600, 1)])
def test_a_level_is_unknown_while_points_or_time_are_missing(points: int, every_s: int) -> None:
    level = learned(noise(points), every_s)

    assert not is_known(level, KNOBS)


def test_a_level_is_known_after_enough_points_and_time() -> None:
    level = learned(noise(100), every_s=37)

    assert is_known(level, KNOBS)


@given(
    st.lists(st.tuples(st.floats(-1e100, 1e100), st.floats(1e-6, 1e9)), min_size=1, max_size=150)
)
def test_any_series_yields_a_finite_level_within_its_range(
    points: list[tuple[float, float]],
) -> None:
    times = accumulate(gap for _, gap in points)
    level = UNKNOWN

    for at, (value, _) in zip(times, points, strict=True):
        level = learn(level, KNOBS, at, value, deviation(level, KNOBS))

    slack = 1e-9 * max(abs(level.low), abs(level.high))
    assert level.low - slack <= level.mean <= level.high + slack
    assert 0 < deviation(level, KNOBS) < 1e102


@pytest.mark.parametrize("seed", range(5))
def test_ten_thousand_points_of_noise_are_quiet(seed: int) -> None:
    folded = judged(noise(10_000, seed))

    assert folded.facts == []


@pytest.mark.parametrize("every_s", [60, 300, 3600])
@pytest.mark.parametrize("deviations", [8, -8, 15])
def test_a_spike_of_eight_deviations_is_found(every_s: int, deviations: int) -> None:
    values = [*noise(2_000), 50 + 5 * deviations, *noise(10, seed=2)]

    folded = judged(values, every_s)

    assert [fact.edge for fact in folded.facts] == ["opened", "cleared"]
    assert folded.facts[0].event_id == "event-2000"


def test_a_level_shift_is_found_told_once_and_learned_within_a_day() -> None:
    values = noise(2_000) + noise(2 * 288, seed=2, mean=100)

    folded = judged(values)

    opened, *escalations, cleared = folded.facts
    assert (opened.edge, opened.event_id) == ("opened", "event-2000")
    assert [fact.edge for fact in escalations] == ["escalated"]
    assert cleared.edge == "cleared"
    assert (cleared.occurred_at - opened.opened_at).total_seconds() < 24 * HOUR
    assert "has become the usual level" in cleared.reasons[0]


def test_a_short_incident_does_not_teach_the_level() -> None:
    before = learned(noise(2_000))

    after = learned([*noise(2_000), 1e6, 1e6, 1e6])

    assert after.mean == pytest.approx(before.mean, abs=1)
    assert deviation(after, KNOBS) < 2 * deviation(before, KNOBS)


def test_a_gap_of_a_month_neither_alarms_nor_wipes_the_level() -> None:
    level = learned(noise(2_000))

    after = learn(level, KNOBS, level.last + 30 * 24 * HOUR, 60, deviation(level, KNOBS))

    assert after.mean == pytest.approx(level.mean + 0.1 * (60 - level.mean))


def test_a_daily_spike_is_told_during_its_first_week_and_then_no_more() -> None:
    day = [*noise(287), 500.0]

    folded = judged(day * 28)

    opened = [fact.occurred_at for fact in folded.facts if fact.edge == "opened"]
    assert 1 <= len(opened) <= 5
    assert (opened[-1] - opened[0]).days < 7


def test_after_an_incident_nothing_opens_for_the_quiet_time() -> None:
    quiet_points = int(default_rules().metric_baseline.quiet_s // 300)
    values = [*noise(2_000), 150, 50, 50, 50, *noise(quiet_points - 2, seed=2), 1000, 50, 1000]

    folded = judged(values)

    opened = [fact.event_id for fact in folded.facts if fact.edge == "opened"]
    assert opened[0] == "event-2000"
    assert opened[1] > f"event-{2003 + quiet_points - 1}"
