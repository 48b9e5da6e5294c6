"""The ledger of held-back notifications: a row per account and window in AlertsTable.

The rows are in one index alone, by status, and only while they are due.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import ClientError

from pipeline.adapters.alert_store import BY_STATUS
from pipeline.adapters.aws import service_errors
from pipeline.detection.anomaly import Severity, timestamp_text
from pipeline.flows.alerts.ports import Held, Spent, Statement, Window
from pipeline.ports import AlertKey

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_SUBJECTS: Final = 50
"""Subjects that a window counts one by one; an item holds 400 KB."""

KEPT: Final = timedelta(days=2)
"""How long a window's row outlives its end."""

_PREFIX: Final = "ledger#"
_STATUS: Final = "digest"


class DynamoLedger:
    """`flows.alerts.ports.Ledger` on AlertsTable, by counters that are only ever added to."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def spend(self, window: Window, lead: AlertKey) -> Spent:
        """Count a notification and name the window's first alert; 1 write unit."""
        row = self._update(
            window,
            "ADD used :one SET lead_key = if_not_exists(lead_key, :key), "
            "lead_opened_at = if_not_exists(lead_opened_at, :opened_at), "
            "ends_at = :ends_at, expires_at = :expires_at",
            {
                ":one": {"N": "1"},
                ":key": {"S": lead.dedup_key},
                ":opened_at": {"S": timestamp_text(lead.opened_at)},
                ":ends_at": {"S": timestamp_text(window.ends_at)},
                ":expires_at": {"N": str(int((window.ends_at + KEPT).timestamp()))},
            },
        )
        return Spent(_number(row, "used"), _lead(row))

    def hold(self, window: Window, held: Held, now: datetime) -> None:
        """Count a notification that is held back; its subject while there is room for it."""
        row = self._update(
            window,
            "ADD held :one, #rule :one, #severity :one SET #status = :status, "
            "due_at = if_not_exists(due_at, :now)",
            {
                ":one": {"N": "1"},
                ":status": {"S": _STATUS},
                ":now": {"S": timestamp_text(now)},
            },
            {
                "#rule": f"rule#{held.rule_id}",
                "#severity": f"severity#{held.severity}",
                "#status": "status",
            },
        )
        if _number(row, "held") <= MAX_SUBJECTS:
            names = {"#subject": f"subject#{held.subject}"}
            self._update(window, "ADD #subject :one", {":one": {"N": "1"}}, names)

    def due(self, now: datetime, limit: int) -> Sequence[Statement]:
        """Return the windows that are due, read consistently."""
        found: list[Statement] = []
        with service_errors("read the due windows of the ledger"):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                IndexName=BY_STATUS,
                KeyConditionExpression="#status = :status AND due_at <= :now",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={
                    ":status": {"S": _STATUS},
                    ":now": {"S": timestamp_text(now)},
                },
                PaginationConfig={"MaxItems": limit},
            )
            keys = [
                (item["dedup_key"], item["opened_at"]) for page in pages for item in page["Items"]
            ]
            for account, starts_at in keys:
                answer = self._client.get_item(
                    TableName=self._table,
                    Key={"dedup_key": account, "opened_at": starts_at},
                    ConsistentRead=True,
                )
                if "Item" in answer and "due_at" in answer["Item"]:
                    found.append(_statement(answer["Item"]))
        return found

    def tell(self, statement: Statement, due_at: datetime | None) -> None:
        """Note what has been told; more held back since keeps the window due."""
        values: dict[str, Any] = {":told": {"N": str(statement.held)}}
        if due_at:
            values[":due_at"] = {"S": timestamp_text(due_at)}
            self._update(statement.window, "SET told = :told, due_at = :due_at", values)
            return
        closed = self._update(
            statement.window,
            "SET told = :told REMOVE due_at, #status",
            values,
            {"#status": "status"},
            "held = :told",
        )
        if not closed:
            self._update(statement.window, "SET told = :told", values)

    def _update(
        self,
        window: Window,
        expression: str,
        values: Mapping[str, Any],
        names: Mapping[str, str] | None = None,
        condition: str | None = None,
    ) -> Mapping[str, Any]:
        """Change a window's row and return it as it is then, nothing if the condition fails."""
        optional: dict[str, Any] = {"ExpressionAttributeNames": names} if names else {}
        if condition:
            optional["ConditionExpression"] = condition
        with service_errors(f"write the ledger of {window.account}"):
            try:
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=_key(window),
                    UpdateExpression=expression,
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                    **optional,
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise
                return {}
        return answer["Attributes"]


def _key(window: Window) -> dict[str, Any]:
    return {
        "dedup_key": {"S": _PREFIX + window.account},
        "opened_at": {"S": timestamp_text(window.starts_at)},
    }


def _statement(row: Mapping[str, Any]) -> Statement:
    return Statement(
        window=Window(
            row["dedup_key"]["S"].removeprefix(_PREFIX),
            datetime.fromisoformat(row["opened_at"]["S"]),
            datetime.fromisoformat(row["ends_at"]["S"]),
        ),
        lead=_lead(row),
        held=_number(row, "held"),
        told=_number(row, "told"),
        rules=_counts(row, "rule#"),
        severities=cast("Mapping[Severity, int]", _counts(row, "severity#")),
        subjects=_counts(row, "subject#"),
    )


def _lead(row: Mapping[str, Any]) -> AlertKey:
    return AlertKey(row["lead_key"]["S"], datetime.fromisoformat(row["lead_opened_at"]["S"]))


def _number(row: Mapping[str, Any], name: str) -> int:
    return int(row[name]["N"]) if name in row else 0


def _counts(row: Mapping[str, Any], prefix: str) -> dict[str, int]:
    return {
        name.removeprefix(prefix): int(value["N"])
        for name, value in row.items()
        if name.startswith(prefix)
    }
