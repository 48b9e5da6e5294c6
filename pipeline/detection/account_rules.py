"""The rules about accounts: take-over, mass deletion, bursts of sign-ups. All are of kind `event`.

Their folds read changes of users, not events of the stream.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from pipeline.detection.incidents import Step
from pipeline.detection.rule import Positive, check_steps
from pipeline.detection.user_rules import UserRule, Words

MAX_CHANGES: Final = 64
"""Highest count that a window of these rules may tolerate: entries are kept one by one."""

ChangeCount = Annotated[int, Meta(ge=1, le=MAX_CHANGES)]


class AccountRule(UserRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule whose fold reads changes of users."""


class AccountTakeover(AccountRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At least `attributes` of e-mail, phone and password replaced within `span_s` seconds.

    `steps` are in numbers of such attributes.
    """

    detector: Literal["velocity"]
    span_s: Positive
    attributes: Annotated[int, Meta(ge=2, le=3)]
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        """Refuse steps that contradict each other."""
        check_steps(0, self.severity, self.steps)


class ChangeWindow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many changes are usual within any `span_s` seconds."""

    span_s: Positive
    count: ChangeCount


class MassDeletion(AccountRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """More users removed than any window allows; those that expire are not counted."""

    detector: Literal["velocity"]
    windows: Annotated[tuple[ChangeWindow, ...], Meta(min_length=1, max_length=4)]


class SignUpsFromAddress(AccountRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """More sign-ups from one address than any window allows."""

    detector: Literal["velocity"]
    windows: Annotated[tuple[ChangeWindow, ...], Meta(min_length=1, max_length=4)]


class SignUpsOfDomain(AccountRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """More sign-ups of one e-mail domain within `span_s` than its own past has taught.

    Usual is up to `count`, or `public_count` for one of the `public_domains`, or `factor` times
    the domain's own rate over about `memory_s`, whichever is the most.
    """

    detector: Literal["velocity"]
    span_s: Positive
    count: ChangeCount
    public_count: ChangeCount
    factor: Annotated[float, Meta(gt=1, le=1000)]
    memory_s: Positive
    public_domains: Words

    def __post_init__(self) -> None:
        """Refuse a domain that could never be met, and a memory that the window would fill."""
        if any(domain != domain.lower() for domain in self.public_domains):
            raise ValueError("`public_domains` must be in lower case")
        if self.public_count < self.count:
            raise ValueError("`public_count` must be at least `count`")
        if self.memory_s < 10 * self.span_s:
            raise ValueError("`memory_s` must be at least ten times `span_s`")
