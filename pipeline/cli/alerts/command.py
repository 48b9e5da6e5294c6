"""`streamwarden alerts list` and `show`: what AlertsTable holds, as tables, pages and JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, get_args

import click
from rich.console import Console
from rich.rule import Rule as Line
from rich.table import Table
from rich.text import Text

from pipeline.cli.alerts.index import AlertLine, Wanted, find_alerts, list_alerts
from pipeline.cli.alerts.rows import (
    Cause,
    Told,
    causes,
    newest_notification,
    read_alert,
    read_facts,
)
from pipeline.cli.console import make_console
from pipeline.cli.moments import MomentType, short_text, utc_now
from pipeline.cli.rules.files import followed_by
from pipeline.cli.stack import EXIT_NOTHING, Stack, reading, stack_option
from pipeline.cli.tables import Column, print_json, print_table, remark, table
from pipeline.detection.anomaly import Anomaly, Severity
from pipeline.detection.texts import MAX_TITLE_CHARS, quantity
from pipeline.flows.alerts.alert import TOPICS, Alert, Delivery, Hand
from pipeline.flows.alerts.composing import Deployment
from pipeline.flows.alerts.notification import subject
from pipeline.flows.alerts.page import page_text
from pipeline.flows.alerts.texts import clean, moment_text

_ID_CHARS: Final = 8
"""How much of an alert's id a table shows; `show` takes any beginning of it."""

_MAX_SUBJECT_CHARS: Final = 28
_MAX_OWNER_CHARS: Final = 16
_MAX_NOTE_CHARS: Final = 200
_MAX_EVENT_ID_CHARS: Final = 88


@click.group()
def alerts() -> None:
    """Read the alerts of a stack, take them over, end them."""


@alerts.command("list")
@stack_option
@click.option("--status", type=click.Choice(["firing", "resolved"]), help="Only these.")
@click.option("--severity", type=click.Choice(get_args(Severity)), help="Only these.")
@click.option("--rule", metavar="ID", help="Only alerts of this rule.")
@click.option("--subject", metavar="TEXT", help="Only alerts about this subject.")
@click.option(
    "--since", type=MomentType(utc_now), help="Only alerts opened since: 24h, 7d, a date."
)
@click.option("--until", type=MomentType(utc_now), help="Only alerts opened before.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="How many to show.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(  # noqa: PLR0913  one for each option
    *,
    stack_name: str | None,
    status: str | None,
    severity: str | None,
    rule: str | None,
    subject: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List alerts, the newest first.

    The exit code is 1 when there is none. Without --status firing, --rule or --subject the alerts
    of the last 30 days are read, or of the 30 days before --until.
    """
    with reading(stack_name) as stack:
        wanted = Wanted(status, severity, rule, subject, since, until)
        table_name = stack.output("AlertsTableName")
        found = list_alerts(stack.client("dynamodb"), table_name, wanted, limit, utc_now())
    if as_json:
        print_json([line_fields(line) for line in found.lines])
    elif found.lines:
        print_table(_lines_table(found.lines))
    if found.is_cut:
        remark("older ones are not shown: raise --limit")
    if not found.lines:
        remark("no alert matches")
        raise SystemExit(EXIT_NOTHING)


@alerts.command("show")
@click.argument("alert_id")
@stack_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(alert_id: str, stack_name: str | None, *, as_json: bool) -> None:
    """Show one alert: its page, its deliveries and its facts.

    ALERT_ID may be any beginning of it that no other alert shares. The exit code is 1 when there
    is no such alert.
    """
    with reading(stack_name) as stack:
        shown = _read(stack, alert_id, stack_name or "")
    if as_json:
        print_json(_fields(shown))
    else:
        _print(make_console(), shown)


def the_alert(stack: Stack, alert_id: str) -> AlertLine:
    """Find an alert by a beginning of its id; ends the command when it is not exactly one."""
    try:
        found = find_alerts(
            stack.client("dynamodb"), stack.output("AlertsTableName"), alert_id.lower()
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if not found:
        remark(f"no alert has an id that begins with {alert_id}")
        raise SystemExit(EXIT_NOTHING)
    if len(found) > 1:
        ids = ", ".join(line.alert_id for line in found[:5])
        raise click.UsageError(f"{len(found)} alerts begin with {alert_id}: {ids}")
    return found[0]


def line_fields(line: AlertLine) -> dict[str, Any]:
    """Return an alert as JSON, personal data masked."""
    return {
        "alert_id": line.alert_id,
        "opened_at": moment_text(line.opened_at),
        "status": line.status,
        "severity": line.severity,
        "rule_id": line.rule_id,
        "subject": clean(line.subject, len(line.subject) * 2 + 1),
        "title": clean(line.title, len(line.title) * 2 + 1),
        "count": line.count,
        "acknowledged_by": line.taken_by,
    }


@dataclass(frozen=True, slots=True)
class _Shown:
    line: AlertLine
    alert: Alert
    facts: Sequence[Anomaly]
    known: Mapping[str, Cause]
    told: Told
    page: str


def _read(stack: Stack, alert_id: str, stack_name: str) -> _Shown:
    dynamodb = stack.client("dynamodb")
    alerts_table = stack.output("AlertsTableName")
    line = the_alert(stack, alert_id)
    alert = read_alert(dynamodb, alerts_table, line)
    if alert is None:
        remark(f"alert {line.alert_id} has just been deleted")
        raise SystemExit(EXIT_NOTHING)
    facts = read_facts(dynamodb, stack.output("AnomaliesTableName"), alert)
    known = causes(alert, facts)
    now = utc_now()
    told = newest_notification(
        alert, known, followed_by(stack).texts(), _deployment(stack, stack_name), now
    )
    return _Shown(line, alert, facts, known, told, page_text(told.notification, now))


def _deployment(stack: Stack, stack_name: str) -> Deployment:
    return Deployment(
        service="streamwarden",
        environment=stack.output("EnvironmentName"),
        region=stack.region,
        runbook_url=stack.output("RunbookAddress"),
        alerts_table=stack.output("AlertsTableName"),
        stack=stack_name,
        lake_bucket=stack.output("LakeBucketName"),
        metrics_table=stack.output("MetricsTableName"),
        transactions_table=stack.output("TransactionsTableName"),
    )


def _lines_table(lines: Sequence[AlertLine]) -> Table:
    columns = (
        Column("opened (UTC)"),
        Column("status"),
        Column("severity"),
        Column("rule"),
        Column("subject"),
        Column("title", is_whole=False),
        Column("count", is_figure=True),
        Column("taken by"),
        Column("alert id"),
    )
    rows = [
        (
            short_text(line.opened_at),
            line.status,
            line.severity,
            line.rule_id,
            clean(line.subject, _MAX_SUBJECT_CHARS),
            clean(line.title, MAX_TITLE_CHARS),
            f"{line.count:,}",
            clean(line.taken_by, _MAX_OWNER_CHARS),
            line.alert_id[:_ID_CHARS],
        )
        for line in lines
    ]
    return table("Alerts, newest first", columns, rows)


def _print(console: Console, shown: _Shown) -> None:
    line, record = shown.line, shown.told.notification
    console.print(
        f"alert {line.alert_id}: {line.status}, {line.severity}, "
        f"opened {short_text(line.opened_at)} UTC",
        soft_wrap=True,
    )
    for text in _hands(shown.alert):
        console.print(Text(text), soft_wrap=True)
    console.print()
    console.print(Line(_page_title(shown), align="left", characters="-"))
    console.print(Text(subject(record), style="bold"), soft_wrap=True)
    console.print()
    console.print(Text(shown.page.rstrip()), soft_wrap=True)
    console.print(Line(characters="-"))
    console.print()
    print_table(_deliveries_table(shown))
    print_table(_facts_table(shown.facts))


def _hands(alert: Alert) -> Iterator[str]:
    for what, hand in (("taken over", alert.acknowledged), ("ended", alert.closed)):
        if hand:
            note = f": {clean(hand.note, _MAX_NOTE_CHARS)}" if hand.note else ""
            by = clean(hand.by, _MAX_NOTE_CHARS)
            yield f"{what} by {by}, {short_text(hand.at)} UTC{note}"


def _hand_fields(hand: Hand | None) -> dict[str, str] | None:
    if hand is None:
        return None
    by, note = (clean(text, _MAX_NOTE_CHARS) for text in (hand.by, hand.note))
    return {"by": by, "at": moment_text(hand.at), "note": note}


def _page_title(shown: _Shown) -> str:
    reason = shown.told.notification.notification_reason
    if not shown.told.is_rewritten:
        return f"the newest page ({reason}), not yet everywhere: it waits for {_waiting(shown)}"
    if not shown.alert.deliveries:
        return f"its page ({reason}), never sent"
    return f"its last page ({reason}), written again from the stored alert"


def _waiting(shown: _Shown) -> str:
    delivered = {topic for pending in shown.alert.outbox[-1:] for topic in pending.delivered}
    return ", ".join(topic for topic in TOPICS if topic not in delivered)


def _deliveries_table(shown: _Shown) -> Table:
    columns = (
        Column("delivered (UTC)"),
        Column("topic"),
        Column("why"),
        Column("SNS message id", is_whole=False),
    )
    rows = [
        (
            short_text(one.delivered_at),
            one.topic,
            _reason(shown.known, one),
            one.message_id,
        )
        for one in shown.alert.deliveries
    ]
    return table("Deliveries", columns, rows)


def _reason(known: Mapping[str, Cause], delivery: Delivery) -> str:
    """Return why it was sent; unknown in an old row when the fact is among those that are gone."""
    if delivery.reason:
        return delivery.reason
    cause = known.get(delivery.notification_id)
    return cause.reason if cause else "unknown"


def _facts_table(facts: Sequence[Anomaly]) -> Table:
    columns = (
        Column("occurred (UTC)"),
        Column("edge"),
        Column("severity"),
        Column("observed"),
        Column("count", is_figure=True),
        Column("event id", is_whole=False),
    )
    rows = [
        (
            short_text(fact.occurred_at),
            fact.edge,
            fact.severity,
            clean(quantity(fact.observed, fact.unit), MAX_TITLE_CHARS),
            f"{fact.count:,}",
            clean(fact.event_id, _MAX_EVENT_ID_CHARS),
        )
        for fact in facts
    ]
    return table("Facts that the alert is made of", columns, rows)


def _fields(shown: _Shown) -> dict[str, Any]:
    record = shown.told.notification
    return {
        **line_fields(shown.line),
        "acknowledged": _hand_fields(shown.alert.acknowledged),
        "closed": _hand_fields(shown.alert.closed),
        "page": {
            "reason": record.notification_reason,
            "is_rewritten": shown.told.is_rewritten,
            "waits_for": _waiting(shown).split(", ") if shown.alert.outbox else [],
            "subject": subject(record),
            "text": shown.page,
        },
        "deliveries": [
            {
                "delivered_at": moment_text(one.delivered_at),
                "topic": one.topic,
                "reason": _reason(shown.known, one),
                "notification_id": one.notification_id,
                "message_id": one.message_id,
            }
            for one in shown.alert.deliveries
        ],
        "facts": [
            {
                "occurred_at": moment_text(fact.occurred_at),
                "edge": fact.edge,
                "severity": fact.severity,
                "observed": fact.observed,
                "unit": fact.unit,
                "count": fact.count,
                "event_id": clean(fact.event_id, _MAX_EVENT_ID_CHARS),
                "title": clean(fact.title, MAX_TITLE_CHARS),
            }
            for fact in shown.facts
        ],
    }
