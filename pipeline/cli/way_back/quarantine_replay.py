"""`streamwarden quarantine replay`: refused records that today's contract takes, put back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from pipeline.cli.lake.quarantine_lines import event_type, general_reason, raw_bytes
from pipeline.cli.moments import MomentType, utc_now
from pipeline.cli.stack import EXIT_NOTHING, reading, stack_option
from pipeline.cli.tables import Column, print_json, print_table, remark, table
from pipeline.cli.way_back.function_calls import Functions
from pipeline.cli.way_back.quarantine_back import Judged, QuarantineBack
from pipeline.cli.way_back.records import Lost, Outcome, bring_back
from pipeline.cli.way_back.redrive import confirmed, end, print_outcome, rate_option
from pipeline.flows.alerts.texts import clean

_MAX_TEXT_CHARS = 300


@dataclass(slots=True)
class Verdict:
    """Refused records of one event type and one fault: how many pass today, and why the rest not.

    A record that stands in two objects counts once.
    """

    event_type: str
    path: str
    reason: str
    passing: int = 0
    staying: int = 0
    today: str = ""


@click.command("replay")
@stack_option
@click.option(
    "--since",
    type=MomentType(utc_now),
    default="24h",
    show_default=True,
    help="From this hour of arrival on: an age such as 7d, a date or time.",
)
@click.option(
    "--until", type=MomentType(utc_now), help="Up to this hour of arrival, in the same forms."
)
@rate_option
@click.option("--dry-run", is_flag=True, help="Judge and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; needs --yes or --dry-run.")
def replay_(  # noqa: PLR0913  one argument per option
    stack_name: str | None,
    since: datetime,
    until: datetime | None,
    rate: float,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Put back the refused records that today's contract takes.

    They come back under their original ids and leave quarantine; the others stay. Deploy the
    version with the new contract first: what its consumer refuses again stays too.

    Exit code 0: all that passes came back; 1: nothing passes; 2: wrong usage; 3: the stack cannot
    be read, or interrupted; 4: something that passes was not taken.
    """
    if as_json and not (yes or dry_run):
        raise click.UsageError("--json needs --yes or --dry-run: nobody could be asked")
    with reading(stack_name) as stack:
        keeper = QuarantineBack(stack, Functions(stack), since, until)
        verdicts = judge(one for _, judged in keeper.judge() for one in judged)
        passing = [lost for lost in keeper.find() if not lost.obstacle]
        if not as_json:
            _print(verdicts)
        outcome = Outcome()
        if passing and not dry_run and (yes or confirmed(passing)):
            outcome = bring_back(passing, {"quarantine": keeper}, rate)
    _finish(verdicts, passing, outcome, dry_run=dry_run, as_json=as_json)


def judge(judged: Iterable[Judged]) -> list[Verdict]:
    """Group judged records by event type and the fault they were refused for."""
    verdicts: dict[tuple[str, str, str], Verdict] = {}
    seen: set[str] = set()
    for one in judged:
        line = one.line
        if line.record_id in seen:
            continue
        seen.add(line.record_id)
        key = (event_type(raw_bytes(line)), line.path, general_reason(line.reason))
        verdict = verdicts.setdefault(key, Verdict(*key))
        if one.record is None:
            verdict.staying += 1
            verdict.today = verdict.today or general_reason(one.reason)
        else:
            verdict.passing += 1
    return sorted(verdicts.values(), key=lambda one: (-one.passing, -one.staying, one.event_type))


def _finish(
    verdicts: Sequence[Verdict],
    passing: Sequence[Lost],
    outcome: Outcome,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    if as_json:
        print_json(_fields(verdicts, outcome))
    elif passing and not dry_run:
        print_outcome(outcome)
    if not passing:
        remark("today's contract takes none of it" if verdicts else "nothing was refused")
        raise SystemExit(EXIT_NOTHING)
    end(passing, outcome)


def _print(verdicts: Sequence[Verdict]) -> None:
    if not verdicts:
        return
    columns = (
        Column("event type"),
        Column("path"),
        Column("refused because", is_whole=False),
        Column("pass today", is_figure=True),
        Column("stay", is_figure=True),
        Column("refused today because", is_whole=False),
    )
    rows = [
        (
            one.event_type,
            clean(one.path, _MAX_TEXT_CHARS),
            clean(one.reason, _MAX_TEXT_CHARS),
            f"{one.passing:,}",
            f"{one.staying:,}",
            clean(one.today, _MAX_TEXT_CHARS),
        )
        for one in verdicts
    ]
    print_table(table("Refused records, judged by today's contract", columns, rows))


def _fields(verdicts: Sequence[Verdict], outcome: Outcome) -> dict[str, Any]:
    return {
        "judged": [
            {
                "event_type": one.event_type,
                "path": clean(one.path, _MAX_TEXT_CHARS),
                "reason": clean(one.reason, _MAX_TEXT_CHARS),
                "passing": one.passing,
                "staying": one.staying,
                "reason_today": clean(one.today, _MAX_TEXT_CHARS),
            }
            for one in verdicts
        ],
        "brought_back": {"items": outcome.items, "records": outcome.records},
        "left": [{"key": lost.key, "reason": why} for lost, why in outcome.left],
        "failure": outcome.failure,
    }
