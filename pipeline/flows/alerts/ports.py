"""What the alert flow needs from outside beside the ports that it shares with nobody else."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from pipeline.flows.alerts.silence import Silence, SilenceRow


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
