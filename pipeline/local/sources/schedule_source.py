"""The thread that fires schedules and scheduled rules at their times."""

import threading
from collections.abc import Callable
from typing import Final

from pipeline.local.deployment import EventRoutes
from pipeline.local.semantics.schedule_expression import ScheduleExpression, compile_schedule
from pipeline.local.sources.source import Progress

_LATENESS_S: Final = 60.0
"""How late something may still be fired."""


class ScheduleSource:
    """Fires what the template schedules, at its real times; a `Source`.

    Args:
        routes: Has the rules and schedules.
        fire: Fires one, by logical id, for a time in epoch seconds.
        on_problem: Told, in words, what the user must know.
        clock: Seconds since the epoch.
    """

    name = "schedules"
    function = ""

    def __init__(
        self,
        routes: EventRoutes,
        fire: Callable[[str, float], None],
        on_problem: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._fire = fire
        self._on_problem = on_problem
        self._clock = clock
        self._started_at = clock()
        self._expressions: dict[str, tuple[ScheduleExpression, float, float]] = {
            rule.logical_id: (compile_schedule(rule.schedule), self._started_at, float("inf"))
            for rule in routes.rules
            if rule.schedule is not None
        }
        for each in routes.schedules:
            self._expressions[each.logical_id] = (
                compile_schedule(each.expression, each.timezone, is_scheduler=True),
                max(each.starts_at or 0, self._started_at),
                each.ends_at or float("inf"),
            )
        self._fired = 0
        self._failure: Exception | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="schedules", daemon=True)

    @property
    def failure(self) -> Exception | None:
        """What has stopped the thread for good, None as long as nothing has."""
        return self._failure

    def start(self) -> None:
        """Begin to watch the clock."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end, without waiting."""
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread's end; return whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def refresh(self) -> None:
        """Do nothing: schedules are known from the start."""

    def progress(self) -> dict[str, Progress]:
        """Return how often something was fired; there is nothing that could be pending."""
        return {
            "times": Progress(is_settled=True, has_ended=True, fetched=self._fired, empty_polls=0)
        }

    def _run(self) -> None:
        try:
            # A moment earlier, so that a rate that fires at its start does.
            after = self._started_at - 0.001
            while not self._stop.is_set():
                due = self._next(after)
                if due is None:
                    return
                logical_ids, after = due
                if self._stop.wait(max(after - self._clock(), 0)):
                    return
                for logical_id in logical_ids:
                    self._fire(logical_id, after)
                    self._fired += 1
                # What a laptop has slept through is not made up for.
                after = max(after, self._clock() - _LATENESS_S)
        except Exception as error:  # noqa: BLE001  a thread's error has nowhere to go but here
            self._failure = error
            self._on_problem(f"nothing fires any more: {error!r}")

    def _next(self, after: float) -> tuple[list[str], float] | None:
        """Return what fires next behind a time, and when."""
        moments: dict[str, float] = {}
        for logical_id, (expression, starts_at, ends_at) in self._expressions.items():
            moment = expression.next_fire(max(after, starts_at - 0.001), starts_at)
            if moment is not None and moment <= ends_at:
                moments[logical_id] = moment
        if not moments:
            return None
        first = min(moments.values())
        return [name for name, moment in moments.items() if moment == first], first
