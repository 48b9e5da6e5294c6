"""The fold for payments, per user: single large ones, and too many or too much within a time.

Only the first sight of a transaction counts; further rows of it tell what became of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import msgspec
from msgspec import UNSET

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.incidents import IDLE, Incident, severity_at, strike
from pipeline.detection.rules import Rules
from pipeline.detection.user_facts import (
    Breach,
    Told,
    breaches_text,
    number_text,
    span_text,
    user_fact,
)
from pipeline.detection.user_rules import (
    MAX_COUNT,
    SpendWindow,
    TransactionAmount,
    TransactionVelocity,
    Vocabulary,
)
from pipeline.detection.windows import EMPTY, Window, add, mark, spans
from pipeline.events import Event, Transaction

RECENT_KEPT: Final = MAX_COUNT + 1
"""How many payments are remembered, whatever the rules tolerate: room for late ones."""

LARGE_KEPT: Final = 4
"""How many large payments are remembered apart: what becomes of them is often told days later."""

_LARGEST_VALUE: Final = 2**32 - 1  # what MessagePack writes in five bytes


class PaymentState(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of one user's payments.

    `recent` holds the newest payments with their amounts in hundredths, `large` the newest ones
    above their limit. `excess` is the incident of the amount limit, `haste` that of the velocity.
    """

    recent: Window = EMPTY
    large: Window = EMPTY
    excess: Incident = IDLE
    haste: Incident = IDLE


class Pressure(NamedTuple):
    """The window that is exceeded the most: by count or by sum, and how many times over."""

    ratio: float
    window: SpendWindow
    by_sum: bool
    size: int
    sum: float


@dataclass(frozen=True, slots=True)
class PaymentDetector:
    """Folds the payments of a user in any order; a repetition changes nothing."""

    amount: TransactionAmount
    velocity: TransactionVelocity
    vocabulary: Vocabulary
    name: str = "payment"
    version: int = 1
    state_type: type[PaymentState] = PaymentState

    @classmethod
    def under(cls, rules: Rules) -> Self:
        """Return the detector that follows these rules."""
        return cls(rules.transaction_amount, rules.transaction_velocity, rules.vocabulary)

    def subject(self, event: Event) -> str | None:
        """Return the user who pays, None for an event that is no payment."""
        if not isinstance(event, Transaction) or event.amount < 0:
            return None
        status = event.status
        if status is not UNSET and status.lower() in self.vocabulary.not_payments:
            return None
        return event.user_id

    def initial(self) -> PaymentState:
        """Return the state of a user without a payment."""
        return PaymentState()

    def fold(
        self, state: PaymentState, event: Event, event_id: str
    ) -> tuple[PaymentState, Sequence[Anomaly]]:
        """Take in one payment and return the user's state with the edges that it causes."""
        if not isinstance(event, Transaction):
            return state, ()
        number = mark(event.transaction_id)
        if number in state.recent.marks or number in state.large.marks:
            return state, ()
        at = event.timestamp.timestamp()
        ratio = float(event.amount) / self.amount.limit(event.currency)
        value = min(round(ratio * self.amount.default_limit * 100), _LARGEST_VALUE)
        recent = add(state.recent, at, number, value, RECENT_KEPT)
        large = add(state.large, at, number, 0, LARGE_KEPT) if ratio > 1 else None
        pressure = None if recent is None else self._pressure(recent, at)
        if large is None and pressure is None:
            return PaymentState(recent or state.recent, state.large, state.excess, state.haste), ()
        excess, haste, found = state.excess, state.haste, []
        if large is not None:
            severity = severity_at(ratio, self.amount.severity, self.amount.steps)
            excess, edge = strike(excess, self.amount.quiet_s, event.timestamp, ratio, severity)
            if edge:
                found.append(
                    self._large(event, Breach(event, event_id, event.user_id, excess, edge), ratio)
                )
        if pressure is not None:
            rule = self.velocity
            haste, edge = strike(
                haste, rule.quiet_s, event.timestamp, pressure.ratio, rule.severity
            )
            if edge:
                found.append(
                    self._hasty(
                        event, Breach(event, event_id, event.user_id, haste, edge), pressure
                    )
                )
        kept = PaymentState(recent or state.recent, large or state.large, excess, haste)
        return kept, found

    def _pressure(self, recent: Window, at: float) -> Pressure | None:
        worst: Pressure | None = None
        hundredths = recent.values
        for window in self.velocity.windows:
            for start, end in spans(recent, at, window.span_s):
                count = end - start
                total = sum(hundredths[start:end]) / 100
                by_count, by_sum = count / window.count, total / window.sum
                ratio = max(by_count, by_sum)
                if ratio > 1 and (worst is None or ratio > worst.ratio):
                    worst = Pressure(ratio, window, by_sum > by_count, count, total)
        return worst

    def _large(self, event: Transaction, breach: Breach, ratio: float) -> Anomaly:
        amount, limit = float(event.amount), self.amount.limit(event.currency)
        size = f"{amount:,.2f} {event.currency}"
        told = Told(
            source=event.user_id,
            title=f"Payment of {size} by {event.user_id}",
            expected=f"at most {limit:,.2f} {event.currency}",
            observed=amount,
            threshold=limit,
            unit=event.currency,
            reasons=(
                f"{size} is {ratio:,.4g} times the limit {limit:,.2f} {event.currency}",
                breaches_text(
                    breach.incident.count, "payment above its limit", "payments above it"
                ),
            ),
            labels={"user_id": event.user_id},
        )
        return user_fact(self.amount, breach, told)

    def _hasty(self, event: Transaction, breach: Breach, pressure: Pressure) -> Anomaly:
        window = pressure.window
        within = f"within {span_text(window.span_s)}"
        if pressure.by_sum:
            title = f"Payments of more than {window.sum:,.0f} {within} by {event.user_id}"
            expected, observed, unit = (f"at most {window.sum:,.0f} {within}", pressure.sum, "")
            threshold = window.sum
        else:
            title = f"More than {window.count} payments {within} by {event.user_id}"
            expected, observed, unit = (
                f"at most {window.count} {within}",
                pressure.size,
                "payments",
            )
            threshold = window.count
        told = Told(
            source=event.user_id,
            title=title,
            expected=expected,
            observed=observed,
            threshold=threshold,
            unit=unit,
            reasons=(
                f"{number_text(pressure.size, 'payment')} {within}, {window.count} allowed",
                f"{pressure.sum:,.2f} in all {within}, {window.sum:,.2f} allowed",
                breaches_text(breach.incident.count, "payment too many", "payments too many"),
            ),
            labels={"user_id": event.user_id},
            window_s=round(window.span_s),
            score=pressure.ratio,
        )
        return user_fact(self.velocity, breach, told)
