"""The folds over sign-ups: bursts that share an e-mail domain, and bursts that share an address.

A domain is judged against its own rate: ten sign-ups of a small firm within minutes are odd, for a
public mail provider they are its quiet hour. An address is personal data: its state and its facts
are under a pseudonym, its text is masked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import Any, Final, NamedTuple, Self

import msgspec
from msgspec import UNSET

from pipeline.detection.account_rules import (
    MAX_CHANGES,
    ChangeWindow,
    SignUpsFromAddress,
    SignUpsOfDomain,
)
from pipeline.detection.accounts import (
    RECENT_KEPT,
    BurstState,
    ChangeDetector,
    DeletionDetector,
    TakeoverDetector,
    counted,
)
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.incidents import IDLE, Incident, strike
from pipeline.detection.logins import address
from pipeline.detection.rules import Rules
from pipeline.detection.user_facts import Breach, Told, breaches_text, span_text, user_fact
from pipeline.detection.windows import EMPTY, Window, add, mark, spans
from pipeline.users import User, UserChange

_KNOWN_AFTER: Final = 7.0
"""A seventh of the memory must have passed before a rate counts as known: it is taken to be spread
over at least that long. Else the first two sign-ups of a domain would be a rate of their own."""

_LARGEST_SUBJECT: Final = 253  # the longest name that a domain can have


class DomainState(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of one domain's sign-ups.

    `recent` holds the newest. `weight` counts all of them, each fading over the rule's memory, as
    of `as_of`; `since` is the first. All in epoch seconds.
    """

    recent: Window = EMPTY
    burst: Incident = IDLE
    weight: float = 0.0
    as_of: float = 0.0
    since: float = 0.0


class Usual(NamedTuple):
    """How many sign-ups are usual within which time, and the rate per hour behind that."""

    allowed: int
    span_s: float
    rate_per_h: float


@dataclass(frozen=True, slots=True)
class DomainDetector:
    """Folds the sign-ups of an e-mail domain in any order; a repetition changes nothing.

    Repetitions are known among the newest 65 sign-ups of the domain.
    """

    rule: SignUpsOfDomain
    name: str = "signup_domain"
    version: int = 1
    state_type: type[DomainState] = DomainState

    @classmethod
    def under(cls, rules: Rules) -> Self:
        """Return the detector that follows these rules."""
        return cls(rules.signup_domain)

    def subject(self, change: UserChange) -> str | None:
        """Return the e-mail domain of a new user."""
        user = _new(change)
        return user.email_domain[:_LARGEST_SUBJECT] if user else None

    def initial(self) -> DomainState:
        """Return the state of a domain without a sign-up."""
        return DomainState()

    def fold(self, state: DomainState, change: UserChange) -> tuple[DomainState, Sequence[Anomaly]]:
        """Take in one sign-up and return the state with the edge that it causes."""
        domain = self.subject(change)
        number, at = mark(change.change_id), change.timestamp.timestamp()
        if domain is None or number in state.recent.marks:
            return state, ()
        recent = add(state.recent, at, number, 0, RECENT_KEPT)
        if recent is None:
            return state, ()
        usual = self._usual(state, domain, at)
        learned = self._learn(state, recent, at)
        size = max(end - start for start, end in spans(recent, at, usual.span_s))
        if size <= usual.allowed or (self._is_public(domain) and not self._is_known(state, at)):
            return learned, ()
        rule, ratio = self.rule, size / usual.allowed
        burst, edge = strike(state.burst, rule.quiet_s, change.timestamp, ratio, rule.severity)
        after = msgspec.structs.replace(learned, burst=burst)
        if edge is None:
            return after, ()
        breach = Breach(change, change.change_id, domain, burst, edge)
        return after, (self._told(breach, usual, size),)

    def _usual(self, state: DomainState, domain: str, at: float) -> Usual:
        """Return what the domain's past before this sign-up makes usual.

        A rate that would allow more than is kept is judged over less time instead.
        """
        rule = self.rule
        floor = rule.public_count if self._is_public(domain) else rule.count
        rate = self._rate(state, at)
        allowed = rule.factor * rate * rule.span_s
        if allowed <= floor:
            return Usual(floor, rule.span_s, rate * 3600)
        if allowed <= MAX_CHANGES:
            return Usual(int(allowed), rule.span_s, rate * 3600)
        return Usual(MAX_CHANGES, MAX_CHANGES / (rule.factor * rate), rate * 3600)

    def _is_public(self, domain: str) -> bool:
        return domain in self.rule.public_domains

    def _is_known(self, state: DomainState, at: float) -> bool:
        """Tell whether the domain has been seen for long enough to know how busy it always is."""
        return bool(state.weight) and at - state.since >= self.rule.memory_s / _KNOWN_AFTER

    def _rate(self, state: DomainState, at: float) -> float:
        """Return the domain's sign-ups per second over the time that is remembered."""
        if not state.weight:
            return 0.0
        memory_s = self.rule.memory_s
        now = max(at, state.as_of)
        weight = state.weight * exp(-(now - state.as_of) / memory_s)
        remembered_s = memory_s * (1 - exp(-(now - state.since) / memory_s))
        return weight / max(remembered_s, memory_s / _KNOWN_AFTER)

    def _learn(self, state: DomainState, recent: Window, at: float) -> DomainState:
        if not state.weight:
            return DomainState(recent, state.burst, 1.0, at, at)
        memory_s = self.rule.memory_s
        now = max(at, state.as_of)
        faded = state.weight * exp(-(now - state.as_of) / memory_s)
        weight = faded + exp(-(now - at) / memory_s)
        return DomainState(recent, state.burst, weight, now, min(state.since, at))

    def _told(self, breach: Breach, usual: Usual, size: int) -> Anomaly:
        domain, within = breach.subject, f"within {span_text(round(usual.span_s, 1))}"
        told = Told(
            source=domain,
            title=f"More than {usual.allowed} sign-ups {within} with {domain}",
            expected=f"at most {usual.allowed} {within}",
            observed=size,
            threshold=usual.allowed,
            unit="sign-ups",
            reasons=(
                f"{size} sign-ups {within}, up to {usual.allowed} are usual",
                f"the domain's own rate is {usual.rate_per_h:.3g} an hour",
                breaches_text(breach.incident.count, "sign-up too many", "sign-ups too many"),
            ),
            labels={"email_domain": domain},
            window_s=max(1, round(usual.span_s)),
            score=size / usual.allowed,
        )
        return user_fact(self.rule, breach, told)


@dataclass(frozen=True, slots=True)
class AddressDetector:
    """Folds the sign-ups from an address in any order; a repetition changes nothing."""

    rule: SignUpsFromAddress
    name: str = "signup_address"
    version: int = 1
    state_type: type[BurstState] = BurstState

    @classmethod
    def under(cls, rules: Rules) -> Self:
        """Return the detector that follows these rules."""
        return cls(rules.signup_address)

    def subject(self, change: UserChange) -> str | None:
        """Return the pseudonym of a new user's address, None when it is not known."""
        user = _new(change)
        if user is None or user.signup_ip is UNSET or not user.signup_ip:
            return None
        return address(user.signup_ip).pseudonym

    def initial(self) -> BurstState:
        """Return the state of an address without a sign-up."""
        return BurstState()

    def fold(self, state: BurstState, change: UserChange) -> tuple[BurstState, Sequence[Anomaly]]:
        """Take in one sign-up and return the state with the edge that it causes."""
        user, subject = _new(change), self.subject(change)
        if user is None or subject is None:
            return state, ()
        recent, fullest = counted(state.recent, change, mark(user.email_domain), self.rule.windows)
        if fullest is None:
            return BurstState(recent, state.burst), ()
        window, values = fullest
        ratio = len(values) / window.count
        burst, edge = strike(
            state.burst, self.rule.quiet_s, change.timestamp, ratio, self.rule.severity
        )
        after = BurstState(recent, burst)
        if edge is None:
            return after, ()
        breach = Breach(change, change.change_id, subject, burst, edge)
        masked = address(str(user.signup_ip)).masked
        return after, (self._told(breach, masked, window, values),)

    def _told(
        self, breach: Breach, masked: str, window: ChangeWindow, values: Sequence[int]
    ) -> Anomaly:
        within, domains = f"within {span_text(window.span_s)}", len(set(values))
        told = Told(
            source=masked,
            title=f"More than {window.count} sign-ups {within} from {masked}",
            expected=f"at most {window.count} {within}",
            observed=len(values),
            threshold=window.count,
            unit="sign-ups",
            reasons=(
                f"{len(values)} sign-ups {within}, of {domains} e-mail domains",
                breaches_text(breach.incident.count, "sign-up too many", "sign-ups too many"),
            ),
            labels={"address": masked},
            window_s=round(window.span_s),
            score=len(values) / window.count,
        )
        return user_fact(self.rule, breach, told)


PER_USER: Final = ("payment#1", "travel#1", "login_user#1", "takeover#1", "fraud_card#2")
"""Detectors with a state per user, by name and version, for an erasure to find it.

A test keeps this list true. States of an earlier version are left to their expiry.
"""


def change_detectors(rules: Rules) -> tuple[ChangeDetector[Any], ...]:
    """Return every detector that reads changes of users, under these rules."""
    return (
        TakeoverDetector.under(rules),
        DeletionDetector.under(rules),
        DomainDetector.under(rules),
        AddressDetector.under(rules),
    )


def _new(change: UserChange) -> User | None:
    return change.after if change.kind == "INSERT" else None
