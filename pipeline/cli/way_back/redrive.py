"""`streamwarden redrive`: bring back what was given up, under its original ids."""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Any, Final

import click

from pipeline.cli.finite import FiniteRange
from pipeline.cli.moments import MomentType, short_text, utc_now
from pipeline.cli.stack import EXIT_NOTHING, EXIT_UNREADABLE, Stack, reading, stack_option
from pipeline.cli.tables import Column, counted, print_json, print_table, remark, table
from pipeline.cli.way_back.dead_letters import DeadLetters
from pipeline.cli.way_back.failed_batches import FailedBatches
from pipeline.cli.way_back.function_calls import Functions
from pipeline.cli.way_back.quarantine_back import QuarantineBack
from pipeline.cli.way_back.records import (
    PLACES,
    Group,
    Keeper,
    Lost,
    Outcome,
    Place,
    Wanted,
    bring_back,
    count,
)
from pipeline.flows.alerts.texts import clean

EXIT_LEFT: Final = 4
"""Exit code when something that was meant to come back was not taken."""

_MAX_TEXT_CHARS: Final = 300
_MAX_LEFT_SHOWN: Final = 20

rate_option = click.option(
    "--rate",
    type=FiniteRange(min=0, min_open=True),
    default=500.0,
    show_default=True,
    help="Records a second.",
)


@click.command()
@click.argument("places", nargs=-1, type=click.Choice(PLACES))
@stack_option
@click.option("--source", default="", help="Only what this function or queue gave up.")
@click.option("--reason", default="", help="Only where the reason has this text.")
@click.option("--key", default="", help="Only this object key or message id; * and ? match.")
@click.option(
    "--since", type=MomentType(utc_now), help="Only what was set aside since: 24h, a date or time."
)
@click.option("--until", type=MomentType(utc_now), help="Only what was set aside until then.")
@rate_option
@click.option("--dry-run", is_flag=True, help="Count and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; needs --yes or --dry-run.")
def redrive(  # noqa: PLR0913, PLR0917  one argument per option
    places: tuple[Place, ...],
    stack_name: str | None,
    source: str,
    reason: str,
    key: str,
    since: datetime | None,
    until: datetime | None,
    rate: float,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Bring back what was set aside.

    It looks at all places, or at those named. Counts and reasons come first. What is taken is
    removed where it lay, nothing else is. Records come back under their original ids, so the
    command may be interrupted and repeated.

    Exit code 0: all that was chosen came back; 1: there is nothing; 2: wrong usage; 3: the stack
    cannot be read, or interrupted; 4: something was not taken and stays.
    """
    if as_json and not (yes or dry_run):
        raise click.UsageError("--json needs --yes or --dry-run: nobody could be asked")
    wanted = Wanted(source, reason, key, since, until)
    with reading(stack_name) as stack, ExitStack() as after:
        keepers = open_keepers(stack, places or PLACES, wanted)
        chosen = choose(keepers, wanted, after)
        groups = count(chosen)
        if not as_json:
            print_groups(groups, "would come back" if dry_run else "to bring back")
        outcome = Outcome()
        if chosen and not dry_run and (yes or confirmed(chosen)):
            outcome = bring_back(chosen, keepers, rate)
    if as_json:
        print_json(_fields(groups, outcome))
    elif chosen and not dry_run:
        print_outcome(outcome)
    end(chosen, outcome)


def open_keepers(stack: Stack, places: Sequence[Place], wanted: Wanted) -> dict[Place, Keeper]:
    """Open the places."""
    functions = Functions(stack)
    keepers: dict[Place, Keeper] = {}
    if "failures" in places:
        keepers["failures"] = FailedBatches(stack, functions)
    if "queues" in places:
        keepers["queues"] = DeadLetters(stack, functions)
    if "quarantine" in places:
        keepers["quarantine"] = QuarantineBack(stack, functions, wanted.since, wanted.until)
    return keepers


def choose(keepers: dict[Place, Keeper], wanted: Wanted, after: ExitStack) -> list[Lost]:
    """Find what is wanted; at the end whatever was found and still lies there is let go again."""
    chosen = []
    for keeper in keepers.values():
        for lost in keeper.find():
            after.callback(keeper.leave, lost)
            if wanted.includes(lost):
                chosen.append(lost)
    return chosen


def confirmed(chosen: Sequence[Lost]) -> bool:
    """Ask whether to go on; nothing to bring back needs no answer."""
    able = [one for one in chosen if not one.obstacle]
    records = sum(one.records for one in able)
    return not able or click.confirm(f"Bring back {records:,} records?", err=True)


def print_groups(groups: Sequence[Group], title: str) -> None:
    """Print counts and reasons."""
    if not groups:
        return
    columns = (
        Column("place"),
        Column("source", is_whole=False),
        Column("reason", is_whole=False),
        Column("in", is_figure=True),
        Column("records", is_figure=True),
        Column("first (UTC)"),
        Column("last (UTC)"),
        Column("stays because", is_whole=False),
    )
    rows = [
        (
            group.place,
            clean(group.source, _MAX_TEXT_CHARS),
            clean(group.reason, _MAX_TEXT_CHARS),
            f"{group.items:,}",
            f"{group.records:,}",
            short_text(group.first_at) if group.first_at else "",
            short_text(group.last_at) if group.last_at else "",
            clean(group.obstacle, _MAX_TEXT_CHARS),
        )
        for group in groups
    ]
    print_table(table(f"Set aside, {title}", columns, rows))


def print_outcome(outcome: Outcome) -> None:
    """Say what came back and what stays, with the reason."""
    click.echo(
        f"{counted(outcome.records, 'record')} came back; "
        f"objects and messages that held them: {outcome.items:,}"
    )
    for lost, why in outcome.left[:_MAX_LEFT_SHOWN]:
        remark(f"stays: {lost.key}: {clean(why, _MAX_TEXT_CHARS)}")
    if len(outcome.left) > _MAX_LEFT_SHOWN:
        remark(f"and {len(outcome.left) - _MAX_LEFT_SHOWN:,} more stay; --json has all")


def end(chosen: Sequence[Lost], outcome: Outcome) -> None:
    """End the command with the exit code of what happened."""
    if outcome.failure:
        remark(f"{outcome.failure}: what had been taken is removed, the rest is where it was")
        raise SystemExit(EXIT_UNREADABLE)
    if not chosen:
        remark("nothing is set aside")
        raise SystemExit(EXIT_NOTHING)
    if outcome.left:
        raise SystemExit(EXIT_LEFT)


def _fields(groups: Sequence[Group], outcome: Outcome) -> dict[str, Any]:
    return {
        "found": [
            {
                "place": group.place,
                "source": group.source,
                "reason": group.reason,
                "items": group.items,
                "records": group.records,
                "first_at": group.first_at.isoformat() if group.first_at else None,
                "last_at": group.last_at.isoformat() if group.last_at else None,
                "obstacle": group.obstacle,
            }
            for group in groups
        ],
        "brought_back": {"items": outcome.items, "records": outcome.records},
        "left": [
            {"place": lost.place, "key": lost.key, "records": lost.records, "reason": why}
            for lost, why in outcome.left
        ],
        "failure": outcome.failure,
    }
