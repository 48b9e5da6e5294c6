"""A bar for the demo: first what is put, then what is read from the streams."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.local.run import DrainProgress


class DemoProgress:
    """Shows how far the demo is while it is on a terminal, and nothing in a file or pipe."""

    def __init__(self, console: Console, records: int) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self._bar = Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        )
        self._task = self._bar.add_task("putting", total=records)

    def __enter__(self) -> Self:
        """Start to draw."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        self._bar.stop()

    def put(self, records: int) -> None:
        """Show how many records, changes, objects and messages were put."""
        self._bar.update(self._task, completed=records, description=f"put {records}")

    def drain(self, progress: DrainProgress, faults: int = 0) -> None:
        """Show how many records all event sources have read, how many shards have some left.

        Args:
            progress: Where the sources are.
            faults: How many injected faults have struck.
        """
        text = f"{progress.records_read} records read, {len(progress.pending)} sources not drained"
        text += f", {faults} faults injected" if faults else ""
        self._bar.update(self._task, completed=progress.records_read, description=text)
