"""What a silence would have hidden: the notifications of the last day that it is about."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from pipeline.cli.alerts.index import AlertLine, Wanted, firing_alerts, list_alerts
from pipeline.cli.alerts.rows import read_alert
from pipeline.flows.alerts.alert import Alert
from pipeline.flows.alerts.silence import Matcher, Silence

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PAST: Final = timedelta(days=1)
"""Time of which a preview tells."""

MAX_ALERTS: Final = 500
"""Alerts that a preview looks into; more are not counted."""

_OPENED_WITHIN: Final = timedelta(days=2)
"""Of what opened before and fires no more a preview knows nothing."""


class Preview(NamedTuple):
    """An alert, and how many notifications of it would have been hidden."""

    line: AlertLine
    notifications: int


def would_have_hidden(
    client: "DynamoDBClient", table: str, silence: Silence, now: datetime
) -> list[Preview]:
    """Return the alerts of which a silence would have hidden something, the most hidden first.

    Looks at alerts that fire and at those opened within two days. A maintenance window would have
    hidden only what was told while it was open.
    """
    found: list[Preview] = []
    for line in _candidates(client, table, silence.matcher, now):
        alert = read_alert(client, table, line)
        if alert and silence.matcher.fits(alert.fact, alert.severity):
            notifications = _hidden(alert, silence, now)
            if notifications:
                found.append(Preview(line, notifications))
    return sorted(found, key=lambda one: (-one.notifications, one.line.alert_id))


def _candidates(
    client: "DynamoDBClient", table: str, matcher: Matcher, now: datetime
) -> Iterator[AlertLine]:
    recent = list_alerts(client, table, Wanted(since=now - _OPENED_WITHIN), MAX_ALERTS * 20, now)
    seen: set[str] = set()
    for line in chain(recent.lines, firing_alerts(client, table)):
        if line.alert_id not in seen and _may_fit(matcher, line):
            seen.add(line.alert_id)
            yield line
            if len(seen) == MAX_ALERTS:
                return


def _may_fit(matcher: Matcher, line: AlertLine) -> bool:
    """Whether the row's document is worth reading: its labels stand nowhere else."""
    texts = (
        (matcher.rule, line.rule_id),
        (matcher.subject, line.subject),
        (matcher.source, line.source),
    )
    return all(pattern is None or fnmatchcase(text, pattern) for pattern, text in texts) and (
        not matcher.severities or line.severity in matcher.severities
    )


def _hidden(alert: Alert, silence: Silence, now: datetime) -> int:
    told = {one.notification_id: one.delivered_at for one in reversed(alert.deliveries)}
    return sum(
        now - PAST <= at <= now and (silence.weekly is None or silence.weekly.until(at) is not None)
        for at in told.values()
    )
