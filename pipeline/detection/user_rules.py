"""The rules about what users do: payments, journeys, failed sign-ins. All are of kind `event`."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from pipeline.detection.anomaly import Severity
from pipeline.detection.incidents import Step
from pipeline.detection.rule import Positive, Rule, Text, check_steps

MAX_COUNT: Final = 28
"""Highest count that a window may tolerate: one entry more is kept, and a state is 850 bytes."""

MAX_SUM: Final = 1e7
"""Highest sum that a window may tolerate: entries are kept as hundredths in four bytes."""

Count = Annotated[int, Meta(ge=1, le=MAX_COUNT)]
Words = frozenset[Annotated[str, Meta(min_length=1, max_length=128)]]


class Vocabulary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What producers call things, in lower case; compared without regard to case.

    `signed_in` and `sign_in_failed` are activity types. A transaction whose status is among
    `not_payments` spends nothing; one among `not_presence` does not show where its user is.
    """

    signed_in: Words
    sign_in_failed: Words
    not_payments: Words
    not_presence: Words

    def __post_init__(self) -> None:
        """Refuse a word that could never be met, or that says two things."""
        for name in self.__struct_fields__:
            if any(word != word.lower() for word in getattr(self, name)):
                raise ValueError(f"`{name}` must be in lower case")
        if self.signed_in & self.sign_in_failed:
            raise ValueError("`signed_in` and `sign_in_failed` must not share a word")


class UserRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule about single events: its incident is over `quiet_s` after the last breach.

    The alert flow must not end an alert earlier than that: a breach in between is told as a part
    of the incident, not as a new one.
    """

    kind: Literal["event"]
    component: Text
    severity: Severity
    quiet_s: Positive


class TransactionAmount(UserRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A single payment above the limit of its currency; `steps` in multiples of the limit."""

    detector: Literal["threshold"]
    default_limit: Annotated[float, Meta(gt=0, le=MAX_SUM)]
    limits: dict[Annotated[str, Meta(pattern="^[A-Z]{3}$")], Positive]
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        """Refuse steps that contradict each other."""
        check_steps(1.0, self.severity, self.steps)

    def limit(self, currency: str) -> float:
        """Return the limit for a currency, the default one when the table does not name it."""
        return self.limits.get(currency, self.default_limit)


class SpendWindow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many payments, and how much in all, are usual within any `span_s` seconds."""

    span_s: Positive
    count: Count
    sum: Annotated[float, Meta(gt=0, le=MAX_SUM)]


class TransactionVelocity(UserRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """More payments, or more money, within a time than any window allows.

    Sums are in units of the default limit of `transaction_amount`; a currency with a limit of its
    own counts in proportion to it.
    """

    detector: Literal["velocity"]
    windows: Annotated[tuple[SpendWindow, ...], Meta(min_length=1, max_length=4)]


class FraudScore(UserRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A payment that is probably a fraud, by its card's habits and by reports; `steps` in scores.

    Silent until `min_reports` have taught it. `report_days` is how late reports are believed to be
    before the first has come, `merchant_days` how long a merchant stays broken into.
    """

    detector: Literal["score"]
    above: Annotated[float, Meta(gt=0, lt=1)]
    steps: tuple[Step, ...] = ()
    min_reports: Annotated[int, Meta(ge=1)]
    report_days: Annotated[float, Meta(ge=0, le=56)]
    merchant_days: Annotated[int, Meta(ge=1, le=56)]

    def __post_init__(self) -> None:
        """Refuse steps that do not rise."""
        check_steps(self.above, self.severity, self.steps)


class ImpossibleTravel(UserRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two positions of one user, further apart than `beyond_km` and faster than `above_km_h`."""

    detector: Literal["geo"]
    beyond_km: Positive
    above_km_h: Positive


class FailureWindow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many failed sign-ins are usual within any `span_s` seconds."""

    span_s: Positive
    count: Count


class FailedLogins(UserRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """More failed sign-ins within a time than any window allows."""

    detector: Literal["velocity"]
    windows: Annotated[tuple[FailureWindow, ...], Meta(min_length=1, max_length=4)]
