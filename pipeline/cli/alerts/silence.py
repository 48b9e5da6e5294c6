"""`streamwarden silence`: what nobody wants to hear of for a while, who says so, and why."""

import getpass
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, get_args

import click
import msgspec
from rich.table import Table

from pipeline.adapters.silence_table import DynamoSilences
from pipeline.cli.alerts.command import line_fields
from pipeline.cli.alerts.hands import NameType
from pipeline.cli.alerts.silence_preview import Preview, would_have_hidden
from pipeline.cli.alerts.spans import SpanType, WeeklyType, weekly_text
from pipeline.cli.moments import MomentType, short_text, utc_now
from pipeline.cli.stack import EXIT_NOTHING, Stack, reading, stack_option
from pipeline.cli.tables import Column, counted, print_json, print_table, remark, table
from pipeline.detection.anomaly import Severity
from pipeline.detection.rules import default_rules
from pipeline.detection.texts import MAX_TITLE_CHARS
from pipeline.flows.alerts.silence import Matcher, Silence, SilenceRow, Weekly
from pipeline.flows.alerts.texts import clean, moment_text

LONGEST: Final = timedelta(days=366)
"""What should be silent for longer is a rule to be changed."""

_MAX_SHOWN: Final = 10
_MAX_REASON_CHARS: Final = 500

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class LabelType(click.ParamType[tuple[str, str]]):
    """Takes `name=pattern`."""

    name = "name=pattern"

    def convert(
        self,
        value: Any,  # noqa: ANN401  click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, str]:
        """Return name and pattern."""
        if isinstance(value, tuple):
            return value
        name, equals, pattern = value.partition("=")
        if not (name and equals and pattern):
            self.fail(f"{value!r} is not name=pattern", param, ctx)
        return name, pattern


@click.group()
def silence() -> None:
    """Hide alerts for a while: silences and maintenance windows."""


@silence.command("add")
@stack_option
@click.option("--rule", metavar="PATTERN", help="Alerts of these rules.")
@click.option("--subject", metavar="PATTERN", help="Alerts about these subjects.")
@click.option("--source", metavar="PATTERN", help="Alerts about these sources.")
@click.option(
    "--severity",
    "severities",
    type=click.Choice(get_args(Severity)),
    multiple=True,
    help="Alerts of this severity; may be given several times.",
)
@click.option(
    "--label", "labels", type=LabelType(), multiple=True, help="Alerts with such a label."
)
@click.option("--for", "length", type=SpanType(), help="How long: 30m, 2h, 7d, 26w.")
@click.option("--until", type=MomentType(utc_now), help="Until when, instead of how long.")
@click.option("--from", "starts_at", type=MomentType(utc_now), help="From when on; now without.")
@click.option(
    "--every",
    "weekly",
    type=WeeklyType(),
    help="Only in this window of each week: 'Sun 02:00-04:00 Europe/Berlin'.",
)
@click.option("--reason", required=True, help="Why; whoever misses an alert reads it.")
@click.option(
    "--owner",
    type=NameType(),
    default=getpass.getuser,
    help="Whom to ask; without it, the user of this machine.",
)
@click.option("--dry-run", is_flag=True, help="Only print what it would have hidden.")
@_json_option
def add(  # noqa: PLR0913  one for each option
    *,
    stack_name: str | None,
    rule: str | None,
    subject: str | None,
    source: str | None,
    severities: tuple[Severity, ...],
    labels: Sequence[tuple[str, str]],
    length: timedelta | None,
    until: datetime | None,
    starts_at: datetime | None,
    weekly: Weekly | None,
    reason: str,
    owner: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Hide the notifications of alerts for a while.

    Prints what that would have hidden of the last day. Patterns are those of a shell: 'web-*'. All
    that is given must fit. An alert that still fires when its silence ends is told then. It takes
    effect within a minute.
    """
    now = utc_now()
    start = starts_at or now
    if not reason.strip():
        raise click.UsageError("--reason may not be empty: whoever misses an alert reads it")
    try:
        made = msgspec.convert(
            {
                "silence_id": secrets.token_hex(4),
                "owner": owner,
                "reason": " ".join(reason.split()),
                "created_at": now,
                "starts_at": start,
                "ends_at": _end(start, length, until, now),
                "matcher": _matcher(rule, subject, source, severities, dict(labels)),
                "weekly": weekly,
            },
            type=Silence,
        )
    except (ValueError, msgspec.ValidationError) as error:
        raise click.UsageError(str(error).removesuffix(" - at `$.matcher`")) from error
    if rule and "*" not in rule and rule not in default_rules().texts():
        remark(f"no rule is called {rule}: the silence is made all the same")
    with reading(stack_name) as stack:
        alerts_table = stack.output("AlertsTableName")
        hidden = would_have_hidden(stack.client("dynamodb"), alerts_table, made, now)
        if not dry_run:
            _silences(stack).add(made)
    if as_json:
        print_json(_fields(SilenceRow(silence=made), now) | {"would_have_hidden": _told(hidden)})
    else:
        _print_added(made, hidden, is_made=not dry_run)


@silence.command("list")
@stack_option
@click.option("--all", "with_ended", is_flag=True, help="Show also those that have ended.")
@_json_option
def list_(*, stack_name: str | None, with_ended: bool, as_json: bool) -> None:
    """List silences and maintenance windows, and what each hid.

    The exit code is 1 when there is none.
    """
    now = utc_now()
    with reading(stack_name) as stack:
        rows = [row for row in _silences(stack).all() if with_ended or now < row.silence.ends_at]
    rows.sort(key=lambda row: (row.silence.ends_at, row.silence.silence_id))
    if as_json:
        print_json([_fields(row, now) for row in rows])
    elif rows:
        print_table(_table(rows, now))
    if not rows:
        remark("no silence")
        raise SystemExit(EXIT_NOTHING)


@silence.command("remove")
@click.argument("silence_id")
@stack_option
@_json_option
def remove(*, silence_id: str, stack_name: str | None, as_json: bool) -> None:
    """End a silence now.

    What it hid and still fires is told within minutes. SILENCE_ID may be any beginning of it that
    no other silence shares. The exit code is 1 when there is no such silence.
    """
    if not silence_id:
        raise click.UsageError("give the beginning of an id: streamwarden silence list has them")
    now = utc_now()
    with reading(stack_name) as stack:
        silences = _silences(stack)
        found = [row for row in silences.all() if row.silence.silence_id.startswith(silence_id)]
        if len(found) > 1:
            ids = ", ".join(row.silence.silence_id for row in found[:5])
            raise click.UsageError(f"{len(found)} silences begin with {silence_id}: {ids}")
        if not found or not silences.remove(found[0].silence.silence_id):
            remark(f"no silence has an id that begins with {silence_id}")
            raise SystemExit(EXIT_NOTHING)
    (row,) = found
    if as_json:
        print_json(_fields(row, now))
    else:
        made = row.silence
        click.echo(f"removed {made.silence_id} of {_own(made.owner)}; it hid {row.hidden}")


def matcher_text(matcher: Matcher) -> str:
    """Write a matcher in one line, personal data masked."""
    parts = (
        ("rule", matcher.rule),
        ("subject", matcher.subject),
        ("source", matcher.source),
        ("severity", ",".join(matcher.severities)),
        *matcher.labels.items(),
    )
    return _own(" ".join(f"{name}={pattern}" for name, pattern in parts if pattern))


def _silences(stack: Stack) -> DynamoSilences:
    return DynamoSilences(stack.client("dynamodb"), stack.output("SilencesTableName"))


def _matcher(
    rule: str | None,
    subject: str | None,
    source: str | None,
    severities: tuple[Severity, ...],
    labels: Mapping[str, str],
) -> dict[str, Any]:
    given = {
        "rule": rule,
        "subject": subject,
        "source": source,
        "severities": severities,
        "labels": labels,
    }
    return {name: value for name, value in given.items() if value}


def _end(
    start: datetime, length: timedelta | None, until: datetime | None, now: datetime
) -> datetime:
    if (length is None) == (until is None):
        raise ValueError("say --for how long or --until when: every silence ends")
    end = until or start + (length or timedelta())
    if not now < end:
        raise ValueError("a silence must end in the future")
    if end - start > LONGEST:
        raise ValueError(f"a silence holds for {LONGEST.days} days at the most: change the rule")
    return end


def _state(made: Silence, now: datetime) -> str:
    if now >= made.ends_at:
        return "ended"
    return "holds" if made.until(now) else "waits"


def _own(text: str) -> str:
    return clean(text, _MAX_REASON_CHARS)


def _fields(row: SilenceRow, now: datetime) -> dict[str, Any]:
    made = row.silence
    return {
        "silence_id": made.silence_id,
        "state": _state(made, now),
        "owner": _own(made.owner),
        "reason": _own(made.reason),
        "matcher": matcher_text(made.matcher),
        "created_at": moment_text(made.created_at),
        "starts_at": moment_text(made.starts_at),
        "ends_at": moment_text(made.ends_at),
        "every": weekly_text(made.weekly) if made.weekly else None,
        "hidden": row.hidden,
        "last_hidden_at": moment_text(row.last_hidden_at) if row.last_hidden_at else None,
    }


def _told(hidden: Sequence[Preview]) -> dict[str, Any]:
    return {
        "notifications": sum(one.notifications for one in hidden),
        "alerts": [line_fields(one.line) | {"notifications": one.notifications} for one in hidden],
    }


def _print_added(made: Silence, hidden: Sequence[Preview], *, is_made: bool) -> None:
    what = f"silence {made.silence_id}" if is_made else "a silence that is not made"
    every = f", {weekly_text(made.weekly)}" if made.weekly else ""
    click.echo(f"{what}: {matcher_text(made.matcher)}, until {short_text(made.ends_at)} UTC{every}")
    if is_made:
        click.echo("it holds within a minute of its beginning; alerts are kept and shown as ever")
    count = sum(one.notifications for one in hidden)
    if not hidden:
        click.echo("of the last day it would have hidden nothing")
        return
    click.echo(f"of the last day it would have hidden {counted(count, 'notification')}:\n")
    columns = (
        Column("hidden", is_figure=True),
        Column("severity"),
        Column("rule"),
        Column("title", is_whole=False),
        Column("alert id"),
    )
    rows = [
        (
            f"{one.notifications:,}",
            one.line.severity,
            one.line.rule_id,
            clean(one.line.title, MAX_TITLE_CHARS),
            one.line.alert_id[:8],
        )
        for one in hidden[:_MAX_SHOWN]
    ]
    print_table(table(counted(len(hidden), "alert"), columns, rows))


def _table(rows: Sequence[SilenceRow], now: datetime) -> Table:
    columns = (
        Column("id"),
        Column("state"),
        Column("ends (UTC)"),
        Column("every", is_whole=False),
        Column("hides", is_whole=False),
        Column("hid", is_figure=True),
        Column("last hid (UTC)"),
        Column("owner"),
        Column("reason", is_whole=False),
    )
    cells = [
        (
            made.silence_id,
            _state(made, now),
            short_text(made.ends_at),
            weekly_text(made.weekly) if made.weekly else "",
            matcher_text(made.matcher),
            f"{row.hidden:,}",
            short_text(row.last_hidden_at) if row.last_hidden_at else "",
            _own(made.owner),
            _own(made.reason),
        )
        for row in rows
        for made in (row.silence,)
    ]
    return table("Silences", columns, cells)
