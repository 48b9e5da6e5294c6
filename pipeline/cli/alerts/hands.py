"""`streamwarden alerts ack` and `resolve`: what a person does to an alert, under its version."""

import getpass
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import click

from pipeline.adapters.alert_store import DynamoAlertStore
from pipeline.adapters.clock import SystemClock
from pipeline.cli.alerts.command import line_fields, the_alert
from pipeline.cli.moments import short_text, utc_now
from pipeline.cli.rules.files import followed_by
from pipeline.cli.stack import EXIT_NOTHING, Stack, StackError, reading, stack_option
from pipeline.cli.tables import print_json, remark
from pipeline.flows.alerts.alert import Alert
from pipeline.flows.alerts.hands import Hand, acknowledge, resolve_by_hand
from pipeline.flows.alerts.outbox import MAX_WRITES
from pipeline.flows.alerts.rows import AlertRows
from pipeline.flows.alerts.texts import moment_text
from pipeline.ports import AlertKey

_MAX_NAME_CHARS: Final = 128
_MAX_NOTE_CHARS: Final = 500

Change = Callable[[Alert, Hand], Alert | None]


class NameType(click.ParamType[str]):
    """Takes who does something: one line, not empty."""

    name = "name"

    def convert(
        self,
        value: Any,  # noqa: ANN401  click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str:
        """Return the name without blanks around it."""
        name = " ".join(str(value).split())
        if not 0 < len(name) <= _MAX_NAME_CHARS:
            self.fail(f"a name has 1 to {_MAX_NAME_CHARS} characters", param, ctx)
        return name


_by_option = click.option(
    "--by",
    type=NameType(),
    default=getpass.getuser,
    help="Who does it; without it, the user of this machine.",
)
_note_option = click.option("--note", default="", metavar="TEXT", help="What others should know.")
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command("ack")
@click.argument("alert_id")
@stack_option
@_by_option
@_note_option
@_json_option
def ack(*, alert_id: str, stack_name: str | None, by: str, note: str, as_json: bool) -> None:
    """Take an alert over: it is not repeated any more.

    A rise in severity, ten times the count and its end are told all the same. The exit code is 1
    when there is no such alert or it is over.
    """
    _do(stack_name, alert_id, acknowledge, _hand(by, note), as_json=as_json, done="acknowledged")


@click.command("resolve")
@click.argument("alert_id")
@stack_option
@_by_option
@_note_option
@_json_option
def resolve(*, alert_id: str, stack_name: str | None, by: str, note: str, as_json: bool) -> None:
    """End an alert by hand; the sweep tells it within a minute.

    If its incident gets worse afterwards, a new alert opens. The exit code is 1 when there is no
    such alert or it is over already.
    """
    _do(stack_name, alert_id, resolve_by_hand, _hand(by, note), as_json=as_json, done="resolved")


def _hand(by: str, note: str) -> Hand:
    return Hand(by=by, at=utc_now(), note=note.strip()[:_MAX_NOTE_CHARS])


def _do(
    stack_name: str | None,
    alert_id: str,
    change: Change,
    hand: Hand,
    *,
    as_json: bool,
    done: str,
) -> None:
    with reading(stack_name) as stack:
        line = the_alert(stack, alert_id)
        changed = _write(stack, AlertKey(line.dedup_key, line.opened_at), change, hand)
    if changed is None:
        remark(f"alert {line.alert_id} is over already")
        raise SystemExit(EXIT_NOTHING)
    if as_json:
        fields = line_fields(line) | {
            "status": "firing" if changed.firing else "resolved",
            "acknowledged_by": changed.acknowledged.by if changed.acknowledged else "",
            "by": hand.by,
            "at": moment_text(hand.at),
            "note": hand.note,
        }
        print_json(fields)
    else:
        click.echo(f"{done} {line.alert_id} by {hand.by}, {short_text(hand.at)} UTC")


def _write(stack: Stack, key: AlertKey, change: Change, hand: Hand) -> Alert | None:
    """Change an alert and return it, None when the change is not possible any more."""
    rows = AlertRows(
        DynamoAlertStore(stack.client("dynamodb"), stack.output("AlertsTableName")),
        SystemClock(),
        followed_by(stack),
        timedelta(days=int(stack.output("AlertTtlDays"))),
    )
    for _ in range(MAX_WRITES):
        stored = rows.read(key)
        changed = change(stored.alert, hand) if stored else None
        if stored is None or changed is None:
            return None
        if rows.write(changed, stored.version):
            return changed
    raise StackError(f"the functions wrote this alert first, {MAX_WRITES} times; try again")
