"""Alerts found for people, by the indexes of AlertsTable: never by a scan."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pipeline.adapters.alert_store import BY_DAY, BY_ID, BY_RULE, BY_STATUS, BY_SUBJECT
from pipeline.detection.anomaly import timestamp_text
from pipeline.flows.alerts.rows import ID_START_CHARS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LOOK_BACK: Final = timedelta(days=30)
"""How far a list goes back by the day when nobody says since when."""

_AHEAD: Final = timedelta(days=1)
"""An alert opens at the time of its event, which a producer's clock may put ahead of ours."""

_MAX_WITH_ID: Final = 10

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts to list; None asks for all.

    They opened at `since` or later and before `until`.
    """

    status: str | None = None
    severity: str | None = None
    rule: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def fits(self, line: "AlertLine") -> bool:
        """Tell whether an alert is wanted."""
        pairs = (
            (self.status, line.status),
            (self.severity, line.severity),
            (self.rule, line.rule_id),
            (self.subject, line.subject),
        )
        return (
            all(wanted in {None, is_} for wanted, is_ in pairs)
            and (self.since is None or self.since <= line.opened_at)
            and (self.until is None or line.opened_at < self.until)
        )


@dataclass(frozen=True, slots=True)
class AlertLine:
    """A row of AlertsTable without its document; `taken_by` has acknowledged it."""

    alert_id: str
    dedup_key: str
    opened_at: datetime
    status: str
    severity: str
    rule_id: str
    subject: str
    source: str
    title: str
    count: int
    taken_by: str = ""


class Listed(NamedTuple):
    """The newest alerts, newest first; `is_cut` says that there are older ones that fit, too."""

    lines: list[AlertLine]
    is_cut: bool


def list_alerts(
    client: "DynamoDBClient", table: str, wanted: Wanted, limit: int, now: datetime
) -> Listed:
    """Return the newest alerts that are wanted.

    What fires, a rule and a subject have an index each. Without any of them the alerts are read day
    by day, for `LOOK_BACK` when `wanted` does not say since when. The cost is that of the rows read
    on the way, no more than the rows of the index within the time.
    """
    fitting = (line for line in _lines(client, table, wanted, now) if wanted.fits(line))
    if _is_by_status(wanted):  # in the order of what is due
        found = heapq.nlargest(limit + 1, fitting, key=lambda line: (line.opened_at, line.alert_id))
    else:
        found = list(islice(fitting, limit + 1))
    return Listed(found[:limit], len(found) > limit)


def find_alerts(client: "DynamoDBClient", table: str, prefix: str) -> list[AlertLine]:
    """Return the alerts whose id begins with a text, newest first, at most ten.

    Raises:
        ValueError: The text is too short for the index.
    """
    if len(prefix) < ID_START_CHARS:
        raise ValueError(f"give at least {ID_START_CHARS} characters of an id")
    keys = _query(
        client,
        table,
        BY_ID,
        "id_start = :start AND begins_with(alert_id, :prefix)",
        {":start": prefix[:ID_START_CHARS], ":prefix": prefix},
    )
    rows = (_read(client, table, key) for key in islice(keys, _MAX_WITH_ID))
    lines = [line for line in rows if line]
    return sorted(lines, key=lambda line: line.opened_at, reverse=True)


def read_line(client: "DynamoDBClient", table: str, line: AlertLine) -> AlertLine | None:
    """Read an alert again as it is now, None when its row is gone."""
    opened_at = timestamp_text(line.opened_at)
    return _read(client, table, {"dedup_key": {"S": line.dedup_key}, "opened_at": {"S": opened_at}})


def firing_alerts(client: "DynamoDBClient", table: str) -> Iterator[AlertLine]:
    """Yield all alerts that fire, in no order."""
    return map(
        to_line, _query(client, table, BY_STATUS, "#status = :status", {":status": "firing"})
    )


def to_line(item: Item) -> AlertLine:
    """Read a row, or what an index shows of it."""
    texts = {name: attribute["S"] for name, attribute in item.items() if "S" in attribute}
    return AlertLine(
        alert_id=texts["alert_id"],
        dedup_key=texts["dedup_key"],
        opened_at=datetime.fromisoformat(texts["opened_at"]),
        status=texts["status"],
        severity=texts["severity"],
        rule_id=texts["rule_id"],
        subject=texts.get("subject", ""),  # the store leaves an empty text out
        source=texts.get("source", ""),
        title=texts.get("title", ""),
        count=int(item["count"]["N"]),
        taken_by=texts.get("acknowledged_by", ""),
    )


def _lines(
    client: "DynamoDBClient", table: str, wanted: Wanted, now: datetime
) -> Iterator[AlertLine]:
    if _is_by_status(wanted):
        yield from firing_alerts(client, table)
        return
    until = wanted.until or now + _AHEAD
    span = {
        ":since": timestamp_text(wanted.since or datetime.min.replace(tzinfo=now.tzinfo)),
        ":until": timestamp_text(until),
    }
    for index, name, value in _partitions(wanted, until):
        items = _query(
            client,
            table,
            index,
            f"#{name} = :{name} AND opened_at BETWEEN :since AND :until",
            {f":{name}": value, **span},
        )
        yield from map(to_line, items)


def _is_by_status(wanted: Wanted) -> bool:
    return wanted.status == "firing" and not (wanted.rule or wanted.subject)


def _partitions(wanted: Wanted, until: datetime) -> Iterator[tuple[str, str, str]]:
    """Yield index, hash key and its value of what has to be read, the newest first."""
    if wanted.subject:
        yield BY_SUBJECT, "subject", wanted.subject
    elif wanted.rule:
        yield BY_RULE, "rule_id", wanted.rule
    else:
        first = (wanted.since or until - LOOK_BACK).date()
        for number in range((until.date() - first).days + 1):
            yield BY_DAY, "day", f"{until.date() - timedelta(days=number)}"


def _read(client: "DynamoDBClient", table: str, key: Item) -> AlertLine | None:
    answer = client.get_item(
        TableName=table,
        Key={name: key[name] for name in ("dedup_key", "opened_at")},
        ConsistentRead=True,
    )
    return to_line(answer["Item"]) if "Item" in answer else None


def _query(
    client: "DynamoDBClient",
    table: str,
    index: str,
    condition: str,
    values: Mapping[str, str],
) -> Iterator[Item]:
    names: Sequence[str] = [word for word in condition.split() if word.startswith("#")]
    optional: dict[str, Any] = {}
    if names:  # some are reserved words
        optional["ExpressionAttributeNames"] = {name: name[1:] for name in names}
    pages = client.get_paginator("query").paginate(
        TableName=table,
        IndexName=index,
        KeyConditionExpression=condition,
        ExpressionAttributeValues={name: {"S": value} for name, value in values.items()},
        ScanIndexForward=False,
        **optional,
    )
    for page in pages:
        yield from page["Items"]
