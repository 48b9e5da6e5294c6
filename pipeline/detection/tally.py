"""How often payments of each kind were seen and reported: what the fraud score learns from.

A tally is a sum of whole numbers. So each shard keeps its own part, in any order of events, and the
parts add up to what one shard would have had.
"""

from collections.abc import Iterable, Sequence
from math import exp, log, sqrt
from operator import add as plus
from typing import Final

import msgspec

from pipeline.detection.card import (
    AMOUNT_BINS,
    AMOUNT_FLOOR,
    PARKED,
    RATIO_BINS,
    SUSPICIONS,
    amount_cell,
    ratio_cell,
)

MICROS: Final = 1_000_000
"""Amounts are summed in millionths of their limit, each at most ten limits."""

_RATIO_CELLS: Final = RATIO_BINS * SUSPICIONS
_NO_RATIOS: Final = (0,) * _RATIO_CELLS
_NO_AMOUNTS: Final = (0,) * AMOUNT_BINS
_MAX_AMOUNT: Final = 10.0
_PRIOR_PAYMENTS: Final = 2.0  # how many payments of the average kind a cell starts with
_BASE_FRAUDS: Final = 1
_BASE_PAYMENTS: Final = 500
_REPORTS_TO_TRUST: Final = 20  # this many reports weigh as much as the rules that need none
_ODD_RATIO: Final = 1.1  # e^1.1 is three times the usual amount
_STEEPNESS: Final = 2.0
_USUAL_WEIGHT: Final = 2.0  # payments of the average amount that a card starts with
_RARE_AMOUNT: Final = 1e-3
_MIN_SEEN_FOR_TAIL: Final = 1_000
_PRIOR_REPORTS: Final = 2


class Seen(msgspec.Struct, frozen=True, gc=False):
    """A payment of this evidence was seen, or taken into account as a fraud, or both.

    `frauds` is -1 when a report is taken back. `delay_days` is how long its report took.
    """

    code: int
    micros: int = 0
    payments: int = 0
    frauds: int = 0
    delay_days: int = 0


class Tally(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Counts by ratio and suspicion, by amount, and the delays of the reports in days."""

    ratio_payments: tuple[int, ...] = _NO_RATIOS
    ratio_frauds: tuple[int, ...] = _NO_RATIOS
    amount_payments: tuple[int, ...] = _NO_AMOUNTS
    amount_frauds: tuple[int, ...] = _NO_AMOUNTS
    payments: int = 0
    frauds: int = 0
    micros: int = 0
    delays: int = 0
    delay_squares: int = 0


def micros(amount: float) -> int:
    """Return an amount, in limits, as it is summed."""
    return int(min(amount, _MAX_AMOUNT) * MICROS)


def count(tally: Tally, seen: Seen) -> Tally:
    """Add what was seen of one payment."""
    ratio, size = ratio_cell(seen.code), amount_cell(seen.code)
    payments, frauds, delay = seen.payments, seen.frauds, seen.delay_days
    ratio_payments, amount_payments = tally.ratio_payments, tally.amount_payments
    if payments:
        ratio_payments = _raised(ratio_payments, ratio, payments)
        amount_payments = _raised(amount_payments, size, payments)
    ratio_frauds, amount_frauds = tally.ratio_frauds, tally.amount_frauds
    if frauds:
        ratio_frauds = _raised(ratio_frauds, ratio, frauds)
        amount_frauds = _raised(amount_frauds, size, frauds)
    return Tally(
        ratio_payments,
        ratio_frauds,
        amount_payments,
        amount_frauds,
        tally.payments + payments,
        tally.frauds + frauds,
        tally.micros + seen.micros,
        tally.delays + frauds * delay,
        tally.delay_squares + frauds * delay * delay,
    )


def total(parts: Sequence[Tally]) -> Tally:
    """Add up the parts of all shards."""
    if len(parts) == 1:
        return parts[0]
    whole = Tally()
    for part in parts:
        whole = Tally(
            tuple(map(plus, whole.ratio_payments, part.ratio_payments)),
            tuple(map(plus, whole.ratio_frauds, part.ratio_frauds)),
            tuple(map(plus, whole.amount_payments, part.amount_payments)),
            tuple(map(plus, whole.amount_frauds, part.amount_frauds)),
            whole.payments + part.payments,
            whole.frauds + part.frauds,
            whole.micros + part.micros,
            whole.delays + part.delays,
            whole.delay_squares + part.delay_squares,
        )
    return whole


def reported_rates(tally: Tally, codes: Iterable[int]) -> list[float]:
    """Return which share of the payments of each evidence turns out a fraud of the card.

    Ratio and amount count apart and join as independent causes do.
    """
    base = (tally.frauds + _BASE_FRAUDS) / (tally.payments + _BASE_PAYMENTS)
    prior = _PRIOR_PAYMENTS * base
    ratio_payments, ratio_frauds = tally.ratio_payments, tally.ratio_frauds
    amount_payments, amount_frauds = tally.amount_payments, tally.amount_frauds
    rates = []
    for code in codes:
        if code & PARKED:
            rates.append(base if base < 1 else 1.0)
            continue
        ratio, size = ratio_cell(code), amount_cell(code)
        by_ratio = (ratio_frauds[ratio] + prior) / (ratio_payments[ratio] + _PRIOR_PAYMENTS)
        by_amount = (amount_frauds[size] + prior) / (amount_payments[size] + _PRIOR_PAYMENTS)
        if by_ratio >= 1 or by_amount >= 1:
            rates.append(1.0)
        else:
            rates.append(1 - (1 - by_ratio) * (1 - by_amount))
    return rates


def odd_rate(tally: Tally, weight: float, total_amount: float, amount: float, code: int) -> float:
    """Return how odd a payment is without any report: beside its card's usual ones, and in all.

    Args:
        tally: What was seen so far.
        weight: How many payments make up the card's usual amount.
        total_amount: Their sum, in limits.
        amount: The payment's own, in limits.
        code: Its evidence.
    """
    average = tally.micros / MICROS / tally.payments if tally.payments else amount
    usual = (total_amount + _USUAL_WEIGHT * average) / (weight + _USUAL_WEIGHT)
    ratio = log((amount + AMOUNT_FLOOR) / (usual + AMOUNT_FLOOR))
    by_ratio = 1 / (1 + exp(-_STEEPNESS * (ratio - _ODD_RATIO)))
    if tally.payments < _MIN_SEEN_FOR_TAIL:
        return by_ratio
    tail = (sum(tally.amount_payments[amount_cell(code) :]) + 1) / tally.payments
    by_amount = 1 / (1 + (tail / _RARE_AMOUNT) * (tail / _RARE_AMOUNT))
    return 1 - (1 - by_ratio) * (1 - by_amount)


def trust(tally: Tally) -> float:
    """Return how much the reports count beside the rules that need none, 0 to 1."""
    return tally.frauds / (tally.frauds + _REPORTS_TO_TRUST)


def report_days(tally: Tally, usual: float) -> float:
    """Return within how many days nearly every report has come: mean and two deviations.

    Args:
        tally: The delays of the reports so far.
        usual: What to believe before there are any, in days.
    """
    reports = tally.frauds + _PRIOR_REPORTS
    mean = (tally.delays + _PRIOR_REPORTS * usual) / reports
    square = (tally.delay_squares + _PRIOR_REPORTS * usual * usual) / reports
    return mean + 2 * sqrt(max(0.0, square - mean * mean))


def _raised(counts: tuple[int, ...], place: int, by: int) -> tuple[int, ...]:
    raised = list(counts)
    raised[place] += by
    return tuple(raised)
