"""Run the calls of one flush side by side."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from pipeline.adapters.tracing import Tracing


class Parallel:
    """A bounded set of threads that lives as long as the execution environment.

    Args:
        threads: How many calls run at once; 1 runs them in order in the caller's thread, where a
            single call runs in any case.
        tracing: Records each run as one subsegment with its calls inside; None for no trace.
    """

    def __init__(self, threads: int, tracing: Tracing | None = None) -> None:
        self._pool = ThreadPoolExecutor(threads, "flush") if threads > 1 else None
        self._tracing = tracing or Tracing({})

    def run(self, calls: Sequence[Callable[[], None]], name: str = "flush") -> None:
        """Run all calls and return once every one has ended.

        No call is still under way afterwards, so a repetition cannot be overtaken by this attempt.

        Args:
            calls: What to run.
            name: What a trace calls the whole.

        Raises:
            Exception: The first error in the order of `calls`.
        """
        with self._tracing.subsegment(name):
            self._run(calls)

    def _run(self, calls: Sequence[Callable[[], None]]) -> None:
        if self._pool is None or len(calls) == 1:
            for call in calls:
                call()
            return
        futures = [self._pool.submit(self._tracing.carried(call)) for call in calls]
        wait(futures)
        for future in futures:
            future.result()
