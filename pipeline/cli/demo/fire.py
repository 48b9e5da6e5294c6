"""`streamwarden fire`: a schedule of the local run fires now, as if its time had come."""

from datetime import datetime

import click

from pipeline.cli.moments import MomentType, short_text, utc_now
from pipeline.cli.stack import STACK_FILE, StackError, reading
from pipeline.local.sources.bus_journal import request_fire


@click.command("fire")
@click.argument("schedule")
@click.option(
    "--at",
    type=MomentType(utc_now),
    help="The time that its event tells: 2h (ago), a date, a time; now without it.",
)
def fire(schedule: str, at: datetime | None) -> None:
    """Fire a schedule of the local run, by its logical id.

    On AWS schedules fire by themselves, and nobody can make one fire early.

    Exit code 0: the run was asked; 2: there is no such schedule; 3: no local run answers.
    """
    moment = at or utc_now()
    if not STACK_FILE.exists():
        raise StackError(
            f"no local run in this directory: there is no {STACK_FILE}. "
            "Start `streamwarden local` here; on AWS schedules fire by themselves."
        )
    with reading(None) as stack:
        if schedule not in stack.schedules:
            names = ", ".join(stack.schedules) or "none"
            raise click.UsageError(f"the local run has no schedule {schedule}; it has {names}")
        try:
            request_fire(stack.place, schedule, moment.timestamp())
        except OSError as error:
            raise StackError(f"{stack.place} does not answer: {error}") from error
    click.echo(f"asked {schedule} to fire with the time {short_text(moment)}")
