"""A stack on moto with the outputs that reading commands need, found by its name as on AWS."""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import boto3
from moto import mock_aws

from pipeline.adapters.alert_store import DynamoAlertStore
from pipeline.adapters.anomaly_items import encode_anomaly
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.rules import default_rules
from pipeline.flows.alerts.composing import Deployment
from pipeline.flows.alerts.telling import RecentSilences
from pipeline.flows.alerts.workers import AlertPorts, alert_flow
from tests.fakes.alert_tables import create_tables
from tests.fakes.alerts import NOON, FakeClock, FakeLedger, FakePager, FakeSilences

STACK = "streamwarden-prod"

OUTPUTS = {
    "AlertsTableName": "alerts",
    "AlertTtlDays": "180",
    "SilencesTableName": "silences",
    "AnomaliesTableName": "anomalies",
    "LakeBucketName": "lake",
    "MetricsTableName": "metrics",
    "TransactionsTableName": "transactions",
    "RulesParameterName": f"/{STACK}/rules",
    "EnvironmentName": "prod",
    "RunbookAddress": "https://docs.example/operations",
}


class Deployed(NamedTuple):
    """Clients of the account that the stack is in."""

    dynamodb: Any
    s3: Any
    ssm: Any

    def archive(self, events: Sequence[Mapping[str, Any]], hour: datetime) -> None:
        """Write events to the lake as the event flow does that got them within an hour."""
        lines = [json.dumps({"event_id": f"e-{i}", **event}) for i, event in enumerate(events)]
        key = f"events/{hour:dt=%Y-%m-%d/hour=%H}/shardId-000000000000-1.jsonl.gz"
        self.s3.put_object(Bucket="lake", Key=key, Body=gzip.compress("\n".join(lines).encode()))

    def override(self, rules: str) -> None:
        """Write the rules' parameter."""
        name = OUTPUTS["RulesParameterName"]
        self.ssm.put_parameter(Name=name, Value=rules, Type="String", Overwrite=True)

    def page(self, facts: Sequence[Anomaly], pager: FakePager | None = None) -> None:
        """Store facts and let the alert flow make alerts of them, as the functions do."""
        clock = FakeClock()
        ports = AlertPorts(
            store=DynamoAlertStore(self.dynamodb, "alerts"),
            pager=pager or FakePager(),
            ledger=FakeLedger(),
            silences=RecentSilences(FakeSilences(), clock),
            clock=clock,
            rules=default_rules(),
            where=Deployment("streamwarden", "prod", "eu-central-1", "https://docs.example", "a"),
            ttl=timedelta(days=180),
        )
        flow = alert_flow(ports, "worker")
        for fact in facts:
            self.dynamodb.put_item(TableName="anomalies", Item=encode_anomaly(fact, 2_000_000_000))
            flow.take(fact)


@contextmanager
def deployed() -> Iterator[Deployed]:
    """Deploy the stack into an account of its own."""
    with mock_aws():
        session: Any = boto3.Session("test", "test", region_name="eu-central-1")
        account = Deployed(*map(session.client, ("dynamodb", "s3", "ssm")))
        create_tables(
            account.dynamodb,
            AlertsTable="alerts",
            AnomaliesTable="anomalies",
            SilencesTable="silences",
        )
        template = {
            "Resources": {
                "Lake": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "lake"}}
            },
            "Outputs": {name: {"Value": value} for name, value in OUTPUTS.items()},
        }
        session.client("cloudformation").create_stack(
            StackName=STACK, TemplateBody=json.dumps(template)
        )
        yield account


def row(number: int, **texts: str) -> dict[str, dict[str, str]]:
    """Return a row of AlertsTable; keywords change its texts."""
    opened_at = NOON + timedelta(seconds=number)
    shown = {
        "alert_id": f"{number:032}",
        "id_start": "0000",
        "dedup_key": f"static_limit#web-{number}/cpu_usage",
        "opened_at": f"{opened_at:%Y-%m-%dT%H:%M:%S}.000000Z",
        "day": f"{opened_at:%Y-%m-%d}",
        "status": "firing",
        "due_at": "2026-03-01T16:00:00.000000Z",
        "severity": "high",
        "rule_id": "static_limit",
        **texts,
    }
    return {name: {"S": text} for name, text in shown.items()} | {"count": {"N": "1"}}
