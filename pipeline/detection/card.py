"""What is remembered of a card: its usual amount, its newest payments, and what was reported.

Nothing here depends on other cards or on what was learned, so a card's state is the same however
fast reports travel. A payment's evidence is a few bits that later count what its report teaches.
"""

from bisect import bisect_left, bisect_right
from math import exp, log, log2
from typing import Final

import msgspec

from pipeline.detection.incidents import IDLE, Incident

DAY_S: Final = 86_400

PAYMENTS_KEPT: Final = 40
"""How many payments wait for their reports; a card with four a day keeps ten days."""

EFFECTIVE_PAYMENTS: Final = 60
"""How many payments the usual amount is made of, at most."""

RATIO_BINS: Final = 16
SUSPICIONS: Final = 3
AMOUNT_BINS: Final = 64

AMOUNT_FLOOR: Final = 1e-4
"""Added to amounts, in limits of their currency, so that small ones do not have large ratios."""

REPORTED: Final = 1 << 12
PARKED: Final = 1 << 13
"""Of a payment that was reported before it came: what it was is not known yet."""

_WORD: Final = 4
_MOST_BYTES: Final = PAYMENTS_KEPT * _WORD
_CODE_BITS: Final = 16
_CODE_MASK: Final = (1 << _CODE_BITS) - 1
_FULL_EDGES: Final = (-0.5, -0.1, 0.2, 0.45, 0.6, 0.75, 0.9, 1.05, 1.25)
_EARLY_EDGES: Final = (0.3, 0.7, 1.0, 1.3)
_EARLY_PAYMENTS: Final = 4
_FIRST_EARLY_BIN: Final = len(_FULL_EDGES) + 1
_NEW_CARD: Final = RATIO_BINS - 1
_ODD_RATIO_BINS: Final = frozenset((7, 8, 9, 13, 14))  # about 2.5 times the usual, and more
_FRESH_DAYS: Final = 14
_STALE_DAYS: Final = 28
_BINS_PER_OCTAVE: Final = 6
_LIMIT_BIN: Final = 55


class CardState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is kept of one card.

    `weight` payments with `sum` in all make up the usual amount, in limits of their currencies.
    `accused_day` is the day of the newest fraud that the card's own habits tell. `marks` are those
    of the newest payments, `codes` their days and evidence, both as words of four bytes: copied and
    searched at once, and nothing for the garbage collector. `incident` is that of the score.
    """

    weight: float = 0.0
    sum: float = 0.0
    accused_day: int = 0
    marks: bytes = b""
    codes: bytes = b""
    incident: Incident = IDLE

    @property
    def usual(self) -> float | None:
        """Return the usual amount, None for a card that never paid."""
        return self.sum / self.weight if self.weight else None


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A payment that is remembered: its day, and its evidence with its flags."""

    day: int
    code: int


def evidence(state: CardState, day: int, amount: float) -> int:
    """Return what a payment is, beside its card's usual ones, in 12 bits.

    Args:
        state: The card before the payment.
        day: Days since 1970, UTC.
        amount: In limits of its currency.
    """
    age = day - state.accused_day
    suspicion = 2 if age <= _FRESH_DAYS else 1 if age <= _STALE_DAYS else 0
    size = int(_LIMIT_BIN + _BINS_PER_OCTAVE * log2(amount)) if amount > AMOUNT_FLOOR else 0
    if size < 0:
        size = 0
    elif size >= AMOUNT_BINS:
        size = AMOUNT_BINS - 1
    return _ratio_bin(state, amount) | suspicion << 4 | size << 6


def ratio_cell(code: int) -> int:
    """Return the cell of the table by ratio to the usual amount and by suspicion."""
    return code & 63


def amount_cell(code: int) -> int:
    """Return the cell of the table by amount."""
    return code >> 6 & 63


def suspicion(code: int) -> int:
    """Return 2 for a card with a recent fraud of its own, 1 for an older one, 0 for none."""
    return code >> 4 & 3


def find(state: CardState, mark: int) -> Entry | None:
    """Return a payment that is still remembered."""
    place = _place(state.marks, mark)
    if place < 0:
        return None
    packed = int.from_bytes(state.codes[place : place + _WORD], "big")
    return Entry(packed >> _CODE_BITS, packed & _CODE_MASK)


def pay(state: CardState, mark: int, day: int, code: int, amount: float) -> CardState:
    """Keep a payment that is not known yet; it teaches the usual amount, the less the odder it is.

    Args:
        state: The card before the payment.
        mark: Stands for the transaction's id.
        day: Days since 1970, UTC.
        code: Its evidence.
        amount: In limits of its currency.
    """
    weight, total = state.weight, state.sum
    taught = 1.0
    if weight:
        odd = log((amount + AMOUNT_FLOOR) / (total / weight + AMOUNT_FLOOR))
        taught = 1 / (1 + exp(min(50.0, 4 * (odd - 1))))
    if weight >= EFFECTIVE_PAYMENTS - 1:
        kept = (EFFECTIVE_PAYMENTS - 1) / weight
        weight, total = weight * kept, total * kept
    return CardState(
        weight + taught,
        total + taught * amount,
        state.accused_day,
        _with_newest(state.marks, mark),
        _with_newest(state.codes, _packed(day, code)),
        state.incident,
    )


def remember(state: CardState, mark: int, day: int, code: int) -> CardState:
    """Keep a payment, or what is now known of one, and forget the oldest when there is no room."""
    packed = _packed(day, code)
    marks, codes = state.marks, state.codes
    place = _place(marks, mark)
    if place < 0:
        marks, codes = _with_newest(marks, mark), _with_newest(codes, packed)
    else:
        codes = codes[:place] + packed.to_bytes(_WORD, "big") + codes[place + _WORD :]
    return CardState(state.weight, state.sum, state.accused_day, marks, codes, state.incident)


def accuse(state: CardState, day: int, code: int) -> CardState:
    """Suspect the card from a fraud on that its own habits tell: an odd amount."""
    if code & PARKED or code & 15 not in _ODD_RATIO_BINS or day <= state.accused_day:
        return state
    return CardState(state.weight, state.sum, day, state.marks, state.codes, state.incident)


def _place(marks: bytes, mark: int) -> int:
    """Return at which byte a mark is, -1 for one that is not there."""
    word = mark.to_bytes(_WORD, "big")
    place = marks.find(word)
    while place > 0 and place % _WORD:  # across two marks
        place = marks.find(word, place + 1)
    return place


def _with_newest(words: bytes, word: int) -> bytes:
    """Append a word, and drop the oldest when there is no room."""
    return words[_WORD - _MOST_BYTES :] + word.to_bytes(_WORD, "big")


def _packed(day: int, code: int) -> int:
    return (day & _CODE_MASK) << _CODE_BITS | code


def _ratio_bin(state: CardState, amount: float) -> int:
    weight = state.weight
    if not weight:
        return _NEW_CARD
    odd = log((amount + AMOUNT_FLOOR) / (state.sum / weight + AMOUNT_FLOOR))
    if weight < _EARLY_PAYMENTS:
        return _FIRST_EARLY_BIN + bisect_left(_EARLY_EDGES, odd)
    return bisect_right(_FULL_EDGES, odd)
