"""The fold for fraud, per card: a score from the card's own habits and from reports of fraud.

Users stand for cards. A merchant's payments come from all shards, and so does what reports teach:
both are pools. Until enough reports have come the rule is silent; the plain rules are there for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self

from msgspec import UNSET
from msgspec.structs import replace

from pipeline.detection import fraud_score
from pipeline.detection import merchant as merchants
from pipeline.detection import tally as tallies
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.card import DAY_S, CardState
from pipeline.detection.fraud_score import Change, Habits, Judged, Score
from pipeline.detection.incidents import severity_at, strike
from pipeline.detection.merchant import Accused, Cleared, Compromise, Merchant, Paid
from pipeline.detection.pooled import Addition, Outcome, Pool, PoolKey
from pipeline.detection.rules import Rules
from pipeline.detection.tally import Seen, Tally
from pipeline.detection.user_facts import Breach, Told, breaches_text, user_fact
from pipeline.detection.user_rules import FraudScore, TransactionAmount, Vocabulary
from pipeline.detection.windows import mark
from pipeline.events import Event, FraudReport, Transaction

EVERYTHING: Final = PoolKey("fraud_tally", "all")
"""The tally, to which every payment and report adds."""

SNAPSHOT_S: Final = 60.0
"""How old sums may be, in time of arrival: reports come days later."""

_MERCHANT: Final = "fraud_merchant"


@dataclass(frozen=True, slots=True)
class TallyPool:
    """Counts of payments and of reports by evidence."""

    name: str = EVERYTHING.pool
    version: int = 1
    snapshot_s: float = SNAPSHOT_S
    state_type: type[Tally] = Tally

    def initial(self) -> Tally:
        """Return an empty part."""
        return Tally()

    def add(self, part: Tally, what: Seen) -> Tally:
        """Count a payment or a report."""
        return tallies.count(part, what)

    def total(self, parts: Sequence[Tally]) -> Tally:
        """Return the sum of the parts."""
        return tallies.total(parts)


@dataclass(frozen=True, slots=True)
class MerchantPool:
    """Payments and reports of one merchant."""

    name: str = _MERCHANT
    version: int = 2
    snapshot_s: float = SNAPSHOT_S
    state_type: type[Merchant] = Merchant

    def initial(self) -> Merchant:
        """Return an empty part."""
        return Merchant()

    def add(self, part: Merchant, what: Paid | Accused | Cleared) -> Merchant:
        """Take in a payment or a report."""
        return merchants.note(part, what)

    def total(self, parts: Sequence[Merchant]) -> Merchant:
        """Return what one part would hold."""
        return merchants.whole(parts)


@dataclass(frozen=True, slots=True)
class FraudDetector:
    """Folds payments and reports of a card; a repetition changes nothing."""

    rule: FraudScore
    amount: TransactionAmount
    vocabulary: Vocabulary
    name: str = "fraud_card"
    version: int = 2
    state_type: type[CardState] = CardState
    registry: PoolKey = EVERYTHING
    pools: tuple[Pool[Any], ...] = field(default_factory=lambda: (TallyPool(), MerchantPool()))

    @classmethod
    def under(cls, rules: Rules) -> Self:
        """Return the detector that follows these rules."""
        return cls(rules.transaction_fraud_score, rules.transaction_amount, rules.vocabulary)

    def subject(self, event: Event) -> str | None:
        """Return the user who pays or whose payment is reported."""
        if isinstance(event, FraudReport):
            return event.user_id
        if not isinstance(event, Transaction) or event.amount < 0:
            return None
        status = event.status
        if status is not UNSET and status.lower() in self.vocabulary.not_payments:
            return None
        return event.user_id

    def pooled(self, event: Event) -> Sequence[PoolKey]:
        """Return the tally, and the merchant if one is named."""
        if isinstance(event, Transaction | FraudReport) and event.merchant is not UNSET:
            return EVERYTHING, PoolKey(_MERCHANT, event.merchant)
        return (EVERYTHING,)

    def initial(self) -> CardState:
        """Return the state of a card that never paid."""
        return CardState()

    def fold(
        self, state: CardState, event: Event, event_id: str, totals: Mapping[PoolKey, Any]
    ) -> Outcome:
        """Take in a payment or a report."""
        if isinstance(event, FraudReport):
            change = fraud_score.report(
                state,
                mark(event.transaction_id),
                _day(event.transaction_timestamp),
                _day(event.timestamp),
                is_fraud=event.is_fraud,
            )
            return Outcome(state) if change is None else self._outcome(change, event)
        if not isinstance(event, Transaction):
            return Outcome(state)
        day = _day(event.timestamp)
        amount = float(event.amount) / self.amount.limit(event.currency)
        change = fraud_score.pay(state, mark(event.transaction_id), day, amount)
        if change is None:
            return Outcome(state)
        tally: Tally = totals[EVERYTHING]
        if tally.frauds < self.rule.min_reports:
            return self._outcome(change, event)
        merchant = Merchant()
        if event.merchant is not UNSET:
            merchant = totals[PoolKey(_MERCHANT, event.merchant)]
        habits = Habits(self.rule.report_days, Compromise(self.rule.merchant_days))
        judged = Judged(day, amount, change.seen[0].code)
        found = fraud_score.score(state, judged, tally, merchant, habits)
        if found.whole <= self.rule.above:
            return self._outcome(change, event)
        severity = severity_at(found.whole, self.rule.severity, self.rule.steps)
        incident, edge = strike(
            state.incident, self.rule.quiet_s, event.timestamp, found.whole, severity
        )
        outcome = self._outcome(change, event)
        outcome = outcome._replace(state=replace(change.card, incident=incident))
        if edge is None:
            return outcome
        why = fraud_score.reasons(found, state, amount, merchant, day)
        breach = Breach(event, event_id, event.user_id, incident, edge)
        return outcome._replace(anomalies=(self._told(event, breach, found, why),))

    def _outcome(self, change: Change, event: Transaction | FraudReport) -> Outcome:
        additions = [Addition(EVERYTHING, seen) for seen in change.seen]
        if event.merchant is not UNSET:
            key = PoolKey(_MERCHANT, event.merchant)
            additions.extend(Addition(key, what) for what in change.noted)
        return Outcome(change.card, (), additions)

    def _told(
        self, event: Transaction, breach: Breach, found: Score, why: tuple[str, ...]
    ) -> Anomaly:
        size = f"{float(event.amount):,.2f} {event.currency}"
        at = "" if event.merchant is UNSET else f" at {event.merchant}"
        labels = {"user_id": event.user_id}
        if event.merchant is not UNSET:
            labels["merchant"] = event.merchant
        count = breaches_text(breach.incident.count, "suspected payment", "suspected payments")
        told = Told(
            source=event.user_id,
            title=f"Probable fraud: {size} by {event.user_id}{at}",
            expected=f"a fraud score of at most {self.rule.above:g}",
            observed=round(found.whole, 3),
            threshold=self.rule.above,
            unit="",
            reasons=(*why, count),
            labels=labels,
            score=round(found.whole, 3),
        )
        return user_fact(self.rule, breach, told)


def _day(moment: datetime) -> int:
    return int(moment.timestamp()) // DAY_S
