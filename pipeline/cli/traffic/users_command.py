"""`streamwarden users`: seeded sign-ups, changes and removals with planted incidents."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import click

from pipeline.cli.console import make_console
from pipeline.cli.producers.destination import EXIT_REFUSED, NotPutError
from pipeline.cli.stack import reading, stack_option
from pipeline.cli.tables import Column, counted, table
from pipeline.cli.traffic.people import MIN_PEOPLE, Plan, PutUser, UserAction, make_crowd
from pipeline.cli.traffic.user_lines import RefusedChange, line_of, read_changes
from pipeline.cli.traffic.user_table import NotWrittenError, UserTable


@click.command("users")
@click.option(
    "--people",
    type=click.IntRange(min=MIN_PEOPLE),
    default=60,
    show_default=True,
    help="Number of ordinary users; the planted ones come on top.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="Chooses the users.")
@click.option(
    "--from",
    "file",
    type=click.File("rb"),
    help="Take the changes of a file of JSON lines instead; - is standard input.",
)
@click.option("--put", "puts", is_flag=True, help="Write the changes to UsersTable at once.")
@click.option("--list", "lists_only", is_flag=True, help="List the planted incidents, no changes.")
@click.option("--json", "as_json", is_flag=True, help="List the incidents as JSON lines.")
@stack_option
def users(  # noqa: PLR0913  the options of the command
    *,
    people: int,
    seed: int,
    file: BinaryIO | None,
    puts: bool,
    lists_only: bool,
    as_json: bool,
    stack_name: str | None,
) -> None:
    """Write sign-ups, changes and removals of users as JSON lines.

    There are incidents among them. With --put they go to UsersTable, as the product would write
    them. The table's stream bears the time of the write, so the incidents are those of that moment.
    The list of them goes to standard error, or to standard output when the changes do not.

    Exit code 0: done; 1: some lines refused; 2: wrong usage; 3: the table did not take the changes.
    """
    crowd = make_crowd(people, seed)
    refused: list[RefusedChange] = []
    actions = _checked(file, refused) if file else crowd.actions()
    if puts and not lists_only:
        _put(actions, stack_name)
    elif not lists_only:
        for action in actions:
            click.echo(line_of(action))
    for one in refused:
        click.echo(f"line {one.line}: {one.reason}", err=True)
    if not file:
        _print_plans(crowd.plans, as_json=as_json, beside=not (puts or lists_only))
    if refused:
        raise SystemExit(EXIT_REFUSED)


def _checked(file: BinaryIO, refused: list[RefusedChange]) -> Iterator[UserAction]:
    for change in read_changes(file):
        if isinstance(change, RefusedChange):
            refused.append(change)
        else:
            yield change


def _put(actions: Iterator[UserAction], stack_name: str | None) -> None:
    counts: Counter[str] = Counter()
    with reading(stack_name) as stack:
        table = UserTable(stack.client("dynamodb"), stack.output("UsersTableName"))
        try:
            for action in table.write(actions):
                counts["written" if isinstance(action, PutUser) else "removed"] += 1
        except NotWrittenError as error:
            raise NotPutError(f"{error}; before that: {_in_words(counts)}") from error
    click.echo(_in_words(counts), err=True)


def _in_words(counts: Counter[str]) -> str:
    return f"{counted(counts['written'], 'user')} written, {counts['removed']} removed"


def _print_plans(plans: Sequence[Plan], *, as_json: bool, beside: bool) -> None:
    if as_json:
        for plan in plans:
            rule_id = plan.dedup_key.partition("#")[0]
            click.echo(json.dumps({**plan._asdict(), "rule_id": rule_id}), err=beside)
        return
    columns = (Column("incident", is_whole=False), Column("dedup key", is_whole=False))
    rows = [(plan.title, plan.dedup_key) for plan in plans]
    make_console(stderr=beside).print(table("Planted incidents", columns, rows))
