"""`streamwarden traffic`: seeded, realistic events with planted incidents."""

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import click
from rich.console import Console

from pipeline.cli.console import make_console
from pipeline.cli.moments import MomentType, utc_now
from pipeline.cli.producers.delivery import Delivery, in_words, progress_bar
from pipeline.cli.producers.destination import NotPutError, open_producer, stream_options
from pipeline.cli.producers.lines import Line, Refused, check
from pipeline.cli.producers.producer import Producer, PutError
from pipeline.cli.producers.puts import StreamPut, json_bytes
from pipeline.cli.tables import Column, table
from pipeline.cli.traffic.incidents import SPAN, PlantedIncident
from pipeline.cli.traffic.simulation import Simulation

_SHORTEST_HOURS = SPAN // timedelta(hours=1)
_LONGEST_HOURS = 7 * 24


@click.command("traffic")
@click.option(
    "--records",
    type=click.IntRange(min=1),
    default=20_000,
    show_default=True,
    help="Number of events.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="Chooses the events.")
@click.option(
    "--hours",
    type=click.IntRange(_SHORTEST_HOURS, _LONGEST_HOURS),
    default=_SHORTEST_HOURS,
    show_default=True,
    help="How many hours the events cover.",
)
@click.option(
    "--end",
    type=MomentType(utc_now),
    help="Time of the last events: 2h, a date, a time; now without it.",
)
@click.option("--put", "puts", is_flag=True, help="Put the events on the stream at once.")
@click.option("--list", "lists_only", is_flag=True, help="List the planted incidents, no events.")
@click.option("--json", "as_json", is_flag=True, help="List the incidents as JSON lines.")
@stream_options
def traffic(  # noqa: PLR0913  the options of the command
    *,
    records: int,
    seed: int,
    hours: int,
    end: datetime | None,
    puts: bool,
    lists_only: bool,
    as_json: bool,
    stream: str | None,
    stack_name: str | None,
) -> None:
    """Write realistic events with planted incidents, as JSON lines.

    Hosts report metrics, customers sign in, look around and buy as the hours of the day have it.
    The same seed, hours and end give the same events. The list of the incidents goes to standard
    error, or to standard output when the events do not.

    Exit code 0: done; 2: wrong usage; 3: the stream did not take the events.
    """
    now = utc_now()
    try:
        simulation = Simulation(records, seed, end or now, timedelta(hours=hours))
    except ValueError as error:
        raise click.UsageError(f"{error}; give more --records or fewer --hours") from error
    if puts and not lists_only:
        _put(simulation, now, open_producer(stream, stack_name))
    elif not lists_only:
        for event in simulation.events():
            sys.stdout.buffer.write(json_bytes(event.fields) + b"\n")
    events_on_stdout = not (puts or lists_only)
    console = make_console(stderr=events_on_stdout)
    if as_json:
        for line in incident_lines(simulation.incidents):
            click.echo(line, err=events_on_stdout)
    else:
        _print_incidents(console, simulation.incidents)


def incident_lines(incidents: Sequence[PlantedIncident]) -> Iterator[str]:
    """Yield each incident as a JSON object: the rule and alert to expect, and when."""
    for incident in incidents:
        yield json.dumps(
            {
                "title": incident.title,
                "rule_id": incident.rule_id,
                "dedup_key": incident.dedup_key,
                "starts_at": incident.starts_at.isoformat(timespec="milliseconds"),
                "ends_at": incident.ends_at.isoformat(timespec="milliseconds"),
            }
        )


def stream_puts(simulation: Simulation, now: datetime) -> Iterator[StreamPut]:
    """Yield the events as records, checked like those of `streamwarden put`.

    Raises:
        click.UsageError: The stream would refuse an event, for its time.
    """
    for number, event in enumerate(simulation.events(), start=1):
        fate = check(Line(number, json_bytes(event.fields)), now)
        if isinstance(fate, Refused):
            raise click.UsageError(
                f"the pipeline would refuse the events, mind --end: {fate.reason}"
            )
        yield fate.put


def _put(simulation: Simulation, now: datetime, producer: Producer) -> None:
    delivery = Delivery(producer)
    try:
        with progress_bar(make_console(stderr=True), "putting", simulation.records) as advance:
            for events in delivery.send(stream_puts(simulation, now)):
                advance(events, events)
    except PutError as error:
        raise NotPutError(f"{error}; before that: {in_words(delivery.by_type)}") from error
    click.echo(f"put {in_words(delivery.by_type)}", err=True)


def _print_incidents(console: Console, incidents: Sequence[PlantedIncident]) -> None:
    columns = (
        Column("incident", is_whole=False),
        Column("dedup key", is_whole=False),
        Column("from, UTC"),
        Column("to"),
    )
    rows = [
        (one.title, one.dedup_key, f"{one.starts_at:%H:%M:%S}", f"{one.ends_at:%H:%M:%S}")
        for one in incidents
    ]
    console.print(table("Planted incidents", columns, rows))
