"""`streamwarden host`: this machine's metrics on the stream until stopped."""

import platform
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count as counting

import click
import msgspec

from pipeline.cli.finite import FiniteRange
from pipeline.cli.moments import utc_now
from pipeline.cli.producers.delivery import Delivery, in_words
from pipeline.cli.producers.destination import NotPutError, open_producer, stream_options
from pipeline.cli.producers.host import HostSampler
from pipeline.cli.producers.producer import PutError
from pipeline.cli.producers.puts import StreamPut

Sleep = Callable[[float], None]


@click.command("host")
@click.option(
    "--interval",
    "interval_s",
    type=FiniteRange(min=1),
    default=10.0,
    show_default=True,
    help="Seconds from one sample to the next.",
)
@click.option("--count", "samples", type=click.IntRange(min=1), help="End after so many samples.")
@click.option(
    "--source",
    default=lambda: platform.node() or "this-machine",
    show_default="the machine's name",
    help="What the machine is called on the stream.",
)
@stream_options
def host(
    interval_s: float, samples: int | None, source: str, stream: str | None, stack_name: str | None
) -> None:
    """Put this machine's CPU, memory, disk and load on the stream.

    It goes on until Ctrl-C or SIGTERM. A sample that the stream does not take is lost, and the next
    one is tried; only when the very first is not taken the command ends.

    Exit code 0: every sample was put; 2: wrong usage; 3: some or all were not.
    """
    delivery = Delivery(open_producer(stream, stack_name))
    sampler = HostSampler(source, utc_now, random.Random())
    lost = 0
    with _stops_quietly():
        for points in _samples(sampler, interval_s, samples):
            try:
                for _ in delivery.send(points):
                    click.echo(in_line(points))
            except PutError as error:
                if not delivery.by_type:
                    raise NotPutError(str(error)) from error
                lost += len(points) - len(error.taken)
                click.echo(f"lost a sample: {error}", err=True)
    click.echo(f"put {in_words(delivery.by_type)} of {source}", err=True)
    if lost:
        raise NotPutError(f"{lost} points were lost")


def ticks(interval_s: float, sleep: Sleep, monotonic: Callable[[], float]) -> Iterator[None]:
    """Wait for the next multiple of the interval, again and again; leave out those missed."""
    start = monotonic()
    number = 0
    while True:
        number = max(number + 1, int((monotonic() - start) / interval_s) + 1)
        sleep(max(start + number * interval_s - monotonic(), 0))
        yield


def in_line(points: Sequence[StreamPut]) -> str:
    """Say the points of one sample in one line, each with its name, value and unit."""
    events = [msgspec.json.decode(point.data) for point in points]
    values = "  ".join(f"{e['metric_name']} {e['value']:.4g} {e['unit']}" for e in events)
    return f"{points[0].at:%H:%M:%S}  {values}"


def _samples(
    sampler: HostSampler, interval_s: float, limit: int | None
) -> Iterator[list[StreamPut]]:
    taken = counting(1)
    for _ in ticks(interval_s, time.sleep, time.monotonic):
        if points := sampler.sample():
            yield points
            if next(taken) == limit:
                return


@contextmanager
def _stops_quietly() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the block and nothing else."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        click.echo("", err=True)
    finally:
        signal.signal(signal.SIGTERM, before)
