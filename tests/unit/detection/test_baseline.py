import math
import random
from collections.abc import Iterable
from datetime import timedelta
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.detection.baseline import UNKNOWN, Learned, View, learn
from pipeline.detection.rules import default_rules
from tests.unit.detection.series import Folded, fold, point, series

RULE = default_rules().metric_baseline
KNOBS = RULE.knobs
MINUTE = 60
HOUR = 3600
DAY = 24 * HOUR
SAMPLINGS = [1, 10, 60, 300, 900, 3600]


def watched(points: Iterable[tuple[float, float]]) -> tuple[Learned, list[View]]:
    learned, views = UNKNOWN, []
    for at, value in points:
        learned, view = learn(learned, KNOBS, at, value)
        views.append(view)
    return learned, views


def noise(points: int, seed: int = 1, mean: float = 50, stdev: float = 5) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(mean, stdev) for _ in range(points)]


def daily(every_s: int, days: float, seed: int = 1, shift_s: float = 0) -> list[float]:
    chance = random.Random(seed)
    return [
        100 + 40 * math.sin(2 * math.pi * (i * every_s + shift_s) / DAY) + chance.gauss(0, 2)
        for i in range(int(days * DAY / every_s))
    ]


def judged(values: Iterable[float], every_s: float = 300) -> Folded:
    return fold(series(values, every_s, metric="orders"))


def openings(folded: Folded) -> list[int]:
    return [
        int(fact.event_id.removeprefix("event-")) for fact in folded.facts if fact.edge == "opened"
    ]


def test_nothing_is_known_before_enough_points_and_enough_time() -> None:
    _, few = watched((300.0 * i, value) for i, value in enumerate(noise(100)))
    _, short = watched((float(i), value) for i, value in enumerate(noise(3_600)))
    _, enough = watched((37.0 * i, value) for i, value in enumerate(noise(101)))

    assert not any(view.is_known for view in few)
    assert not any(view.is_known for view in short)
    assert enough[-1].is_known


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1e308, 1e308), st.floats(1e-3, 1e9)), min_size=1, max_size=150)
)
def test_any_series_yields_finite_figures(points: list[tuple[float, float]]) -> None:
    times = accumulate(gap for _, gap in points)

    _, views = watched((at, value) for at, (value, _) in zip(times, points, strict=True))

    assert all(math.isfinite(figure) for view in views for figure in view[1:6])
    assert all(view.scale > 0 for view in views)


@pytest.mark.parametrize("seed", range(5))
def test_ten_thousand_points_of_noise_are_quiet(seed: int) -> None:
    assert len(openings(judged(noise(10_000, seed)))) <= 1


@pytest.mark.parametrize("every_s", [60, 300, 3600])
@pytest.mark.parametrize("deviations", [8, -8, 15])
def test_a_spike_of_eight_deviations_is_found(every_s: int, deviations: int) -> None:
    values = [*noise(2_000), 50 + 5 * deviations, *noise(10, seed=2)]

    folded = judged(values, every_s)

    assert 2_000 in openings(folded)
    assert folded.facts[-1].edge == "cleared"


@pytest.mark.parametrize("every_s", SAMPLINGS)
def test_a_daily_curve_is_learned_and_a_dip_at_its_top_is_found_at_any_sampling(
    every_s: int,
) -> None:
    days = 1 if every_s == 1 else 2 if every_s == 10 else 21
    values = daily(every_s, days + 0.5)
    top = (days * DAY + DAY // 4) // every_s
    length = max(HOUR // every_s, 1)
    values[top : top + length] = [100.0] * length  # usual at dawn, not at the top of the day

    opened = openings(judged(values, every_s))

    assert any(top <= index <= top + length for index in opened)
    assert len(opened) <= 3


@pytest.mark.parametrize("every_s", [10, 60, 300, 900])
def test_the_same_week_is_judged_much_alike_at_any_sampling(every_s: int) -> None:
    values = daily(every_s, 7)

    _, views = watched((i * float(every_s), value) for i, value in enumerate(values))

    assert views[-1].expected == pytest.approx(98, abs=5)
    assert views[-1].scale == pytest.approx(3, abs=1.5)
    assert views[-1].predictor in {"day", "week"}


def test_a_quiet_weekend_is_learned_within_three_weeks() -> None:
    values = [
        100 + (value - 100) / 2 if (i * 900 // DAY) % 7 >= 5 else value
        for i, value in enumerate(daily(900, 8 * 7))
    ]

    opened = openings(judged(values, 900))

    assert all(index * 900 < 21 * DAY for index in opened)


def test_a_level_shift_is_told_and_learned_within_two_days() -> None:
    values = noise(2_000) + noise(2 * 288, seed=2, mean=100)

    folded = judged(values)

    edges = [(fact.edge, fact.event_id) for fact in folded.facts]
    assert ("opened", "event-2000") in edges
    cleared = folded.facts[-1]
    assert cleared.edge == "cleared"
    assert "has become the usual level" in cleared.reasons[0]


def test_a_slow_shift_below_the_noise_is_found_by_its_persistence() -> None:
    values = noise(4_000) + noise(288, seed=2, mean=56)

    folded = judged(values)

    found = next(fact for fact in folded.facts if fact.event_id >= "event-4000")
    assert found.edge == "opened"
    assert "for hours" in found.reasons[1] or "last hour" in found.reasons[1]


def test_a_short_incident_is_neither_missed_nor_expected_again() -> None:
    folded = judged([*noise(2_000), 1e6, 1e6, 1e6, *noise(3 * 288, seed=2)])

    assert 2_000 in openings(folded)
    assert not any(index > 2_003 for index in openings(folded))


def test_a_gap_of_a_month_neither_alarms_nor_wipes_what_is_known() -> None:
    values = daily(300, 10)
    late = [point(value, 40 * DAY + 300 * i, "orders") for i, value in enumerate(daily(300, 2, 3))]

    folded = fold([*series(values, 300, "orders"), *late])

    assert openings(folded) == []


def test_irregular_points_of_a_regular_curve_are_quiet() -> None:
    chance = random.Random(4)
    times = list(accumulate(chance.expovariate(1 / 300) + 1 for _ in range(3_000)))
    events = [
        point(100 + 40 * math.sin(2 * math.pi * at / DAY) + chance.gauss(0, 2), at, "orders")
        for at in times
    ]

    assert len(openings(fold(events))) <= 1


@pytest.mark.parametrize("every_s", [1, 60, 3600])
def test_a_constant_series_is_quiet_until_it_changes(every_s: int) -> None:
    values = [3.0] * 4_000 + [4.0] * 5

    assert openings(judged(values, every_s)) == [4_000]


def test_a_counter_that_grows_steadily_is_quiet_and_its_restart_is_found() -> None:
    chance = random.Random(5)
    counter = list(accumulate(1_000 + chance.randrange(100) for _ in range(4_000)))
    restarted = list(accumulate(1_000 + chance.randrange(100) for _ in range(20)))

    opened = openings(judged([*counter, *restarted]))

    assert len(opened) <= 2
    assert any(index >= 4_000 for index in opened)


def test_daylight_saving_moves_a_daily_curve_by_an_hour_for_two_days_at_most() -> None:
    values = daily(300, 28) + daily(300, 14, seed=6, shift_s=HOUR)

    opened = openings(judged(values))

    assert len(opened) <= 4
    assert all(28 * 288 <= index < 30 * 288 for index in opened)


def test_a_daily_spike_is_told_during_its_first_days_and_then_no_more() -> None:
    day = [*noise(287), 500.0]

    folded = judged(day * 28)

    opened = [fact.occurred_at for fact in folded.facts if fact.edge == "opened"]
    assert 1 <= len(opened) <= 5
    assert opened[-1] - opened[0] < timedelta(days=7)


def test_after_an_opening_nothing_opens_for_the_quiet_time() -> None:
    quiet_points = int(RULE.quiet_s // 300)
    values = [*noise(2_000), 150, *noise(quiet_points - 1, seed=2), 1000, 50, 50, 50, 1000]
    values[2_050] = 1000

    opened = openings(judged(values))

    assert 2_000 in opened
    assert not any(2_000 < index < 2_000 + quiet_points for index in opened)


def test_one_absurd_value_does_not_deafen_the_series_for_good() -> None:
    values = [*noise(2_000), 1e30, *noise(30 * 288, seed=2), 1e29]

    assert openings(judged(values))[-1] == 2_000 + 30 * 288 + 1
