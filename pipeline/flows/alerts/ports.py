"""What the alert flow needs from outside beside the ports that it shares with other flows."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from pipeline.detection.anomaly import Severity
from pipeline.flows.alerts.silence import Silence, SilenceRow
from pipeline.ports import AlertKey


class Silences(Protocol):
    """The silences and maintenance windows, a few hundred at most."""

    def all(self) -> Sequence[SilenceRow]:
        """Read every row, ended ones included until they are dropped, in the order of their ids.

        A row that is no silence (written by other hands than this project's) is left out.
        """

    def add(self, silence: Silence) -> None:
        """Write a silence; one of the same id is replaced and counts from 0 again."""

    def remove(self, silence_id: str) -> bool:
        """Delete a silence, False when there is none of this id."""

    def count_hidden(self, silence_id: str, now: datetime) -> None:
        """Count a notification that a silence hid; of one that is gone nothing is counted.

        Not exact: a repetition after a crash or a lost reply counts again.
        """


class Window(NamedTuple):
    """A span of time of one account: a group's, or that of the page budget."""

    account: str
    starts_at: datetime
    ends_at: datetime


class Spent(NamedTuple):
    """How many notifications were asked for in a window so far, and which alert was the first."""

    used: int
    lead: AlertKey


class Held(NamedTuple):
    """A notification that a window has no room for."""

    rule_id: str
    subject: str
    severity: Severity


class Statement(NamedTuple):
    """A window with something to tell.

    `held` notifications were held back, of which `told` have been told of. The numbers are by rule,
    by severity, and by subject for the first few subjects.
    """

    window: Window
    lead: AlertKey
    held: int
    told: int
    rules: Mapping[str, int]
    severities: Mapping[Severity, int]
    subjects: Mapping[str, int]


class Ledger(Protocol):
    """What windows had room for and what not. A repetition may count twice, never less."""

    def spend(self, window: Window, lead: AlertKey) -> Spent:
        """Count a notification and name the window's first alert, `lead` if it is the first."""

    def hold(self, window: Window, held: Held, now: datetime) -> None:
        """Count a notification that is held back; the window, spent from before, is due now."""

    def due(self, now: datetime, limit: int) -> Sequence[Statement]:
        """Return the windows that are due, read consistently, at most `limit`."""

    def tell(self, statement: Statement, due_at: datetime | None) -> None:
        """Note that all that a statement holds has been told, and when to look again.

        None closes the window, unless more has been held back since: then it stays due.
        """


class DeadLetters(Protocol):
    """Where notifications go that no topic has taken."""

    def put(self, body: str, reason: str) -> None:
        """Keep a notification; on return it is durable. A repetition keeps a second copy."""
