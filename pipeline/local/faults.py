"""The faults that a local run is asked to inject; what injects them stands beside what fails."""

from dataclasses import dataclass
from typing import Final

INJECTED: Final = "Injected by the local run's fault plan."
"""The message of every error that AWS did not make."""


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Which faults a run has: the same seed and rate choose alike for the same requests.

    `rate` is the chance of a fault, from 0 to 1, at each place where one can happen: an AWS call of
    a function, an invocation.
    """

    seed: int
    rate: float = 0.02
