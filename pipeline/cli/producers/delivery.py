"""What all producing commands share: counting what was put, and a bar while it goes on."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.cli.producers.producer import Producer, PutError, Receipt
from pipeline.cli.producers.puts import StreamPut


class Delivery:
    """Puts records and counts the events that are on the stream, by event type."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self.by_type: Counter[str] = Counter()

    def send(self, puts: Iterable[StreamPut]) -> Iterator[int]:
        """Put records in the order given; yield after each request how many events were put.

        Raises:
            PutError: As the producer raises it; what it took before is counted.
        """
        try:
            for receipts in self._producer.send(puts):
                self._count(receipts)
                yield self.by_type.total()
        except PutError as error:
            self._count(error.taken)
            raise

    def _count(self, receipts: Sequence[Receipt]) -> None:
        self.by_type.update(
            record.event_type for receipt in receipts for record in receipt.put.user_records
        )


def in_words(by_type: Mapping[str, int]) -> str:
    """Say how many events of which types, such as `3 events (2 transaction, 1 user_activity)`."""
    total = sum(by_type.values())
    if not total:
        return "no events"
    parts = ", ".join(f"{number} {name}" for name, number in sorted(by_type.items()))
    return f"{total} event{'s' if total > 1 else ''} ({parts})"


@contextmanager
def progress_bar(
    console: Console, title: str, total: int | None
) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while something is put, on a terminal only.

    Args:
        console: Where the bar is shown; what else is written there stays above it.
        title: Stands before the bar.
        total: What is 100 %; None when nobody knows.

    Yields a function that takes how much of `total` is done, and how many events were put.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[events]:,} events"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=total, events=0)

        def advance(done: int, events: int) -> None:
            progress.update(task, completed=done, events=events)

        yield advance
