"""The usual level of one series, learned as it streams by: a fading mean and deviation.

Weights follow the time between two points, not their number, so the same knobs serve a point per
second and a point per hour. Pure arithmetic, no clock.
"""

from math import exp, sqrt

import msgspec


class BaselineKnobs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a level is learned.

    `memory_s` is the time constant of mean and variance, `max_weight` what a single point may
    weigh after a gap. Nothing is judged before both `warmup_points` and `warmup_s`. A point further
    away than `clip` deviations teaches as if it were that far, so that an incident hardly moves
    the level and a lasting shift is learned all the same. The deviation is never taken for less
    than `floor_of_range` of the range seen plus `floor_of_mean` of the mean: else the first
    wrinkle of a constant series would be infinitely unusual.
    """

    memory_s: float
    max_weight: float
    warmup_points: int
    warmup_s: float
    clip: float
    floor_of_range: float
    floor_of_mean: float

    def __post_init__(self) -> None:
        """Refuse knobs with which nothing can be learned."""
        for name in self.__struct_fields__:
            if getattr(self, name) <= 0:
                raise ValueError(f"`{name}` must be positive")
        if self.max_weight > 1:
            raise ValueError("`max_weight` must be at most 1")


class Level(msgspec.Struct, frozen=True, array_like=True):
    """What has been learned of a series.

    `first` and `last` are the epoch seconds of its points, `low` and `high` the range of values.
    """

    n: int = 0
    first: float = 0.0
    last: float = 0.0
    mean: float = 0.0
    variance: float = 0.0
    low: float = 0.0
    high: float = 0.0


UNKNOWN = Level()
_SMALLEST_DEVIATION = 1e-12


def deviation(level: Level, knobs: BaselineKnobs) -> float:
    """Return the standard deviation with its floor added; positive."""
    return (
        sqrt(level.variance)
        + knobs.floor_of_range * (level.high - level.low)
        + knobs.floor_of_mean * abs(level.mean)
        + _SMALLEST_DEVIATION
    )


def is_known(level: Level, knobs: BaselineKnobs) -> bool:
    """Tell whether enough points over enough time were seen to judge the next one."""
    return level.n >= knobs.warmup_points and level.last - level.first >= knobs.warmup_s


def learn(level: Level, knobs: BaselineKnobs, at: float, value: float, scale: float) -> Level:
    """Return the level after one more point.

    Args:
        level: What is known.
        knobs: How to learn.
        at: Epoch seconds of the point, later than `level.last`.
        value: The point.
        scale: `deviation(level, knobs)`, which the caller has at hand.
    """
    n = level.n + 1
    if n == 1:
        return Level(1, at, at, value, 0.0, value, value)
    weight = 1.0 - exp((level.last - at) / knobs.memory_s)
    weight = min(weight, knobs.max_weight)
    weight = max(weight, 1.0 / n)
    offset = value - level.mean
    if n > knobs.warmup_points:
        furthest = knobs.clip * scale
        offset = min(max(offset, -furthest), furthest)
    return Level(
        n,
        level.first,
        at,
        level.mean + weight * offset,
        (1.0 - weight) * (level.variance + weight * offset * offset),
        min(level.low, level.mean + offset),
        max(level.high, level.mean + offset),
    )
