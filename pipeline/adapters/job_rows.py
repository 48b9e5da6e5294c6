"""The rows of AnalyticsJobsTable."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pipeline.adapters.aws import service_errors
from pipeline.flows.analytics.jobs import Job

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_MAX_DIGITS: Final = 17
"""Digits that bring a double back; DynamoDB refuses more than 38."""


class DynamoJobs:
    """`flows.analytics.ports.Jobs` on DynamoDB.

    Args:
        client: Low-level DynamoDB client.
        table: AnalyticsJobsTable.
        ttl_s: How long a row is kept after the schedule that asked for it.
    """

    def __init__(self, client: "DynamoDBClient", table: str, ttl_s: int) -> None:
        self._client = client
        self._table = table
        self._ttl_s = ttl_s

    def read(self, query: str, period: str) -> Job | None:
        """Read a row consistently."""
        with service_errors(f"read the job {query} of {period}"):
            answer = self._client.get_item(
                TableName=self._table,
                Key={"query": {"S": query}, "period": {"S": period}},
                ConsistentRead=True,
            )
        return _decode(answer["Item"]) if "Item" in answer else None

    def write(self, job: Job) -> bool:
        """Write a row over the version before its own; False when somebody else was first.

        True for the repetition of a write that did happen, whose answer was lost.
        """
        condition = "attribute_not_exists(#v) OR #v = :before OR (#v = :now AND since = :since)"
        with service_errors(f"write the job {job.query} of {job.period}"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=self._encode(job),
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#v": "version"},
                    ExpressionAttributeValues={
                        ":before": {"N": str(job.version - 1)},
                        ":now": {"N": str(job.version)},
                        ":since": {"S": job.since},
                    },
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def between(self, query: str, first: str, last: str) -> Sequence[Job]:
        """Return the rows of a query with `first <= period <= last`, by period, consistently."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "ConsistentRead": True,
            "KeyConditionExpression": "#q = :query AND period BETWEEN :first AND :last",
            "ExpressionAttributeNames": {"#q": "query"},
            "ExpressionAttributeValues": {
                ":query": {"S": query},
                ":first": {"S": first},
                ":last": {"S": last},
            },
        }
        found: list[Job] = []
        while True:
            with service_errors(f"read the jobs {query}"):
                page = self._client.query(**request)
            found += map(_decode, page["Items"])
            if "LastEvaluatedKey" not in page:
                return found
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _encode(self, job: Job) -> dict[str, Any]:
        item: dict[str, Any] = {}
        for name, value in msgspec.to_builtins(job).items():
            if name == "figures":
                item[name] = {"M": {key: {"N": _number(one)} for key, one in value.items()}}
            else:
                item[name] = {"N": str(value)} if isinstance(value, int) else {"S": value}
        asked = int(datetime.fromisoformat(job.scheduled_at).timestamp())
        item["expires_at"] = {"N": str(asked + self._ttl_s)}
        return item


def _number(value: float) -> str:
    return f"{Decimal(f'{value:.{_MAX_DIGITS}g}'):f}"


def _decode(item: Mapping[str, Any]) -> Job:
    values: dict[str, Any] = {}
    for name, typed in item.items():
        ((kind, value),) = typed.items()
        match kind:
            case "S":
                values[name] = value
            case "N":
                values[name] = int(value)
            case "M":
                values[name] = {key: float(one["N"]) for key, one in value.items()}
    return msgspec.convert(values, Job)
