"""`streamwarden backtest`: what rules would have said of old events, and how often to people."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from msgspec import UNSET

from pipeline.cli.console import make_console
from pipeline.cli.finite import FiniteRange
from pipeline.cli.lake.events import Lake, LakeEvent, Range
from pipeline.cli.moments import MomentType, utc_now
from pipeline.cli.producers.lines import read_lines
from pipeline.cli.rules.alerts_in_memory import AlertsInMemory
from pipeline.cli.rules.files import Chosen, from_file, in_force, rules_option
from pipeline.cli.rules.shadow import Detection, within
from pipeline.cli.stack import EXIT_NOTHING, reading, stack_option
from pipeline.cli.tables import Column, print_json, print_table, remark, table
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.rules import Rules
from pipeline.errors import InvalidRecordError
from pipeline.events import decode
from pipeline.flows.alerts.texts import clean

EXIT_OVER_BUDGET: Final = 4
"""Exit code of a backtest with more pages a day than `--page-budget`."""

MAX_SAMPLES: Final = 3
_PROGRESS_EVERY: Final = 50_000
_MAX_TEXT_CHARS: Final = 120

Events = Callable[[], Iterator[LakeEvent]]


@dataclass(slots=True)
class RuleResult:
    """What one rule would have said: openings by rule, and the first few of them."""

    openings: int = 0
    pages: int = 0
    subjects: set[str] = field(default_factory=set)
    samples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Outcome:
    """What a set of rules would have said.

    `pages` are those of the alert flow, by UTC day; `openings` has a line for each rule and fact.
    """

    events: int
    facts: int
    alerts: int
    days: float
    pages: Counter[str]
    rules: dict[str, RuleResult]
    defects: Counter[str]
    openings: dict[tuple[str, str], str]

    @property
    def pages_per_day(self) -> float:
        """Pages per day on average; less than a day counts as one."""
        return self.pages.total() / max(self.days, 1.0)


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@stack_option
@rules_option
@click.option(
    "--from",
    "start",
    type=MomentType(utc_now),
    help="The lake's events of this time on: an age such as 7d, a date or time.",
)
@click.option(
    "--to",
    "end",
    type=MomentType(utc_now),
    default="0s",
    show_default="now",
    help="Events before this time, in the same forms.",
)
@click.option(
    "--warm-up-hours",
    type=click.IntRange(min=0),
    default=24,
    show_default=True,
    help="How much earlier the detectors begin to look at the lake, without telling.",
)
@click.option("--page-budget", type=FiniteRange(min=0), help="Pages a day that are too many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def backtest(  # noqa: PLR0913, PLR0917  one argument per option
    files: tuple[Path, ...],
    stack_name: str | None,
    rules_file: Path | None,
    start: datetime | None,
    end: datetime,
    warm_up_hours: int,
    page_budget: float | None,
    *,
    as_json: bool,
) -> None:
    """Judge old events by the rules in force, or by changed ones.

    Nothing is written or sent. Events are FILES of one JSON object a line, in the order of their
    arrival, or with --from those of the lake. The clock is the events' own, and alerts are grouped,
    inhibited, repeated and held back as the alert flow does it. With --rules the result is compared
    to that of the rules in force. Rules about users, images, days and the pipeline itself do not
    read events.

    Exit code 0: done; 1: no events, or the rules cannot be used; 2: wrong usage; 3: the stack
    cannot be read; 4: more pages a day than the budget.
    """
    if bool(files) == (start is not None):
        raise click.UsageError("name either FILES or --from")
    if start is None:
        outcome, before = _judge(_of_files(files), stack_name, rules_file, None, None)
    else:
        if end <= start:
            raise click.UsageError("--to must be after --from")
        with reading(stack_name) as stack:
            bucket, s3 = stack.output("LakeBucketName"), stack.client("s3")
            earlier = Range(start - timedelta(hours=warm_up_hours), end)
            events = lambda: Lake(s3, bucket).read(earlier)  # noqa: E731  read anew per set of rules
            outcome, before = _judge(events, stack_name, rules_file, start, end)
    if not outcome.events:
        remark("there are no events to judge")
        raise SystemExit(EXIT_NOTHING)
    if as_json:
        print_json(_document(outcome, before, page_budget))
    else:
        _print(outcome, before)
    if page_budget is not None and outcome.pages_per_day > page_budget:
        remark(f"{outcome.pages_per_day:.1f} pages a day are more than {page_budget:g}")
        raise SystemExit(EXIT_OVER_BUDGET)


def judge(
    events: Iterable[LakeEvent],
    rules: Rules,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Outcome:
    """Judge events by rules; memory grows with subjects and facts, not with events.

    Args:
        events: In the order of their arrival within each shard.
        rules: The rules.
        start: Facts from before it came of warming up; None for all.
        end: Facts from then on are left out, and alerts are followed up to it; None for the last
            event.
    """
    detection, span = Detection(rules), _Span()
    found = detection.facts(span.watch(events))
    facts = list(found if start is None or end is None else within(found, start, end))
    facts.sort(key=lambda one: (one.occurred_at, one.fact_key))
    alerts = AlertsInMemory(rules)
    for fact in facts:
        alerts.take(fact)
    until = end or span.last
    if until:
        alerts.run_until(until)
    first = start or span.first
    return Outcome(
        events=detection.events,
        facts=len(facts),
        alerts=len(alerts.store),
        days=(until - first).total_seconds() / 86_400 if until and first else 0.0,
        pages=alerts.pager.by_day,
        rules=_by_rule(facts, alerts.pager.by_rule),
        defects=detection.defects,
        openings={(one.rule_id, one.fact_key): _line(one) for one in facts if one.edge == "opened"},
    )


class _Span:
    """Notes the time that events cover, and says on a terminal how many there were so far."""

    def __init__(self) -> None:
        self.first: datetime | None = None
        self.last: datetime | None = None

    def watch(self, events: Iterable[LakeEvent]) -> Iterator[LakeEvent]:
        console = make_console(stderr=True)
        with console.status("reading events") as status:
            for number, item in enumerate(events, start=1):
                moment = item.event.timestamp
                self.first = min(self.first or moment, moment)
                self.last = max(self.last or moment, moment)
                if number % _PROGRESS_EVERY == 0:
                    status.update(f"{number:,} events, up to {moment:%Y-%m-%d %H:%M}")
                yield item


def _judge(
    events: Events,
    stack_name: str | None,
    rules_file: Path | None,
    start: datetime | None,
    end: datetime | None,
) -> tuple[Outcome, Outcome | None]:
    present = in_force(stack_name)
    chosen: Chosen = from_file(rules_file) if rules_file else present
    outcome = judge(events(), chosen.rules, start, end)
    before = judge(events(), present.rules, start, end) if rules_file else None
    return outcome, before


def _of_files(paths: Sequence[Path]) -> Events:
    """Read events of files as if one shard had them all."""

    def events() -> Iterator[LakeEvent]:
        refused = 0
        for path in paths:
            with path.open("rb") as stream:
                for line in read_lines(stream):
                    try:
                        event = decode(line.text)
                    except InvalidRecordError:
                        refused += 1
                        continue
                    event_id = f"{path.name}:{line.number}"
                    if event.event_id is not UNSET:
                        event_id = event.event_id
                    yield LakeEvent(
                        "files", line.number, event.timestamp, event_id, event, line.text
                    )
        if refused:
            what = "line breaks" if refused == 1 else "lines break"
            remark(f"{refused:,} {what} the contract: left out, streamwarden validate tells why")

    return events


def _by_rule(facts: Sequence[Anomaly], pages: Counter[str]) -> dict[str, RuleResult]:
    results: dict[str, RuleResult] = defaultdict(RuleResult)
    for fact in facts:
        if fact.edge != "opened":
            continue
        result = results[fact.rule_id]
        result.openings += 1
        result.subjects.add(fact.subject)
        if len(result.samples) < MAX_SAMPLES:
            result.samples.append(_line(fact))
    for rule_id, number in pages.items():
        results[rule_id].pages = number
    return dict(sorted(results.items()))


def _line(fact: Anomaly) -> str:
    return f"{fact.occurred_at:%Y-%m-%d %H:%M:%S} {clean(fact.title, _MAX_TEXT_CHARS)}"


def _only_in(one: Outcome, other: Outcome) -> list[str]:
    """Return the firings that only one of two sets of rules has, by rule and time."""
    return [f"{key[0]}: {line}" for key, line in one.openings.items() if key not in other.openings]


def _print(outcome: Outcome, before: Outcome | None) -> None:
    columns = (
        Column("rule"),
        Column("firings", is_figure=True),
        Column("subjects", is_figure=True),
        Column("pages", is_figure=True),
        *(
            (Column("in force: firings", is_figure=True), Column("pages", is_figure=True))
            if before
            else ()
        ),
        Column("samples", is_whole=False),
    )
    names = sorted({*outcome.rules, *(before.rules if before else ())})
    rows = []
    for name in names:
        one = outcome.rules.get(name, RuleResult())
        old = before.rules.get(name, RuleResult()) if before else None
        was = (f"{old.openings:,}", f"{old.pages:,}") if old else ()
        figures = (f"{one.openings:,}", f"{len(one.subjects):,}", f"{one.pages:,}")
        rows.append((name, *figures, *was, "\n".join(one.samples)))
    if rows:
        print_table(table("What the rules say", columns, rows))
    click.echo(
        f"{outcome.events:,} events of {outcome.days:.1f} days: {outcome.facts:,} facts, "
        f"{outcome.alerts:,} alerts, {outcome.pages.total():,} pages, "
        f"{outcome.pages_per_day:.1f} a day"
    )
    if outcome.pages:
        day, most = max(outcome.pages.items(), key=lambda pair: pair[1])
        click.echo(f"The busiest day is {day} with {most:,} pages.")
    if before:
        new, gone = _only_in(outcome, before), _only_in(before, outcome)
        click.echo(
            f"Rules in force: {before.alerts:,} alerts, {before.pages_per_day:.1f} pages a day; "
            f"firings by comparison: {len(new):,} new, {len(gone):,} gone"
        )
        for word, lines in (("new ", new), ("gone", gone)):
            for line in lines[:MAX_SAMPLES]:
                click.echo(f"  {word} {line}")
    for error, number in outcome.defects.items():
        remark(f"{number:,} events broke a detector: {clean(error, _MAX_TEXT_CHARS)}")


def _document(
    outcome: Outcome, before: Outcome | None, page_budget: float | None
) -> dict[str, Any]:
    document = _figures(outcome)
    if before:
        new, gone = _only_in(outcome, before), _only_in(before, outcome)
        document["in_force"] = _figures(before)
        document["difference"] = {
            "new": len(new),
            "gone": len(gone),
            "samples_new": new[:MAX_SAMPLES],
            "samples_gone": gone[:MAX_SAMPLES],
        }
    if page_budget is not None:
        document["page_budget"] = page_budget
    return document


def _figures(outcome: Outcome) -> dict[str, Any]:
    return {
        "events": outcome.events,
        "days": round(outcome.days, 3),
        "facts": outcome.facts,
        "alerts": outcome.alerts,
        "pages": outcome.pages.total(),
        "pages_per_day": round(outcome.pages_per_day, 3),
        "pages_by_day": dict(sorted(outcome.pages.items())),
        "rules": {
            rule_id: msgspec.to_builtins(
                {
                    "firings": one.openings,
                    "subjects": len(one.subjects),
                    "pages": one.pages,
                    "samples": one.samples,
                }
            )
            for rule_id, one in outcome.rules.items()
        },
        "defects": dict(outcome.defects),
    }
