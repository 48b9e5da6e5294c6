"""How likely a payment is a fraud: by its card and by its merchant, two independent causes."""

from functools import partial
from typing import Final, NamedTuple

import msgspec

from pipeline.detection import card as cards
from pipeline.detection import merchant as merchants
from pipeline.detection import tally as tallies
from pipeline.detection.card import (
    PARKED,
    REPORTED,
    CardState,
    Entry,
    accuse,
    evidence,
    find,
    remember,
)
from pipeline.detection.merchant import Accused, Cleared, Compromise, Merchant, Paid
from pipeline.detection.tally import Seen, Tally

WORTH_WORDS: Final = 0.1
"""A branch below this is no reason."""

RECENT_DAYS: Final = 28
"""Reports that the reasons count."""

UNKNOWN: Final = PARKED | REPORTED
"""Evidence of a payment that was reported before it came."""


class Habits(NamedTuple):
    """What is believed before there are reports: and how merchants are judged."""

    report_days: float = 7.0
    compromise: Compromise = Compromise()


class Judged(msgspec.Struct, frozen=True, gc=False):
    """A payment to judge: its day, its amount in limits, and its evidence beside its card."""

    day: int
    amount: float
    code: int


class Score(msgspec.Struct, frozen=True, gc=False):
    """How likely a payment is a fraud, and what each branch says; all 0 to 1."""

    whole: float
    by_card: float
    by_merchant: float


class Change(msgspec.Struct, frozen=True, gc=False):
    """What an event makes of a card, and what it adds to the tally and to the merchant."""

    card: CardState
    seen: tuple[Seen, ...] = ()
    noted: tuple[Paid | Accused | Cleared, ...] = ()


def pay(card: CardState, mark: int, day: int, amount: float) -> Change | None:
    """Take in a payment; None for one that is known already.

    Args:
        card: The card before it.
        mark: Stands for the transaction's id.
        day: Days since 1970, UTC.
        amount: In limits of its currency.
    """
    known = find(card, mark)
    if known is not None and not known.code & PARKED:
        return None
    code = evidence(card, day, amount)
    if known is None:
        taught = cards.pay(card, mark, day, code, amount)
        return Change(taught, (Seen(code, tallies.micros(amount), 1),), (Paid(day),))
    taught = accuse(remember(card, mark, day, code | REPORTED), day, code)
    seen = Seen(code, tallies.micros(amount), 1, 1)
    return Change(taught, (seen,), (Paid(day), Accused(mark, day, code)))


def report(
    card: CardState, mark: int, paid_day: int, report_day: int, *, is_fraud: bool
) -> Change | None:
    """Take in what was found out about a payment; None when that changes nothing.

    A report that comes before its payment is parked with the card and noted at the merchant. One
    that says "no fraud" only takes back an earlier one that said the opposite.
    """
    known = find(card, mark)
    if known is None:
        if not is_fraud:
            return None
        parked = remember(card, mark, paid_day, UNKNOWN)
        return Change(parked, (Seen(UNKNOWN),), (Accused(mark, paid_day, UNKNOWN),))
    if bool(known.code & REPORTED) == is_fraud:
        return None
    code = known.code & ~REPORTED
    if not is_fraud:
        return _taken_back(card, mark, known)
    delay = max(0, report_day - known.day)
    accused = accuse(remember(card, mark, known.day, code | REPORTED), known.day, code)
    seen = Seen(code, frauds=1, delay_days=delay)
    return Change(accused, (seen,), (Accused(mark, known.day, code),))


def score(
    card: CardState, payment: Judged, tally: Tally, merchant: Merchant, habits: Habits
) -> Score:
    """Judge a payment by what is known before it.

    Args:
        card: The card before the payment.
        payment: The payment with its evidence beside that card.
        tally: All of it, as are payments and reports of the merchant.
        merchant: Where the payment was made.
        habits: What is believed before there are reports.
    """
    amount, code = payment.amount, payment.code
    trust = tallies.trust(tally)
    by_card = (1 - trust) * tallies.odd_rate(tally, card.weight, card.sum, amount, code)
    if trust:
        by_card += trust * tallies.reported_rates(tally, (code,))[0]
    if not merchant.reports:
        return Score(by_card, by_card, 0.0)
    by_merchant = merchants.suspicion(
        merchant,
        payment.day,
        tallies.report_days(tally, habits.report_days),
        partial(tallies.reported_rates, tally),
        habits.compromise,
    )
    return Score(1 - (1 - by_card) * (1 - by_merchant), by_card, by_merchant)


def _taken_back(card: CardState, mark: int, known: Entry) -> Change:
    code = known.code & ~REPORTED
    if code & PARKED:
        return Change(remember(card, mark, known.day, code), (), (Cleared(mark),))
    seen = Seen(code, frauds=-1)
    return Change(remember(card, mark, known.day, code), (seen,), (Cleared(mark),))


def reasons(
    found: Score, card: CardState, amount: float, merchant: Merchant, day: int
) -> tuple[str, ...]:
    """Say in words why a payment scores high; the stronger cause first."""
    causes: list[tuple[float, str]] = []
    usual = card.usual
    if usual and found.by_card >= WORTH_WORDS:
        causes.append((found.by_card, f"amount {amount / usual:,.1f} times this card's usual"))
    elif found.by_card >= WORTH_WORDS:
        causes.append((found.by_card, "the amount is one that is often reported"))
    if found.by_merchant >= WORTH_WORDS:
        times = merchants.reports_since(merchant, day - RECENT_DAYS)
        if times:
            told = "once" if times == 1 else f"{times} times"
            text = f"merchant reported {told} in {RECENT_DAYS // 7} weeks"
        else:
            text = "merchant was reported"
        causes.append((found.by_merchant, text))
    if 0 <= day - card.accused_day <= RECENT_DAYS:
        causes.append((0.0, f"this card was reported within {RECENT_DAYS // 7} weeks"))
    return tuple(text for _, text in sorted(causes, reverse=True))
