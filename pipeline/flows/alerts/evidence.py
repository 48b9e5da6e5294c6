"""Commands that a page hands over ready to run: what the events were, and how to be left alone.

Whatever comes from a producer is quoted for the shell. A key that holds personal data, an address
or what would not be shown as it is stands in no command; what finds the same without it does.
"""

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from pipeline.detection.anomaly import Anomaly, timestamp_text
from pipeline.events import key_part
from pipeline.flows.alerts.occasion import Deployment, Occasion
from pipeline.flows.alerts.texts import defang, tidy

MAX_KEY_CHARS: Final = 256
"""A longer key makes a command that nobody can read; the record still has the whole key."""

SILENCE_FOR: Final = "2h"

_MAX_COMMAND_EVENTS: Final = 3
_BEFORE: Final = timedelta(hours=1)
"""How much of the past a query shows ahead of the first breach: what usual looked like."""

_ROWS: Final[dict[str, Literal["series", "payments"]]] = {
    "static_limit": "series",
    "metric_baseline": "series",
    "transaction_amount": "payments",
    "transaction_velocity": "payments",
    "transaction_fraud_score": "payments",
}
"""Rules whose events are rows of a table; those of the others on the stream are in the lake."""


def evidence_query(fact: Anomaly, occasion: Occasion, where: Deployment) -> str | None:
    """Return a shell command that shows the events behind an alert, None when none can be written.

    A series from its table, a user's payments from theirs, other events by their ids from the lake.
    For facts of no event on the stream, and where a key cannot be shown, the facts themselves.
    """
    place = _ROWS.get(fact.rule_id)
    first, last = occasion.starts_at - _BEFORE, max(occasion.last_seen_at, fact.occurred_at)
    if place == "series" and where.metrics_table:
        query = _series_query(fact, where, first, last)
    elif place == "payments" and where.transactions_table:
        query = _payments_query(fact, where, first, last)
    else:
        query = None
    if query is None and (folder := archive_uri(fact, where)):
        query = _lake_query(fact, occasion, folder)
    return query or show_command(occasion.alert_id, where)


def archive_uri(fact: Anomaly, where: Deployment) -> str | None:
    """Return the lake's folder of the newest event: by the hour of its arrival.

    None for facts that come from no event of the stream.
    """
    if fact.archived_at is None or not where.lake_bucket:
        return None
    return f"s3://{where.lake_bucket}/events/{_hour(fact.archived_at)}/"


def silence_command(fact: Anomaly, where: Deployment) -> str | None:
    """Return the command that silences this rule and subject for two hours.

    None when one of them cannot stand in a command.
    """
    pattern = re.sub(r"([*?[])", r"[\1]", fact.subject)
    if not _is_shareable(pattern) or not _is_shareable(fact.rule_id):
        return None
    return (
        f"streamwarden silence add{_stack(where)} --rule {shlex.quote(fact.rule_id)}"
        f" --subject {shlex.quote(pattern)} --for {SILENCE_FOR} --reason 'WHY'"
    )


def show_command(alert_id: str, where: Deployment) -> str:
    """Return the command that shows an alert: its page, deliveries and facts."""
    return f"streamwarden alerts show{_stack(where)} {shlex.quote(alert_id)}"


def ack_command(alert_id: str, where: Deployment) -> str:
    """Return the command that takes an alert over."""
    return f"streamwarden alerts ack{_stack(where)} {shlex.quote(alert_id)}"


def firing_command(where: Deployment) -> str:
    """Return the command that lists what is firing."""
    return f"streamwarden alerts list{_stack(where)} --status firing"


def _series_query(fact: Anomaly, where: Deployment, first: datetime, last: datetime) -> str | None:
    source, metric = fact.labels.get("source"), fact.labels.get("metric_name")
    if source is None or metric is None:
        return None
    series = f"{key_part(source)}#{key_part(metric)}#"
    day = last.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    hash_key = series + timestamp_text(day)[:10]
    return _table_query(where.metrics_table, "series_day", hash_key, max(first, day), last)


def _payments_query(
    fact: Anomaly, where: Deployment, first: datetime, last: datetime
) -> str | None:
    user = fact.labels.get("user_id")
    if user is None:
        return None
    if fact.window_s:
        first = min(first, last - timedelta(seconds=fact.window_s))
    table = f"{where.transactions_table} --index-name by_user"
    return _table_query(table, "user_id", user, first, last)


def _table_query(table: str, name: str, value: str, first: datetime, last: datetime) -> str | None:
    if not _is_shareable(value):
        return None
    values = {
        ":k": {"S": value},
        ":a": {"S": _second(first)},
        ":b": {"S": _second(last) + "~"},  # after any fraction of the second and any event id
    }
    return (
        f"aws dynamodb query --table-name {table}"
        f" --key-condition-expression '{name} = :k AND event_key BETWEEN :a AND :b'"
        f" --expression-attribute-values {shlex.quote(json.dumps(values, ensure_ascii=False))}"
    )


def _lake_query(fact: Anomaly, occasion: Occasion, folder: str) -> str | None:
    ids = list(dict.fromkeys([fact.event_id, *reversed(occasion.event_ids)]))
    shown = [one for one in ids if _is_shareable(one)][:_MAX_COMMAND_EVENTS]
    if not shown:
        return None
    wanted = " ".join(f"-e {shlex.quote(one)}" for one in shown)
    copy = f"lake/{folder.partition('/events/')[2]}"
    return f"aws s3 sync {folder} {copy} && gzip -dc {copy}*.gz | grep -F {wanted}"


def _second(moment: datetime) -> str:
    return timestamp_text(moment)[:19]


def _hour(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("dt=%Y-%m-%d/hour=%H")


def _stack(where: Deployment) -> str:
    return f" --stack {shlex.quote(where.stack)}" if where.stack else ""


def _is_shareable(key: str) -> bool:
    return 0 < len(key) <= MAX_KEY_CHARS and key == defang(tidy(key))
