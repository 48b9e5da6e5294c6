"""What is usual for one series, learned as it streams by, and how unusual the next point is.

Every constant is a duration, so the same knobs serve a point per second and a point per hour. Pure
arithmetic without clock or chance; docs/detection.md has the formulas and what each part is worth.
"""

from math import exp, isnan, log, sqrt
from struct import Struct
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from pipeline.detection import profile

Positive = Annotated[float, Meta(gt=0, lt=1e100)]
Share = Annotated[float, Meta(gt=0, le=1)]
Predictor = Literal["level", "day", "week"]
Sign = Literal["point", "shift", "drift"]

_PREDICTORS: Final[tuple[Predictor, ...]] = ("level", "day", "week")
_SIGNS: Final[tuple[Sign, ...]] = ("point", "shift", "drift")
_REFERENCE_S: Final = 300.0  # the sampling at which all durations hold as they are
_BOUND: Final = 1e30  # nothing is further away than that, so that no square overflows
_SHARPNESS: Final = 2.0  # of the soft maximum of the three statistics
_WIDEST: Final = 12.0  # a value teaches the range as if at most so many clips away
_CLIP_AFTER: Final = 50  # points; until then there is no deviation to clip with
_NUMBERS: Final = Struct("<9d21f")
_CENTRE: Final = Struct("<ff")  # as rounded as they are kept
_SMALLEST: Final = 1e-12


class BaselineKnobs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the usual is learned. Durations hold for a point every five minutes or more often.

    With fewer points they are stretched by (gap / 5 minutes) ** (1 - `sparse_exponent`): a spread
    cannot be learned from three points. Nothing is judged before both `warmup_points` and
    `warmup_s`. Deviations teach as if they were at most `clip` of the usual ones. No deviation is
    taken for less than `floor_of_range` of the range of values plus `floor_of_mean` of the level.
    """

    memory_s: Positive
    choice_s: Positive
    shift_s: Positive
    drift_s: Positive
    day_s: Positive
    week_s: Positive
    range_s: Positive
    block_s: Positive
    block_rate: Share
    usual_height: float
    usual_spread: Positive
    least_spread: Positive
    clip_above: Positive
    clip_below: Positive
    peak_rate: Share
    peak_margin: Positive
    sparse_exponent: Share
    warmup_points: Annotated[int, Meta(ge=2)]
    warmup_s: Positive
    clip: Positive
    floor_of_range: Positive
    floor_of_mean: Positive


class Learned(msgspec.Struct, frozen=True, array_like=True):
    """What has been learned of a series: about 610 bytes, of which `numbers` are 156.

    Between two half hours only `numbers` changes: it holds the cell of the day and of the week that
    are being written.
    """

    last: float = 0.0
    numbers: bytes = b""
    day: bytes = profile.EMPTY_DAY
    week: bytes = profile.EMPTY_WEEK
    peaks: bytes = profile.NO_PEAKS


class View(NamedTuple):
    """How one point looks before it is learned.

    `height` is how far the point rises above the usual maximum of a block, in spreads of those
    maxima: the figure that rules are about. `deviations` is its distance from `expected` in units
    of the usual deviation, `scale` the larger of that and the usual peak of this half hour.
    `predictor` is the one that weighs most, `sign` what is most unusual: the point itself, a shift
    held for hours, or a drift of the level. `stretch` is by how much durations are stretched.
    """

    is_known: bool
    height: float
    expected: float
    scale: float
    deviations: float
    low: float
    points: int
    blocks: int
    predictor: Predictor
    sign: Sign
    stretch: float


UNKNOWN: Final = Learned()
NOTHING_SEEN: Final = View(
    is_known=False,
    height=-10.0,
    expected=0.0,
    scale=1.0,
    deviations=0.0,
    low=0.0,
    points=0,
    blocks=0,
    predictor="level",
    sign="point",
    stretch=1.0,
)


def learn(learned: Learned, knobs: BaselineKnobs, at: float, value: float) -> tuple[Learned, View]:  # noqa: PLR0915  one pass, unpacked and packed once: 10 us
    """Judge a point against what is known, then learn it.

    Args:
        learned: What is known.
        knobs: How to learn.
        at: Epoch seconds of the point, later than `learned.last`.
        value: The point.
    """
    value = max(-_BOUND, min(_BOUND, value))
    if not learned.numbers:
        return _first(knobs, at, value), NOTHING_SEEN
    (
        level, low, high, fast, of_day, of_week, power, power_shift, power_drift, centre,
        reach, shift, error_level, error_day, error_week, peak, gap, points, blocks, filled,
        mean1, mean2, mean3, var1, var2, var3, max1, max2, max3, age,
    ) = _NUMBERS.unpack(learned.numbers)  # fmt: skip
    elapsed = at - learned.last
    age = min(age + elapsed, _BOUND)
    gap += max(0.02, 1.0 / points) * ((min(elapsed, 4.0 * gap) if points > 5 else elapsed) - gap)
    if gap >= _REFERENCE_S:
        step = _REFERENCE_S * (gap / _REFERENCE_S) ** knobs.sparse_exponent
        stretch = gap / step
    else:
        step, stretch = max(gap, 1.0), 1.0
    weight = min(max(step / knobs.memory_s, 1.0 / (points + 1)), 0.2)
    floor = knobs.floor_of_range * (high - low) + knobs.floor_of_mean * abs(level) + _SMALLEST

    day, week, peaks = learned.day, learned.week, learned.peaks
    cell, before = int(at // profile.CELL_S), int(learned.last // profile.CELL_S)
    if cell != before:
        if reach < high - low or 4.0 * abs(level - centre) > reach:
            about, wider = _CENTRE.unpack(_CENTRE.pack(level, 2.0 * (high - low)))
            day = profile.moved(day, centre, reach, about, wider)
            week = profile.moved(week, centre, reach, about, wider)
            peaks = profile.rescaled(peaks, reach, wider)
            centre, reach = about, wider
        day = profile.written(day, before, of_day, centre, reach)
        week = profile.written(week, before, of_week, centre, reach)
        peaks = profile.raised(peaks, before, peak, reach, knobs.peak_rate)
        peak = 0.0
        of_day = profile.read(day, cell, centre, reach)
        of_week = profile.read(week, cell, centre, reach)

    by_day, by_week = profile.predicted(day, week, at, of_day, of_week, centre, reach, level)
    w1, w2, w3 = _trust(error_level, error_day, error_week)
    expected = (w1 * level + w2 * by_day + w3 * by_week) / (w1 + w2 + w3)
    off = value - expected
    distance = abs(off)
    scale = sqrt(power) + floor
    usual_peak = profile.highest(peaks, cell, reach) - knobs.peak_margin * scale
    rate = min(step / knobs.shift_s, 0.5)
    shift += rate * (off - shift)
    scale_shift = sqrt(power_shift) + sqrt(rate) * floor
    fast += min(step / knobs.drift_s, 0.8) * (value - fast)
    drift = fast - level
    scale_drift = sqrt(power_drift) + floor
    z1 = distance / max(scale, usual_peak)
    z2, z3 = abs(shift) / scale_shift, abs(drift) / scale_drift
    if points < 2:
        z1 = z2 = z3 = 0.0
    z1, z2, z3 = log(max(z1, 1e-3)), log(max(z2, 1e-3)), log(max(z3, 1e-3))
    s1, s2, s3 = (z1 - mean1) / sqrt(var1), (z2 - mean2) / sqrt(var2), (z3 - mean3) / sqrt(var3)
    top = max(s1, s2, s3)
    crowd = sum(exp(_SHARPNESS * (s - top)) for s in (s1, s2, s3))
    view = View(
        points >= knobs.warmup_points and age >= knobs.warmup_s,
        top + log(crowd) / _SHARPNESS,
        expected,
        max(scale, usual_peak),
        distance / scale,
        low,
        int(points),
        int(blocks),
        _PREDICTORS[(w1, w2, w3).index(max(w1, w2, w3))],
        _SIGNS[(s1, s2, s3).index(top)],
        stretch,
    )

    clip = knobs.clip if points >= _CLIP_AFTER else 1e15
    furthest = clip * scale
    peak = max(peak, distance)
    power += weight * (min(distance, furthest) ** 2 - power)
    power_shift += weight * (min(abs(shift), clip * scale_shift) ** 2 - power_shift)
    power_drift += weight * (min(abs(drift), clip * scale_drift) ** 2 - power_drift)
    rate = max(step / knobs.choice_s, 1.0 / (points + 1))
    error_level += rate * (min(abs(value - level), furthest) - error_level)
    error_day += rate * (min(abs(value - by_day), furthest) - error_day)
    error_week += rate * (min(abs(value - by_week), furthest) - error_week)
    fading = min(step / knobs.range_s, 1.0) if points > 20 else 0.0
    bounds = _WIDEST * furthest
    low = min(low + fading * (level - low), max(value, level - bounds))
    high = max(high + fading * (level - high), min(value, level + bounds))
    taught = min(max(value, expected - furthest), expected + furthest)
    level += weight * (taught - level)
    of_day = taught if isnan(of_day) else taught + exp(-step / knobs.day_s) * (of_day - taught)
    of_week = taught if isnan(of_week) else taught + exp(-step / knobs.week_s) * (of_week - taught)
    max1, max2, max3 = max(max1, z1), max(max2, z2), max(max3, z3)
    filled += step
    if filled >= knobs.block_s:
        mean1, var1 = _calibrated(knobs, blocks, mean1, var1, max1)
        mean2, var2 = _calibrated(knobs, blocks, mean2, var2, max2)
        mean3, var3 = _calibrated(knobs, blocks, mean3, var3, max3)
        max1 = max2 = max3 = -10.0
        filled, blocks = 0.0, min(blocks + 1, 1e6)
    numbers = _NUMBERS.pack(
        level, low, high, fast, of_day, of_week, power, power_shift, power_drift, centre,
        reach, shift, error_level, error_day, error_week, peak, gap, min(points + 1, 1e6), blocks,
        filled, mean1, mean2, mean3, var1, var2, var3, max1, max2, max3, age,
    )  # fmt: skip
    return Learned(at, numbers, day, week, peaks), view


def _first(knobs: BaselineKnobs, at: float, value: float) -> Learned:
    mean, variance = knobs.usual_height, knobs.usual_spread**2
    numbers = _NUMBERS.pack(
        value, value, value, value, value, value, 0.0, 0.0, 0.0, value,
        0.0, 0.0, 0.0, 0.0, 0.0, 0.0, _REFERENCE_S, 1.0, 0.0,
        0.0, mean, mean, mean, variance, variance, variance, -10.0, -10.0, -10.0, 0.0,
    )  # fmt: skip
    return Learned(at, numbers)


def _trust(*errors: float) -> tuple[float, ...]:
    """Weigh predictors by the inverse fourth power of what they usually miss by."""
    least = max(min(errors), _SMALLEST)
    return tuple((least / max(error, _SMALLEST)) ** 4 for error in errors)


def _calibrated(
    knobs: BaselineKnobs, blocks: float, mean: float, variance: float, maximum: float
) -> tuple[float, float]:
    """Learn the maximum of a block, which teaches as if it were near the usual ones."""
    rate = max(knobs.block_rate, 1.0 / (8.0 + blocks))
    spread = sqrt(variance)
    offset = min(max(maximum - mean, -knobs.clip_below * spread), knobs.clip_above * spread)
    variance = (1.0 - rate) * (variance + rate * offset * offset)
    return mean + rate * offset, max(variance, knobs.least_spread**2)
