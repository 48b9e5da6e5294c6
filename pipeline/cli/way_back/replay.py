"""`streamwarden replay`: old events of the lake once more, without effects or for real."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final, Literal, get_args

import click
import msgspec
from botocore.exceptions import ClientError

from pipeline.adapters.anomaly_items import encode_anomaly
from pipeline.cli.lake.events import Lake, LakeEvent, Range, stream_record
from pipeline.cli.moments import MomentType, short_text, utc_now
from pipeline.cli.rules.files import Chosen, from_file, of_stack, rules_option
from pipeline.cli.rules.shadow import Detection, Firing, firings, within
from pipeline.cli.stack import EXIT_NOTHING, EXIT_UNREADABLE, Stack, reading, stack_option
from pipeline.cli.tables import Column, counted, print_json, print_table, remark, table
from pipeline.cli.way_back.function_calls import Functions, NotTakenError
from pipeline.cli.way_back.quarantine_back import CONSUMER
from pipeline.cli.way_back.redrive import EXIT_LEFT, rate_option
from pipeline.detection.anomaly import Anomaly
from pipeline.events import FraudReport, SystemMetric, Transaction, UserActivity
from pipeline.flows.alerts.texts import clean

BATCH: Final = 500
"""Events of one invocation, as many as a batch of the stream has."""

_TYPES: Final = [
    str(kind.__struct_config__.tag)
    for kind in (UserActivity, SystemMetric, Transaction, FraudReport)
]
_MAX_TEXT_CHARS: Final = 120
_DAY_S: Final = 86_400

Mode = Literal["shadow", "real"]


@dataclass(slots=True)
class Seen:
    """What the detectors made of a range: events read with those of warming up, facts, alerts.

    `rules` says where the rules come from that they followed.
    """

    rules: str
    events: int
    facts: list[Anomaly]
    new: list[Anomaly]
    firings: list[Firing]


@dataclass(slots=True)
class Done:
    """What was done for real; `failure` says why it did not come to its end."""

    events: int = 0
    facts: int = 0
    failure: str = ""
    interrupted: bool = False


@click.command()
@stack_option
@rules_option
@click.option(
    "--from",
    "start",
    required=True,
    type=MomentType(utc_now),
    help="Events of this time on: an age such as 7d, a date or time.",
)
@click.option(
    "--to",
    "end",
    type=MomentType(utc_now),
    default="0s",
    show_default="now",
    help="Events before this time, in the same forms.",
)
@click.option("--type", "event_type", type=click.Choice(_TYPES), help="Only events of this type.")
@click.option("--subject", default="", help="Only events of this user id or source of metrics.")
@click.option(
    "--mode",
    type=click.Choice(get_args(Mode)),
    default="shadow",
    show_default=True,
    help="shadow tells and changes nothing, real sends the events through the consumer.",
)
@click.option(
    "--warm-up-hours",
    type=click.IntRange(min=0),
    default=24,
    show_default=True,
    help="How much earlier the detectors begin to look, without telling.",
)
@rate_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; with --mode real needs --yes.")
def replay(  # noqa: PLR0913, PLR0917  one argument per option
    stack_name: str | None,
    rules_file: Path | None,
    start: datetime,
    end: datetime,
    event_type: str | None,
    subject: str,
    mode: Mode,
    warm_up_hours: int,
    rate: float,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Play old events of the lake again, under the present rules.

    These are the rules that the stack follows today. In shadow mode nothing is changed: it prints
    the alerts that would have fired, and which of them the stack has not found; --rules tries other
    rules. In real mode the events go through the consumer under their original ids, which rewrites
    their rows, and what was not found becomes an alert marked as a replay.

    Exit code 0: done; 1: no events in this time, or the rules cannot be used; 2: wrong usage; 3:
    the stack cannot be read, or interrupted; 4: the consumer did not take the events.
    """
    if rules_file and mode == "real":
        raise click.UsageError("--rules is for shadow mode: facts must be of the stack's own rules")
    if as_json and mode == "real" and not yes:
        raise click.UsageError("--json with --mode real needs --yes: nobody could be asked")
    if end <= start:
        raise click.UsageError("--to must be after --from")
    wanted = Range(start, end, event_type or "", subject)
    with reading(stack_name) as stack:
        chosen = from_file(rules_file) if rules_file else of_stack(stack)
        seen = look(stack, wanted, timedelta(hours=warm_up_hours), chosen)
        if not as_json:
            _print(seen, wanted)
        done = None
        if mode == "real" and seen.events and (yes or _confirmed(seen)):
            done = play(stack, wanted, seen.new, rate)
    if as_json:
        print_json(_fields(seen, done))
    elif done:
        went, new = counted(done.events, "event"), counted(done.facts, "new fact")
        click.echo(f"{went} went through the consumer, {new} written")
    _end(seen, done)


def look(stack: Stack, wanted: Range, warm_up: timedelta, chosen: Chosen) -> Seen:
    """Run the detectors over a range of the lake and ask the stack what it has found of it."""
    rules = chosen.rules
    lake = Lake(stack.client("s3"), stack.output("LakeBucketName"))
    detection = Detection(rules)
    earlier = Range(wanted.start - warm_up, wanted.end, wanted.event_type, wanted.subject)
    facts = within(detection.facts(lake.read(earlier)), wanted.start, wanted.end)
    for error, number in detection.defects.items():
        remark(f"{number:,} events broke a detector: {clean(error, _MAX_TEXT_CHARS)}")
    if lake.unreadable:
        remark(f"{lake.unreadable:,} lines of the lake break today's contract and were left out")
    known = {(one.dedup_key, one.fact_key) for one in facts if _is_known(stack, one)}
    new = [one for one in facts if (one.dedup_key, one.fact_key) not in known]
    found = firings(facts, known, rules)
    return Seen(chosen.origin, detection.events, facts, new, found)


def play(stack: Stack, wanted: Range, facts: Sequence[Anomaly], rate: float) -> Done:
    """Put events and facts back for real; safe to interrupt and to repeat.

    Events go first, as in the consumer: a fact may be looked up by its event.
    """
    done = Done()
    functions = Functions(stack)
    lake = Lake(stack.client("s3"), stack.output("LakeBucketName"))
    try:
        for batch in _batches(lake.read(wanted)):
            records = [stream_record(item, stack.region) for item in batch]
            functions.call_with_records(CONSUMER, records, "archived")
            done.events += len(batch)
            time.sleep(len(batch) / rate)
        for fact in facts:
            done.facts += _write(stack, msgspec.structs.replace(fact, replay=True))
    except NotTakenError as error:
        done.failure = str(error)
    except KeyboardInterrupt:
        done.failure, done.interrupted = "interrupted", True
    return done


def _batches(events: Iterator[LakeEvent]) -> Iterator[list[LakeEvent]]:
    """Cut events into batches of one shard each."""
    for _, of_shard in groupby(events, lambda item: item.shard_id):
        while batch := list(islice(of_shard, BATCH)):
            yield batch


def _is_known(stack: Stack, fact: Anomaly) -> bool:
    answer = stack.client("dynamodb").get_item(
        TableName=stack.output("AnomaliesTableName"),
        Key={"dedup_key": {"S": fact.dedup_key}, "fact_key": {"S": fact.fact_key}},
        ProjectionExpression="fact_key",
        ConsistentRead=True,
    )
    return "Item" in answer


def _write(stack: Stack, fact: Anomaly) -> bool:
    """Write a fact unless it is there; an alert is made of it by the table's stream."""
    ttl_s = int(stack.output("EventTtlDays")) * _DAY_S
    try:
        stack.client("dynamodb").put_item(
            TableName=stack.output("AnomaliesTableName"),
            Item=encode_anomaly(fact, int(fact.occurred_at.timestamp()) + ttl_s),
            ConditionExpression="attribute_not_exists(fact_key)",
        )
    except ClientError as error:
        if error.response["Error"].get("Code") != "ConditionalCheckFailedException":
            raise
        return False
    return True


def _confirmed(seen: Seen) -> bool:
    return click.confirm(
        f"Send the events through the consumer and raise {len(seen.new):,} new facts?", err=True
    )


def _print(seen: Seen, wanted: Range) -> None:
    if seen.firings:
        columns = (
            Column("opened (UTC)"),
            Column("over (UTC)"),
            Column("severity"),
            Column("rule"),
            Column("title", is_whole=False),
            Column("pages", is_figure=True),
            Column("found"),
        )
        rows = [
            (
                short_text(one.alert.starts_at),
                short_text(one.alert.ends_at) if one.alert.ends_at else "",
                one.alert.severity,
                one.alert.fact.rule_id,
                clean(one.alert.fact.title, _MAX_TEXT_CHARS),
                f"{one.pages:,}",
                "no" if one.is_new else "yes",
            )
            for one in seen.firings
        ]
        print_table(table(f"Alerts; rules: {seen.rules}", columns, rows))
    news = sum(one.is_new for one in seen.firings)
    click.echo(
        f"{seen.events:,} events from {short_text(wanted.start)} to {short_text(wanted.end)} and "
        f"of warming up: {len(seen.firings):,} alerts, {news:,} of them not found by the stack; "
        f"rules: {seen.rules}"
    )


def _fields(seen: Seen, done: Done | None) -> dict[str, Any]:
    return {
        "rules": seen.rules,
        "events": seen.events,
        "alerts": [
            {
                "alert_id": one.alert.alert_id,
                "dedup_key": one.alert.dedup_key,
                "rule_id": one.alert.fact.rule_id,
                "severity": one.alert.severity,
                "title": one.alert.fact.title,
                "starts_at": one.alert.starts_at.isoformat(),
                "ends_at": one.alert.ends_at.isoformat() if one.alert.ends_at else None,
                "pages": one.pages,
                "count": one.alert.count,
                "found": not one.is_new,
            }
            for one in seen.firings
        ],
        "facts": len(seen.facts),
        "new_facts": len(seen.new),
        "played": {"events": done.events, "facts": done.facts} if done else None,
        "failure": done.failure if done else "",
    }


def _end(seen: Seen, done: Done | None) -> None:
    if done and done.failure:
        remark(f"{done.failure}; the same command goes on and repeats nothing")
        raise SystemExit(EXIT_UNREADABLE if done.interrupted else EXIT_LEFT)
    if not seen.events:
        remark("the lake has no events of this time")
        raise SystemExit(EXIT_NOTHING)
