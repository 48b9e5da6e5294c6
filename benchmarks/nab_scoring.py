"""The rules of the Numenta Anomaly Benchmark v1.1, standard profile.

The earliest hit within a labelled window earns up to 1, a missed window costs 1, an alarm outside
up to 0.11; the first 15 % of a series (at most 750 points) is not scored. 0 is a detector that
never fires, 100 a perfect one.
"""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

_ALARM_OUTSIDE: Final = 0.11


class Row(NamedTuple):
    """A scored point: how unusual it was, in which window it lies, what an alarm there earns."""

    score: float
    window: int | None
    reward: float


@dataclass(frozen=True, slots=True)
class LabelledSeries:
    """A series and the index ranges, ends included, in which something is wrong with it."""

    name: str
    times: Sequence[float]
    values: Sequence[float]
    windows: Sequence[tuple[int, int]]


def read_corpus(directory: Path) -> list[LabelledSeries]:
    """Read `windows.json` and the CSV files that it names."""
    labels: dict[str, list[list[str]]] = json.loads((directory / "windows.json").read_text())
    return [_read(directory / name, name, windows) for name, windows in sorted(labels.items())]


def rows_of(series: LabelledSeries, scores: Sequence[float]) -> list[Row]:
    """Pair each point that counts with its window and its reward."""
    rows: list[Row] = []
    upcoming, passed = list(series.windows), None
    probation = min(int(0.15 * len(series.times)), 750)
    number = 0
    for i, score in enumerate(scores):
        window: int | None = None
        if number < len(upcoming) and upcoming[number][0] <= i:
            left, right = upcoming[number]
            window = number
            reward = _sigmoid(-(right - i + 1) / (right - left + 1)) / _sigmoid(-1.0)
            if i == right:
                passed, number = (right, right - left + 1), number + 1
        elif passed is None:
            reward = -_ALARM_OUTSIDE
        else:
            reward = _ALARM_OUTSIDE * _sigmoid((i - passed[0]) / (passed[1] - 1))
        if i >= probation:
            rows.append(Row(score, window, reward))
    return rows


def raw_score(rows: Sequence[Row], windows: int, threshold: float) -> float:
    """Return what the alarms of one series earn, less the windows they miss."""
    best: dict[int, float] = {}
    total = -float(windows)
    for score, window, reward in rows:
        if score < threshold:
            continue
        if window is None:
            total += reward
        elif reward > best.get(window, -1.0):
            total += reward - best.get(window, -1.0)
            best[window] = reward
    return total


def alarms_outside(rows: Sequence[Row], threshold: float) -> int:
    """Count the alarms that lie in no window."""
    return sum(row.score >= threshold and row.window is None for row in rows)


def normalised(raw: float, windows: int) -> float:
    """Return a score of 0 to 100 for a set with so many windows."""
    return 100.0 * (raw + windows) / (2.0 * windows)


def _read(path: Path, name: str, windows: Sequence[Sequence[str]]) -> LabelledSeries:
    with path.open() as lines:
        rows = list(csv.reader(lines))[1:]
    times = [_epoch(row[0]) for row in rows]
    index: Mapping[float, int] = {time: i for i, time in reversed(list(enumerate(times)))}
    ranges = [(index[_epoch(start)], index[_epoch(end)]) for start, end in windows]
    return LabelledSeries(name, times, [float(row[1]) for row in rows], ranges)


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def _sigmoid(position: float) -> float:
    return -1.0 if position > 3.0 else 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0
