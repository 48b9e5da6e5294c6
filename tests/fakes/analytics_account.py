"""The account of the analytics consumers on moto, with the tables of the template itself."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import boto3
import msgspec
import pytest
from moto import mock_aws

from pipeline.bootstrap import analytics, shared
from pipeline.flows.events.intake import take_in
from pipeline.flows.events.lake import lake_objects
from pipeline.local.athena.endpoint import AthenaEndpoint
from pipeline.local.intrinsics import PhysicalResource, Resolver
from pipeline.records import KinesisRecord
from tests.template import model

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

BUCKET: Final = "lake"
DATABASE: Final = "streamwarden"
WORKGROUP: Final = "stack-analytics"
_TYPES: Final = ("AWS::Glue::Database", "AWS::Glue::Table", "AWS::Athena::WorkGroup")
ENVIRONMENT: Final = {
    "JOBS_TABLE": "jobs",
    "ANOMALIES_TABLE": "anomalies",
    "LAKE_BUCKET": BUCKET,
    "ANALYTICS_DATABASE": DATABASE,
    "ANALYTICS_WORKGROUP": WORKGROUP,
    "EVENT_TTL_DAYS": "30",
    "ANALYTICS_TTL_DAYS": "400",
    "ENVIRONMENT": "prod",
    "RULES_PARAMETER": "/streamwarden/rules",
    "BUCKET_OWNER": "123456789012",
    "POWERTOOLS_METRICS_NAMESPACE": "Streamwarden",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}


class Account(NamedTuple):
    """What a test looks at.

    `ended` are the last state changes of queries, to be taken out; `over` are all of these queries.
    """

    s3: "S3Client"
    dynamodb: "DynamoDBClient"
    athena: Any
    ended: list[dict[str, Any]]
    over: set[str]
    told: threading.Condition

    def keys(self, prefix: str) -> list[str]:
        """Return the keys of the objects under a prefix."""
        answer = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [found["Key"] for found in answer.get("Contents", [])]

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return all items of a table as plain values."""
        items = self.dynamodb.scan(TableName=table)["Items"]
        return [{name: _plain(value) for name, value in item.items()} for item in items]

    def job(self, query: str, period: str) -> dict[str, Any]:
        """Return a job's row as plain values."""
        key = {"query": {"S": query}, "period": {"S": period}}
        item = self.dynamodb.get_item(TableName="jobs", Key=key)["Item"]
        return {name: _plain(value) for name, value in item.items()}

    def folders(self, prefix: str) -> list[str]:
        """Return the folders of the objects under a prefix, one entry per object."""
        return [key.rpartition("/")[0] + "/" for key in self.keys(prefix)]

    def put_job(self, **values: Any) -> None:  # noqa: ANN401  the columns of the row
        """Write a job's row as somebody else has left it."""
        item = {name: _typed(value) for name, value in values.items()}
        self.dynamodb.put_item(TableName="jobs", Item=item)

    def limit_scans(self, scanned_bytes: int) -> None:
        """Let queries read no more than so many bytes."""
        self.athena.update_work_group(
            WorkGroup=WORKGROUP,
            ConfigurationUpdates={"BytesScannedCutoffPerQuery": scanned_bytes},
        )

    def executions(self) -> list[str]:
        """Return the ids of the queries that were started for jobs."""
        ids = self.athena.list_query_executions(WorkGroup=WORKGROUP)["QueryExecutionIds"]
        return [one for one in ids if self._look(one)["Query"].startswith("-- ")]

    def wait(self) -> None:
        """Return once each query has told its end."""
        ids = self.athena.list_query_executions(WorkGroup=WORKGROUP)["QueryExecutionIds"]
        with self.told:
            self.told.wait_for(lambda: self.over.issuperset(ids))

    def query(self, sql: str) -> list[dict[str, str]]:
        """Return the rows of a query of the test's own."""
        started = self.athena.start_query_execution(
            QueryString=sql, WorkGroup=WORKGROUP, QueryExecutionContext={"Database": DATABASE}
        )
        self.wait()
        answer = self.athena.get_query_results(QueryExecutionId=started["QueryExecutionId"])
        lines = [
            [value.get("VarCharValue") for value in row["Data"]]
            for row in answer["ResultSet"]["Rows"]
        ]
        return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]

    def _look(self, query_execution_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.athena.get_query_execution(
            QueryExecutionId=query_execution_id
        )["QueryExecution"]
        return answer

    def archive(self, events: Sequence[dict[str, Any]], arrived: str, number: int = 1) -> None:
        """Write a batch of events as the event flow writes it, under an hour of arrival."""
        at = datetime.fromisoformat(arrived).timestamp()
        batch = [
            KinesisRecord("shardId-000000000000", number + i, "key", at, msgspec.json.encode(event))
            for i, event in enumerate(events)
        ]
        for one in lake_objects(take_in(batch).accepted, batch):
            self.s3.put_object(Bucket=BUCKET, Key=one.key, Body=one.body)


@contextmanager
def analytics_account() -> Iterator[tuple[Account, str]]:
    """Make the account; also gives the URL of the local Athena."""
    ended: list[dict[str, Any]] = []
    over: set[str] = set()
    told = threading.Condition()

    def tell(event: dict[str, Any]) -> None:
        if event["detail"]["currentState"] in {"SUCCEEDED", "FAILED", "CANCELLED"}:
            with told:
                ended.append(event)
                over.add(event["detail"]["queryExecutionId"])
                told.notify_all()

    with mock_aws():
        s3, glue = boto3.client("s3"), boto3.client("glue")
        s3.create_bucket(Bucket=BUCKET)
        dynamodb = boto3.client("dynamodb")
        _table(dynamodb, "jobs", "query", "period")
        _table(dynamodb, "anomalies", "dedup_key", "fact_key")
        with AthenaEndpoint(s3, glue, on_state_change=tell) as athena:
            client: Any = boto3.client("athena", endpoint_url=athena.url)
            _bring_up(glue, client)
            yield Account(s3, dynamodb, client, ended, over, told), athena.url


def set_environment(monkeypatch: pytest.MonkeyPatch, consumer: str) -> None:
    """Give a consumer's function its environment, and let it start anew."""
    for name, value in {**ENVIRONMENT, "POWERTOOLS_SERVICE_NAME": consumer}.items():
        monkeypatch.setenv(name, value)
    forget_environment()


def forget_environment() -> None:
    """Start over as a new execution environment."""
    for module in (analytics, shared):
        for function in vars(module).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()


def activity(event_id: str, at: str, user_id: str = "u1", session_id: str = "") -> dict[str, Any]:
    """Return a user activity as a producer puts it."""
    event = {
        "event_type": "user_activity",
        "event_id": event_id,
        "user_id": user_id,
        "activity_type": "click",
        "timestamp": at,
    }
    return {**event, "session_id": session_id} if session_id else event


def transaction(
    transaction_id: str, at: str, *, amount: str = "5", currency: str = "CHF"
) -> dict[str, Any]:
    """Return a transaction as a producer puts it."""
    return {
        "event_type": "transaction",
        "event_id": transaction_id,
        "transaction_id": transaction_id,
        "user_id": "u1",
        "amount": amount,
        "currency": currency,
        "timestamp": at,
    }


def metric(event_id: str, at: str, *, value: float = 1.0) -> dict[str, Any]:
    """Return a point of a metric as a producer puts it."""
    return {
        "event_type": "system_metric",
        "event_id": event_id,
        "metric_name": "cpu_usage",
        "value": value,
        "source": "web-1",
        "timestamp": at,
    }


def _bring_up(glue: Any, athena: Any) -> None:  # noqa: ANN401  boto3 clients have no common type
    """Create the template's database, tables, view and workgroup."""
    parameters = {name: str(one["Default"]) for name, one in model.source()["Parameters"].items()}
    pseudo = {
        "AWS::AccountId": "123456789012",
        "AWS::Partition": "aws",
        "AWS::Region": "us-east-1",
        "AWS::StackName": "stack",
    }
    resolver = Resolver(model.expansion(), parameters, pseudo)
    resolver.resources["LakeBucket"] = PhysicalResource(BUCKET)
    resolver.resources["AnalyticsDatabase"] = PhysicalResource(DATABASE)
    resolver.resources["EncryptionKey"] = PhysicalResource("key", {"Arn": "arn:aws:kms:::key"})
    for name, resource in model.expansion()["Resources"].items():
        if resource["Type"] not in _TYPES:
            continue
        properties = resolver.resolve(resource["Properties"], f"Resources.{name}.Properties")
        match resource["Type"]:
            case "AWS::Glue::Database":
                glue.create_database(DatabaseInput=properties["DatabaseInput"])
            case "AWS::Glue::Table":
                glue.create_table(
                    DatabaseName=properties["DatabaseName"], TableInput=properties["TableInput"]
                )
            case "AWS::Athena::WorkGroup":
                configuration = properties["WorkGroupConfiguration"]
                limit = int(configuration["BytesScannedCutoffPerQuery"])
                configuration["BytesScannedCutoffPerQuery"] = limit
                athena.create_work_group(Name=properties["Name"], Configuration=configuration)


def _table(dynamodb: "DynamoDBClient", name: str, partition: str, sort: str) -> None:
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": partition, "KeyType": "HASH"},
            {"AttributeName": sort, "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": partition, "AttributeType": "S"},
            {"AttributeName": sort, "AttributeType": "S"},
        ],
    )


def _plain(typed: Any) -> Any:  # noqa: ANN401  a value of DynamoDB
    ((kind, value),) = typed.items()
    match kind:
        case "N":
            return float(value) if "." in value else int(value)
        case "M":
            return {name: _plain(one) for name, one in value.items()}
        case "L":
            return [_plain(one) for one in value]
        case _:
            return value


def _typed(value: Any) -> Any:  # noqa: ANN401  a value of DynamoDB
    match value:
        case dict():
            return {"M": {name: _typed(one) for name, one in value.items()}}
        case int() | float():
            return {"N": str(value)}
        case _:
            return {"S": value}
