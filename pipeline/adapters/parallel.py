"""Run the calls of one flush side by side."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait


class Parallel:
    """A bounded set of threads that lives as long as the execution environment.

    Args:
        threads: How many calls run at once; 1 runs them in order in the caller's thread.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, "flush") if threads > 1 else None

    def run(self, calls: Sequence[Callable[[], None]]) -> None:
        """Run all calls and return once every one has ended.

        No call is still under way afterwards, so a repetition cannot be overtaken by this attempt.

        Raises:
            Exception: The first error in the order of `calls`.
        """
        if self._pool is None:
            for call in calls:
                call()
            return
        futures = [self._pool.submit(call) for call in calls]
        wait(futures)
        for future in futures:
            future.result()
