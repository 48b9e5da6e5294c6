"""The fold for failed sign-ins: bursts per user, and per address that they come from.

An address is personal data: its state and its facts are under a pseudonym, its text is masked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, Literal, NamedTuple, Self

import msgspec

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.incidents import IDLE, Incident, strike
from pipeline.detection.rules import Rules
from pipeline.detection.user_facts import Breach, Told, breaches_text, span_text, user_fact
from pipeline.detection.user_rules import MAX_COUNT, FailedLogins, FailureWindow
from pipeline.detection.windows import EMPTY, Window, add, mark, spans
from pipeline.events import Event, UserActivity

By = Literal["user", "address"]

RECENT_KEPT: Final = MAX_COUNT + 1
"""How many failures are remembered, whatever the rules tolerate: room for late ones."""

_IPV6_SUBSCRIBER_BITS: Final = 64  # what one subscriber is given; he may use any address in it
_UNKNOWN: Final = 0


class LoginState(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of failed sign-ins: the newest ones, each with a mark of the other side."""

    recent: Window = EMPTY
    burst: Incident = IDLE


class Address(NamedTuple):
    """How an address is called: its pseudonym, and its text without the part that identifies."""

    pseudonym: str
    masked: str


class Failures(NamedTuple):
    """The fullest window, how many times over, and how many others its failures are about."""

    ratio: float
    window: FailureWindow
    size: int
    others: int


@dataclass(frozen=True, slots=True)
class LoginDetector:
    """Folds failed sign-ins in any order, `by` user or address; a repetition changes nothing."""

    rule: FailedLogins
    by: By
    failed: frozenset[str]
    name: str
    version: int = 1
    state_type: type[LoginState] = LoginState

    @classmethod
    def under(cls, rules: Rules, by: By) -> Self:
        """Return the detector that follows these rules."""
        rule = rules.failed_login_user if by == "user" else rules.failed_login_address
        return cls(rule, by, rules.vocabulary.sign_in_failed, f"login_{by}")

    def subject(self, event: Event) -> str | None:
        """Return the user or the address's pseudonym, None for all but failed sign-ins."""
        if not isinstance(event, UserActivity) or event.activity_type.lower() not in self.failed:
            return None
        if self.by == "user":
            return event.user_id
        return address(event.ip_address).pseudonym if event.ip_address else None

    def initial(self) -> LoginState:
        """Return the state of a subject without a failed sign-in."""
        return LoginState()

    def fold(
        self, state: LoginState, event: Event, event_id: str
    ) -> tuple[LoginState, Sequence[Anomaly]]:
        """Take in one failed sign-in and return the state with the edges that it causes."""
        if not isinstance(event, UserActivity):
            return state, ()
        kept = self.kept(state, event, event_id)
        return (state, ()) if kept is None else self.judge(kept, kept.recent, event, event_id)

    def entry(self, event: UserActivity, event_id: str) -> tuple[float, int, int]:
        """Return what is kept of a failure: its epoch seconds, its mark, and the other side's."""
        return event.timestamp.timestamp(), mark(event_id), self._other(event)

    def kept(self, state: LoginState, event: UserActivity, event_id: str) -> LoginState | None:
        """Keep a failure; None for a repetition, and for one older than all that is kept."""
        at, number, other = self.entry(event, event_id)
        if number in state.recent.marks:
            return None
        recent = add(state.recent, at, number, other, RECENT_KEPT)
        return None if recent is None else LoginState(recent, state.burst)

    def judge(
        self, state: LoginState, seen: Window, event: UserActivity, event_id: str
    ) -> tuple[LoginState, Sequence[Anomaly]]:
        """Return the state with the edges that a failure causes.

        Args:
            state: What is kept, this failure included.
            seen: All failures to count, this one among them.
            event: The failed sign-in.
            event_id: Its id.
        """
        failures = self._failures(seen, event.timestamp.timestamp())
        if failures is None:
            return state, ()
        rule = self.rule
        burst, edge = strike(
            state.burst, rule.quiet_s, event.timestamp, failures.ratio, rule.severity
        )
        after = LoginState(state.recent, burst)
        if edge is None:
            return after, ()
        subject = self.subject(event) or ""
        return after, (self._told(event, Breach(event, event_id, subject, burst, edge), failures),)

    def _other(self, event: UserActivity) -> int:
        if self.by == "address":
            return mark(event.user_id)
        return mark(event.ip_address) if event.ip_address else _UNKNOWN

    def _failures(self, recent: Window, at: float) -> Failures | None:
        worst: Failures | None = None
        for window in self.rule.windows:
            for start, end in spans(recent, at, window.span_s):
                ratio = (end - start) / window.count
                if ratio > 1 and (worst is None or ratio > worst.ratio):
                    others = set(recent.values[start:end]) - {_UNKNOWN}
                    worst = Failures(ratio, window, end - start, len(others))
        return worst

    def _told(self, event: UserActivity, breach: Breach, failures: Failures) -> Anomaly:
        window = failures.window
        within = f"within {span_text(window.span_s)}"
        headline = f"More than {window.count} failed sign-ins {within}"
        if self.by == "user":
            source = event.user_id
            title, others = (f"{headline} as {source}", _plural(failures.others, "address", "es"))
            labels = {"user_id": source}
            spread = f"from {others}"
        else:
            source = address(event.ip_address or "").masked
            title, others = (f"{headline} from {source}", _plural(failures.others, "user", "s"))
            labels = {"address": source}
            spread = f"as {others}"
        told = Told(
            source=source,
            title=title,
            expected=f"at most {window.count} {within}",
            observed=failures.size,
            threshold=window.count,
            unit="failed sign-ins",
            reasons=(
                f"{failures.size} failed sign-ins {within}, {spread}",
                breaches_text(breach.incident.count, "failure too many", "failures too many"),
            ),
            labels=labels,
            window_s=round(window.span_s),
            score=failures.ratio,
        )
        return user_fact(self.rule, breach, told)


@lru_cache(maxsize=1024)
def address(text: str) -> Address:
    """Return how an address is called; all of an IPv6 subscriber's addresses are one.

    The pseudonym keeps addresses out of texts and keys. It is no secret: whoever has all addresses
    can compute theirs.
    """
    try:
        known = ip_address(text.strip())
    except ValueError:
        return Address(_pseudonym(text), "an unreadable address")
    if isinstance(known, IPv6Address) and known.ipv4_mapped:
        known = known.ipv4_mapped
    if isinstance(known, IPv4Address):
        return Address(_pseudonym(str(known)), f"{str(known).rpartition('.')[0]}.x")
    network = IPv6Network((known, _IPV6_SUBSCRIBER_BITS), strict=False)
    groups = [group.lstrip("0") or "0" for group in network.exploded.split(":")[:3]]
    return Address(_pseudonym(str(network)), f"{':'.join(groups)}:x")


def _pseudonym(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def _plural(count: int, noun: str, ending: str) -> str:
    return f"{count} {noun}{'' if count == 1 else ending}"
