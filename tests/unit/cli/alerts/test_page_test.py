import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import boto3
import click
import pytest

from pipeline.cli.alerts.page_test import Trace, Walk, opening_value, run
from pipeline.cli.stack import Stack
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.page_test import PageTestDetector
from pipeline.detection.rules import default_rules
from pipeline.errors import RetryableError
from pipeline.events import decode
from tests.fakes.alert_tables import create_tables
from tests.fakes.alerts import NOON, FakePager, Faults
from tests.unit.cli.stacks import OUTPUTS, Deployed, deployed

OUTPUTS_HERE: Mapping[str, str] = OUTPUTS | {"EventStreamName": "events"}


class Pipeline:
    """Does the functions' work while the command sleeps, as far as it is told to."""

    def __init__(self, account: Deployed, stages: Sequence[str], pager: FakePager) -> None:
        session: Any = boto3.Session("test", "test", region_name="eu-central-1")
        self.kinesis = session.client("kinesis")
        self.kinesis.create_stream(StreamName="events", ShardCount=1)
        create_tables(account.dynamodb, MetricsTable="metrics")
        self._account = account
        self._stages = stages
        self._pager = pager
        self._detector = PageTestDetector(default_rules().page_test)
        self._state = self._detector.initial()
        self._iterator = self.kinesis.get_shard_iterator(
            StreamName="events",
            ShardId="shardId-000000000000",
            ShardIteratorType="TRIM_HORIZON",
        )["ShardIterator"]

    def stack(self) -> Stack:
        clients = {
            "dynamodb": self._account.dynamodb,
            "kinesis": self.kinesis,
            "ssm": self._account.ssm,
        }
        return Stack("s", "moto", "eu-central-1", OUTPUTS_HERE, clients.__getitem__, dict)

    def step(self, _: float) -> None:
        answer = self.kinesis.get_records(ShardIterator=self._iterator)
        self._iterator = answer["NextShardIterator"]
        for record in answer["Records"]:
            self._take(record["Data"])

    def _take(self, data: bytes) -> None:
        fields = json.loads(data)
        event = decode(data)
        if "row" in self._stages:
            self._account.dynamodb.put_item(
                TableName="metrics",
                Item={
                    "series_day": {"S": f"{fields['source']}#{fields['metric_name']}#2026-03-01"},
                    "event_key": {"S": f"{fields['timestamp']}#{fields['event_id']}"},
                },
            )
        self._state, facts = self._detector.fold(self._state, event, fields["event_id"])
        if "alert" in self._stages:
            self._page(facts)

    def _page(self, facts: Sequence[Anomaly]) -> None:
        try:
            self._account.page(facts, self._pager)
        except RetryableError:
            return  # SNS is down: the function would try again


@pytest.fixture
def account() -> Iterator[Deployed]:
    with deployed() as account:
        yield account


def _clock() -> Callable[[], datetime]:
    ticks = iter(range(1000))
    return lambda: NOON + timedelta(seconds=next(ticks))


def _traced(
    account: Deployed, *stages: str, pager: FakePager | None = None
) -> tuple[Trace, Pipeline]:
    pipeline = Pipeline(account, stages, pager or FakePager())
    walk = Walk(pipeline.stack(), "page-test-1", _clock())
    return run(walk, 1.0, 1.0, pipeline.step), pipeline


def test_each_place_is_reached_by_the_page_and_then_by_the_resolve(account: Deployed) -> None:
    trace, _ = _traced(account, "row", "alert")

    places = ["EventStream", "MetricsTable", "AnomaliesTable", "AlertsTable"]
    assert trace.stopped == ""
    assert [(hop.part, hop.place) for hop in trace.hops] == [
        *(("page", place) for place in (*places, "AlertsTopic", "OnCallTopic")),
        *(("resolve", place) for place in (*places, "AlertsTopic", "OnCallTopic")),
    ]
    assert [hop.id for hop in trace.hops if hop.place == "OnCallTopic"] == [
        "message-2",
        "message-4",
    ]


@pytest.mark.parametrize(
    ("stages", "stopped"),
    [((), "MetricsTable (page)"), (("row",), "AnomaliesTable (page)")],
)
def test_the_place_that_is_not_reached_is_named(
    account: Deployed, stages: tuple[str, ...], stopped: str
) -> None:
    trace, _ = _traced(account, *stages)

    assert trace.stopped == stopped
    assert trace.why.startswith("nothing within 1 s; ")


def test_a_topic_that_takes_nothing_is_named(account: Deployed) -> None:
    faults = Faults(lambda _, name: "throttle" if name == "publish oncall" else None)

    trace, _ = _traced(account, "row", "alert", pager=FakePager(faults))

    assert trace.stopped == "OnCallTopic (page)"
    assert trace.hops[-1].place == "AlertsTopic"


def test_the_severity_of_a_test_is_as_the_override_of_the_rules_says(account: Deployed) -> None:
    stack = Pipeline(account, (), FakePager()).stack()
    packaged = opening_value(stack, "high")

    account.override('[page_test]\nsteps = [{ above = 5.0, severity = "high" }]')

    assert (packaged, opening_value(stack, "high")) == (3.0, 6.0)
    with pytest.raises(click.UsageError, match="never of severity medium"):
        opening_value(stack, "medium")


def test_a_test_that_got_stuck_is_resolved_all_the_same(account: Deployed) -> None:
    _, pipeline = _traced(account)

    records = pipeline.kinesis.get_records(ShardIterator=pipeline._iterator)["Records"]
    assert [json.loads(record["Data"])["value"] for record in records] == [0.0]
