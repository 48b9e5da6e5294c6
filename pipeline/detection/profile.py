"""The usual values per half hour of the day and of the week, a byte each.

A byte holds a value's distance from a centre, fine near it and coarse far away (2 % of the
distance), up to a reach. Bytes change only when a half hour ends; half hours are those of UTC.
"""

from math import isnan, log1p, nan
from typing import Final

CELL_S: Final = 1800.0
OF_DAY: Final = 48
OF_WEEK: Final = 336
EMPTY_DAY: Final = bytes(OF_DAY)
EMPTY_WEEK: Final = bytes(OF_WEEK)
NO_PEAKS: Final = bytes(OF_DAY)

# Code 0 is an empty cell, 128 the centre.
_VALUES: Final[tuple[float, ...]] = (
    nan,
    *(
        (-1.0 if c < 128 else 1.0) * (256.0 ** (abs(c - 128) / 127.0) - 1.0) / 255.0
        for c in range(1, 256)
    ),
)
_HEIGHTS: Final[tuple[float, ...]] = tuple((256.0 ** (c / 255.0) - 1.0) / 255.0 for c in range(256))
_LOG_256: Final = log1p(255.0)


def read(cells: bytes, cell: int, centre: float, reach: float) -> float:
    """Return the value of a half hour, NaN for an empty one."""
    return centre + reach * _VALUES[cells[cell % len(cells)]]


def written(cells: bytes, cell: int, value: float, centre: float, reach: float) -> bytes:
    """Return the cells with one of them replaced."""
    at = cell % len(cells)
    return b"%b%c%b" % (cells[:at], _code(value, centre, reach), cells[at + 1 :])


def moved(cells: bytes, centre: float, reach: float, to: float, wider: float) -> bytes:
    """Return the same values, written about another centre and with another reach."""
    return bytes(_code(centre + reach * _VALUES[code], to, wider) if code else 0 for code in cells)


def predicted(  # noqa: PLR0913, PLR0917  plain numbers: a structure of them would cost as much as the rest
    day: bytes,
    week: bytes,
    at: float,
    of_day: float,
    of_week: float,
    centre: float,
    reach: float,
    level: float,
) -> tuple[float, float]:
    """Return what day and week expect of a moment, between the middles of two half hours.

    `of_day` and `of_week` are the running values of the moment's own half hour. Where a half hour
    is empty the other one serves; where both are, the day stands in for the week and the level
    for the day.
    """
    cell = int(at // CELL_S)
    place = at / CELL_S - cell - 0.5
    other, share = (cell - 1, -place) if place < 0 else (cell + 1, place)
    by_day = _between(of_day, read(day, other, centre, reach), share)
    if isnan(by_day):
        by_day = level
    by_week = _between(of_week, read(week, other, centre, reach), share)
    return by_day, by_day if isnan(by_week) else by_week


def raised(peaks: bytes, cell: int, peak: float, reach: float, rate: float) -> bytes:
    """Return the usual peaks after a half hour whose largest deviation was `peak`."""
    at = cell % OF_DAY
    known = reach * _HEIGHTS[peaks[at]]
    known += (rate if peaks[at] else 0.5) * (peak - known)
    return b"%b%c%b" % (peaks[:at], _height(known, reach), peaks[at + 1 :])


def rescaled(peaks: bytes, reach: float, wider: float) -> bytes:
    """Return the same peaks for another reach."""
    return bytes(_height(reach * _HEIGHTS[code], wider) for code in peaks)


def highest(peaks: bytes, cell: int, reach: float) -> float:
    """Return the usual peak of a half hour or of a neighbour of it, whichever is higher."""
    at = cell % OF_DAY
    return reach * _HEIGHTS[max(peaks[at - 1], peaks[at], peaks[at + 1 - OF_DAY])]


def _between(own: float, other: float, share: float) -> float:
    if isnan(own):
        return other
    return own if isnan(other) else own + share * (other - own)


def _code(value: float, centre: float, reach: float) -> int:
    if isnan(value):
        return 0
    offset = value - centre
    if reach <= 0.0:
        return 128
    size = int(127.0 * log1p(255.0 * min(abs(offset) / reach, 1.0)) / _LOG_256 + 0.5)
    return 128 + size if offset >= 0.0 else 128 - size


def _height(size: float, reach: float) -> int:
    if reach <= 0.0:
        return 0
    return int(255.0 * log1p(255.0 * min(size / reach, 1.0)) / _LOG_256 + 0.5)
