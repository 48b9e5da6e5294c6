"""What is remembered of a merchant: payments by day, and the reports of fraud among them.

Days are whole numbers since 1970, UTC. Payments add up and reports are a set, so each shard keeps
its own part and the parts make up what one shard would have had.
"""

from collections.abc import Callable, Iterable, Sequence
from struct import Struct, unpack
from typing import Final, NamedTuple

import msgspec

from pipeline.detection.card import REPORTED

DAYS_KEPT: Final = 56
REPORTS_KEPT: Final = 40

_MOST_COUNTED: Final = 255  # payments of a day; far fewer without a report rule a break-in out
_WORD: Final = 4
_REPORT: Final = Struct(">II")  # day and evidence, mark: sorts by day
_CODE_BITS: Final = 16
_LEAST_EXPLAINED: Final = 5e-4
_MOST_LIKELY: Final = 0.9999
_CODE_MASK: Final = (1 << _CODE_BITS) - 1


class Paid(msgspec.Struct, frozen=True, gc=False):
    """A payment at the merchant."""

    day: int


class Accused(msgspec.Struct, frozen=True, gc=False):
    """A report of fraud about a payment of that day; a later one of the same mark replaces it."""

    mark: int
    day: int
    code: int


class Cleared(msgspec.Struct, frozen=True, gc=False):
    """A report was taken back."""

    mark: int


class Merchant(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Counts of payments from `first_day` on, day by day, and the newest reports by their day.

    A count is one byte. A report is eight: the payment's day and evidence, then its mark.
    """

    first_day: int = 0
    counts: bytes = b""
    reports: bytes = b""


class Compromise(NamedTuple):
    """How a merchant that has reports is judged.

    Args:
        lasting_days: For how many days a merchant that was broken into usually stays so.
        fraud_share: Of its payments meanwhile, how many are reported, a bit less than believed:
            so a few that nobody reported end the suspicion softly.
        start: How likely a report is the merchant's fault before its payment is looked at.
        early_end: Chance a day that it is over before its time; `late_end` after it.
        most: What a suspicion amounts to at most: no merchant has frauds alone for sure.
    """

    lasting_days: int = 28
    fraud_share: float = 0.7
    start: float = 0.02
    early_end: float = 0.005
    late_end: float = 0.4
    most: float = 0.97


def note(merchant: Merchant, what: Paid | Accused | Cleared) -> Merchant:
    """Take in what happened; the same report a second time changes nothing."""
    if isinstance(what, Paid):
        return _paid(merchant, what.day, 1)
    mark = what.mark.to_bytes(_WORD, "big")
    kept = [one for one in _reports(merchant) if one[_WORD:] != mark]
    if isinstance(what, Accused):
        code = (what.day & _CODE_MASK) << _CODE_BITS | what.code & ~REPORTED
        kept.append(_REPORT.pack(code, what.mark))
    return _with_reports(merchant, kept)


def whole(parts: Sequence[Merchant]) -> Merchant:
    """Join the parts of all shards."""
    if len(parts) == 1:
        return parts[0]
    joined = Merchant()
    reports: list[bytes] = []
    for part in parts:
        for place, payments in enumerate(part.counts):
            if payments:
                joined = _paid(joined, part.first_day + place, payments)
        reports.extend(_reports(part))
    return _with_reports(joined, reports)


def suspicion(
    merchant: Merchant,
    day: int,
    report_days: float,
    explained: Callable[[Iterable[int]], Sequence[float]],
    compromise: Compromise,
) -> float:
    """Return how likely it is that frauds come from the merchant itself on a day.

    Goes through the days since the first report: a report raises the odds, the less the better the
    card explains it; a payment that nobody has reported in time lowers them.

    Args:
        merchant: All of it, the parts of all shards.
        day: The day in question.
        report_days: Within how many days nearly every report has come.
        explained: Returns, by evidence of payments, the share of frauds that the card explains.
        compromise: How to judge.
    """
    oldest = max(0, day - DAYS_KEPT) << _CODE_BITS
    codes = [code for code in _codes(merchant) if code >= oldest]
    if not codes:
        return 0.0
    told = [code >> _CODE_BITS for code in codes]
    raised = [
        compromise.fraud_share / max(share, _LEAST_EXPLAINED) + 1
        for share in explained([code & _CODE_MASK for code in codes])
    ]
    # once full, some reports of the first day are forgotten
    is_cut = len(merchant.reports) >= REPORTS_KEPT * _REPORT.size
    first_settled, last_settled = told[0] + is_cut, day - round(report_days)
    going_on, lasting = 1 - compromise.early_end, compromise.lasting_days
    unreported = 1 - compromise.fraud_share
    counts, first_day = merchant.counts, merchant.first_day
    end = first_day + len(counts)
    likely, age, place = 0.0, 0, 0
    told.append(day + 1)  # behind the last one
    for today in range(told[0], day + 1):
        if likely:
            age += 1
            likely *= going_on if age < lasting else 1 - compromise.late_end
        first = place
        if told[place] == today:
            if likely < compromise.start:
                likely, age = compromise.start, 0
            odds = likely / (1 - likely)
            while told[place] == today:
                odds *= raised[place]
                place += 1
            likely = min(odds / (1 + odds), _MOST_LIKELY)
        if likely and first_settled <= today <= last_settled and first_day <= today < end:
            payments = counts[today - first_day] - (place - first)
            if payments > 0:
                odds = likely / (1 - likely) * unreported**payments
                likely = odds / (1 + odds)
    return likely * compromise.most


def reports_since(merchant: Merchant, day: int) -> int:
    """Return how many payments from a day on were reported."""
    return sum(code >> _CODE_BITS >= day for code in _codes(merchant))


def _paid(merchant: Merchant, day: int, payments: int) -> Merchant:
    first, counts = merchant.first_day, merchant.counts
    if not counts:
        return Merchant(day, bytes((payments,)), merchant.reports)
    place = day - first
    if place < 0:
        if first + len(counts) - day > DAYS_KEPT:
            return merchant
        counts = bytes((payments,)) + bytes(-place - 1) + counts
        first = day
    elif place < len(counts):
        raised = min(counts[place] + payments, _MOST_COUNTED)
        counts = counts[:place] + bytes((raised,)) + counts[place + 1 :]
    else:
        counts += bytes(min(place - len(counts), DAYS_KEPT)) + bytes((payments,))
        counts = counts[-DAYS_KEPT:].lstrip(b"\0")  # so that parts make up the very same
        first = day - len(counts) + 1
    return Merchant(first, counts, merchant.reports)


def _reports(merchant: Merchant) -> list[bytes]:
    reports, size = merchant.reports, _REPORT.size
    return [reports[at : at + size] for at in range(0, len(reports), size)]


def _codes(merchant: Merchant) -> tuple[int, ...]:
    """Return day and evidence of each report, from old to new."""
    reports = merchant.reports
    return unpack(f">{len(reports) // _WORD}I", reports)[::2]


def _with_reports(merchant: Merchant, reports: list[bytes]) -> Merchant:
    newest = b"".join(sorted(reports)[-REPORTS_KEPT:])
    return Merchant(merchant.first_day, merchant.counts, newest)
