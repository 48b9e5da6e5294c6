"""The benchmark of the metric baseline: its rules by hand, its halves, and what it prints."""

import json
import random
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from benchmarks import nab
from benchmarks.nab_scoring import LabelledSeries, Row, normalised, raw_score, rows_of

TEN = LabelledSeries("ten", [300.0 * i for i in range(10)], [0.0] * 10, [(5, 8)])


def scored(alarms: set[int], series: LabelledSeries = TEN) -> float:
    rows = rows_of(series, [float(i in alarms) for i in range(10)])
    return normalised(raw_score(rows, windows=1, threshold=0.5), windows=1)


def test_the_first_moment_of_a_window_earns_everything_and_silence_nothing() -> None:
    assert scored({5}) == pytest.approx(100.0)
    assert scored(set()) == 0.0


def test_only_the_earliest_alarm_of_a_window_counts() -> None:
    assert scored({5, 6, 8}) == pytest.approx(100.0)
    assert 50.0 < scored({8}) < scored({6}) < 100.0


def test_an_alarm_before_any_window_costs_eleven_hundredths() -> None:
    assert scored({3, 5}) == pytest.approx(94.5)


def test_the_first_part_of_a_series_is_not_scored() -> None:
    assert scored({0, 5}) == pytest.approx(100.0)


def test_a_half_is_scored_at_the_threshold_that_is_best_for_the_other() -> None:
    """One series hits at 0.6 above alarms at 0.4, the other at 0.95 above alarms at 0.7."""
    rows = {
        "low": [Row(0.4, None, -0.11), Row(0.6, 0, 1.0)],
        "high": [Row(0.7, None, -0.11), Row(0.95, 0, 1.0)],
    }
    series = [LabelledSeries(name, [0.0, 1.0], [0.0, 0.0], [(1, 1)]) for name in rows]
    of_shifts = {(name, shift): found for name, found in rows.items() for shift in nab.SHIFTS_S}

    halves = {round(score, 1) for score in nab.Corpus(series, of_shifts).cross_fitted(seed=1)}

    assert halves == {0.0, 94.5}


def test_a_fall_to_nothing_is_an_alarm_of_the_factorys_detector() -> None:
    chance, detector = random.Random(1), nab.factory()

    usual = [detector.update(300.0 * i, chance.gauss(50, 5)) for i in range(1_000)]
    fallen = detector.update(300.0 * 1_000, 0.0)

    assert all(0 <= score < 0.5 for score in usual)
    assert 0.5 < fallen <= 1


def test_every_goal_is_printed_beside_the_published_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_corpus(tmp_path / "nab")

    nab.main(["--data", str(tmp_path)])

    printed = capsys.readouterr().out
    assert "metric baseline: 4 series, 4 windows" in printed
    assert "AWS Random Cut Forest, published            51.7" in printed
    goals = re.findall(r"^goal: (.+?) +measured: +\S+ +(?:met|MISSED)$", printed, re.MULTILINE)
    assert goals == [
        "best threshold at least 72",
        "best threshold at least 75, stretch",
        "own level at least 71",
        "cross-fitted at least 69",
        "no shift over 3 below the mean",
        "at most 4 false alarms a series",
        "at most 25 us a record",
        "at most 1,024 bytes of state",
    ]


def test_a_directory_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"holds no windows\.json"):
        nab.main(["--data", str(tmp_path)])


def write_corpus(directory: Path) -> None:
    """Write four short series that fall to nothing at point 300, as the benchmark keeps them."""
    directory.mkdir()
    moments = [datetime(2026, 3, 2) + timedelta(minutes=5 * i) for i in range(400)]  # noqa: DTZ001  the benchmark's texts have no zone
    windows = {}
    for number in range(4):
        chance = random.Random(number)
        values = [0.0 if 300 <= i < 310 else chance.gauss(50, 5) for i in range(400)]
        lines = [f"{at},{value}" for at, value in zip(moments, values, strict=True)]
        (directory / f"{number}.csv").write_text("\n".join(["timestamp,value", *lines]))
        windows[f"{number}.csv"] = [[str(moments[290]), str(moments[320])]]
    (directory / "windows.json").write_text(json.dumps(windows))
