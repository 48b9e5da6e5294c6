"""`streamwarden alerts`: what AlertsTable holds, as tables, pages and JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, get_args

import click
from rich.console import Console
from rich.rule import Rule as Line
from rich.table import Table
from rich.text import Text

from pipeline.cli.alert_rows import (
    AlertLine,
    Cause,
    Told,
    Wanted,
    causes,
    find_alerts,
    list_alerts,
    newest_notification,
    read_alert,
    read_facts,
)
from pipeline.cli.moments import MomentType, short_text, utc_now
from pipeline.cli.report import make_console
from pipeline.cli.stack import EXIT_NOTHING, Stack, reading, stack_option
from pipeline.cli.tables import Column, print_json, print_table, remark, table
from pipeline.detection.anomaly import Anomaly, Severity
from pipeline.detection.rules import default_rules
from pipeline.flows.alerts.alert import TOPICS, Alert, Delivery
from pipeline.flows.alerts.composing import Deployment
from pipeline.flows.alerts.notification import subject
from pipeline.flows.alerts.page import page_text
from pipeline.flows.alerts.texts import clean, moment_text, quantity

_ID_CHARS: Final = 8
"""How much of an alert's id a table shows; `show` takes any beginning of it."""

_MAX_SUBJECT_CHARS: Final = 28
_MAX_TITLE_CHARS: Final = 80
_MAX_EVENT_ID_CHARS: Final = 88


@click.group()
def alerts() -> None:
    """Read the alerts of a stack."""


@alerts.command("list")
@stack_option
@click.option("--status", type=click.Choice(["firing", "resolved"]), help="Only these.")
@click.option("--severity", type=click.Choice(get_args(Severity)), help="Only these.")
@click.option(
    "--since", type=MomentType(utc_now), help="Only alerts opened since: 24h, 7d, a date."
)
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(
    stack_name: str | None,
    status: str | None,
    severity: str | None,
    since: datetime | None,
    limit: int,
    *,
    as_json: bool,
) -> None:
    """List alerts, the newest first.

    The exit code is 1 when there is none. This scans AlertsTable, which has no index by time.
    """
    with reading(stack_name) as stack:
        wanted = Wanted(status, severity, since)
        found = list_alerts(
            stack.client("dynamodb"), stack.output("AlertsTableName"), wanted, limit
        )
    if as_json:
        print_json([_line_fields(line) for line in found.lines])
    elif found.lines:
        print_table(_lines_table(found.lines))
    if found.matching > len(found.lines):
        remark(f"{found.matching - len(found.lines)} older ones are not shown: raise --limit")
    if not found.lines:
        remark("no alert matches")
        raise SystemExit(EXIT_NOTHING)


@alerts.command("show")
@click.argument("alert_id")
@stack_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(alert_id: str, stack_name: str | None, *, as_json: bool) -> None:
    """Show one alert: its page, what was delivered, the facts it is made of.

    ALERT_ID may be any beginning of it that no other alert shares. The exit code is 1 when there
    is no such alert.
    """
    with reading(stack_name) as stack:
        shown = _read(stack, alert_id, stack_name or "")
    if as_json:
        print_json(_fields(shown))
    else:
        _print(make_console(), shown)


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
    line = _the_one(find_alerts(dynamodb, alerts_table, alert_id.lower()), alert_id)
    alert = read_alert(dynamodb, alerts_table, line)
    if alert is None:
        remark(f"alert {line.alert_id} has just been deleted")
        raise SystemExit(EXIT_NOTHING)
    facts = read_facts(dynamodb, stack.output("AnomaliesTableName"), alert)
    known = causes(alert, facts)
    now = utc_now()
    told = newest_notification(
        alert, known, default_rules().texts(), _deployment(stack, stack_name), now
    )
    return _Shown(line, alert, facts, known, told, page_text(told.notification, now))


def _the_one(found: Sequence[AlertLine], alert_id: str) -> AlertLine:
    if not found:
        remark(f"no alert has an id that begins with {alert_id}")
        raise SystemExit(EXIT_NOTHING)
    if len(found) > 1:
        ids = ", ".join(line.alert_id for line in found[:5])
        raise click.UsageError(f"{len(found)} alerts begin with {alert_id}: {ids}")
    return found[0]


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
        Column("alert id"),
    )
    rows = [
        (
            short_text(line.opened_at),
            line.status,
            line.severity,
            line.rule_id,
            clean(line.subject, _MAX_SUBJECT_CHARS),
            clean(line.title, _MAX_TITLE_CHARS),
            f"{line.count:,}",
            line.alert_id[:_ID_CHARS],
        )
        for line in lines
    ]
    return table("Alerts, newest first", columns, rows)


def _line_fields(line: AlertLine) -> dict[str, Any]:
    return {
        "alert_id": line.alert_id,
        "opened_at": moment_text(line.opened_at),
        "status": line.status,
        "severity": line.severity,
        "rule_id": line.rule_id,
        "subject": clean(line.subject, len(line.subject) * 2 + 1),
        "title": clean(line.title, len(line.title) * 2 + 1),
        "count": line.count,
    }


def _print(console: Console, shown: _Shown) -> None:
    line, record = shown.line, shown.told.notification
    console.print(
        f"alert {line.alert_id}: {line.status}, {line.severity}, "
        f"opened {short_text(line.opened_at)} UTC\n",
        soft_wrap=True,
    )
    console.print(Line(_page_title(shown), align="left", characters="-"))
    console.print(Text(subject(record), style="bold"), soft_wrap=True)
    console.print()
    console.print(Text(shown.page.rstrip()), soft_wrap=True)
    console.print(Line(characters="-"))
    console.print()
    print_table(_deliveries_table(shown))
    print_table(_facts_table(shown.facts))


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
    """Return why it was sent; unknown when the fact is among those that are gone."""
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
            clean(quantity(fact.observed, fact.unit), _MAX_TITLE_CHARS),
            f"{fact.count:,}",
            clean(fact.event_id, _MAX_EVENT_ID_CHARS),
        )
        for fact in facts
    ]
    return table("Facts that the alert is made of", columns, rows)


def _fields(shown: _Shown) -> dict[str, Any]:
    record = shown.told.notification
    return {
        **_line_fields(shown.line),
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
                "title": clean(fact.title, _MAX_TITLE_CHARS),
            }
            for fact in shown.facts
        ],
    }
