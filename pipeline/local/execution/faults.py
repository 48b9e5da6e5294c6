"""The faults of a function's invocations: which invocation meets which one.

The chance in `FaultPlan.rate` suits the thousands of calls of a run, not its dozens of invocations:
an invocation meets a fault with `INVOCATION_FACTOR` times that chance, at most `MAX_CHANCE`. What
each fault is:

- throttled: the source is told that the function was not reached, and it was not.
- answer lost: the function has succeeded, the source is told that it was not reached. So the same
  batch comes again, as a service that delivers at least once is free to do.
- crash: the worker process is killed at a random moment of the invocation.
- timeout: the worker is suspended at a random moment and stopped `SUSPENSION_S` later, as if its
  time had run out then.
- skewed clock: each worker process has a wall clock of its own, up to `MAX_SKEW_S` off.

The n-th invocation and the n-th worker of a function meet the same fault whenever seed and rate are
the same. Which batch is the n-th, and what a worker has done by the random moment, is up to threads
and processes.
"""

import random
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal

from pipeline.local.faults import FaultPlan

INVOCATION_FACTOR: Final = 10
MAX_CHANCE: Final = 0.3
MAX_SKEW_S: Final = 3.0
SUSPENSION_S: Final = 0.5

FaultKind = Literal["throttled", "answer lost", "crash", "timeout", "skewed clock"]

_INVOCATION_KINDS: Final[tuple[FaultKind, ...]] = ("throttled", "answer lost", "crash", "timeout")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one invocation.

    `moment` is when a crash or a timeout strikes, as a share of the time that the function's
    invocations take on average. An invocation that has ended by then meets no fault.
    """

    kind: FaultKind
    moment: float


class InvocationFaults:
    """Chooses the faults of one function and counts those that have struck; safe for threads.

    Args:
        plan: Seed and rate.
        function: Tells the functions' faults apart; the logical id.
    """

    def __init__(self, plan: FaultPlan, function: str) -> None:
        self._plan = plan
        self._function = function
        self._chance = min(plan.rate * INVOCATION_FACTOR, MAX_CHANCE)
        self._invocations = self._workers = 0
        self._struck: Counter[str] = Counter()
        self._lock = threading.Lock()

    def next_invocation(self) -> Fault | None:
        """Choose the fault of one more invocation, None for most."""
        with self._lock:
            self._invocations += 1
            chance = self._random("invocation", self._invocations)
        if chance.random() >= self._chance:
            return None
        return Fault(chance.choice(_INVOCATION_KINDS), chance.random())

    def next_skew_s(self) -> float:
        """Choose how many seconds the clock of one more worker is ahead; negative is behind."""
        with self._lock:
            self._workers += 1
            chance = self._random("worker", self._workers)
        return round(chance.uniform(-MAX_SKEW_S, MAX_SKEW_S), 3)

    def struck(self, kind: FaultKind) -> None:
        """Count a fault that has come to pass."""
        with self._lock:
            self._struck[kind] += 1

    def counts(self) -> dict[str, int]:
        """Return how often each kind has struck."""
        with self._lock:
            return dict(self._struck)

    def _random(self, what: str, number: int) -> random.Random:
        return random.Random(f"{self._plan.seed} {self._function} {what} {number}")  # noqa: S311  chosen alike on purpose
