"""`streamwarden page-test`: a marked test page through the whole way, each hop with its time."""

import json
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, get_args

import click
import msgspec

from pipeline.adapters.alert_store import DynamoAlertStore
from pipeline.adapters.anomaly_items import decode_anomaly
from pipeline.cli.moments import utc_now
from pipeline.cli.rules.files import followed_by
from pipeline.cli.stack import EXIT_NOTHING, Stack, reading, stack_option
from pipeline.cli.tables import Column, print_json, print_table, remark, table
from pipeline.detection.anomaly import Edge, Severity
from pipeline.detection.page_test import METRIC
from pipeline.detection.rules import default_rules
from pipeline.events import key_part
from pipeline.flows.alerts.alert import Alert
from pipeline.flows.alerts.texts import moment_text
from pipeline.ports import Topic

LOOK_EVERY_S: Final = 0.25

_TOPICS: Final[dict[Topic, str]] = {"alerts": "AlertsTopic", "oncall": "OnCallTopic"}

_HINTS: Final = {
    "MetricsTable": "see the log of KinesisEventsFunction and its alarm, kinesis-events-is-behind",
    "AnomaliesTable": "the event was stored and became no fact: is the same version deployed?",
    "AlertsTable": "see the log of DynamodbAlertsFunction and its alarm, dynamodb-alerts-is-behind",
    "AlertsTopic": "look at the log of DynamodbAlertsFunction: does SNS refuse or throttle?",
    "OnCallTopic": "look at the log of DynamodbAlertsFunction: does SNS refuse or throttle?",
}


class Hop(NamedTuple):
    """A place that the test has reached, when, and under which id."""

    part: str
    place: str
    at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Trace:
    """The hops in their order; `stopped` names the place that was not reached, and `why`."""

    hops: tuple[Hop, ...]
    stopped: str = ""
    why: str = ""


Look = Callable[[], Hop | None]


@click.command("page-test")
@stack_option
@click.option(
    "--severity",
    type=click.Choice(get_args(Severity)),
    default="low",
    show_default=True,
    help="Severity of the page, for subscribers that filter by it; not info.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.IntRange(min=1, max=3600),
    default=120,
    show_default=True,
    help="Seconds to wait for each half: the page, and its resolve.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def page_test(*, stack_name: str | None, severity: Severity, timeout_s: int, as_json: bool) -> None:
    """Send a test page the whole way, and its resolve behind it.

    An event of a metric of its own goes onto the stream; the command waits until SNS has taken the
    page and then the resolve, and tells when each place was reached. No baseline learns from it.

    Exit code 0: both arrived; 1: one did not, and the place is named; 3: the stack is unreadable.
    """
    with reading(stack_name) as stack:
        value = opening_value(stack, severity)
        walk = Walk(stack, f"page-test-{secrets.token_hex(4)}", utc_now)
        trace = run(walk, value, timeout_s, time.sleep)
    if as_json:
        print_json(_fields(walk.source, trace))
    else:
        _print(trace)
    if trace.stopped:
        remark(f"stopped before {trace.stopped}: {trace.why}")
        raise SystemExit(EXIT_NOTHING)


def opening_value(stack: Stack, severity: Severity) -> float:
    """Return the value that opens a test of this severity under the rules that the stack follows.

    Raises:
        click.UsageError: No value does.
    """
    value = followed_by(stack).page_test.value(severity)
    if value is None:
        raise click.UsageError(f"a test page is never of severity {severity}")
    return value


class Walk:
    """One test: puts its events and looks where they have got to.

    Args:
        stack: Where it takes place.
        source: Names this test alone.
        now: Tells the time in UTC.
    """

    def __init__(self, stack: Stack, source: str, now: Callable[[], datetime]) -> None:
        self.source = source
        self._stack = stack
        self._now = now
        self._key = f"{default_rules().page_test.id}#{source}"
        self._store = DynamoAlertStore(stack.client("dynamodb"), stack.output("AlertsTableName"))

    def put(self, part: str, value: float) -> Hop:
        """Put an event onto the stream, later than any before."""
        now = self._now()
        event_id = f"{self.source}-{secrets.token_hex(4)}"
        fields = {
            "event_type": "system_metric",
            "event_id": event_id,
            "timestamp": now.isoformat(timespec="microseconds"),
            "producer": "streamwarden-page-test",
            "source": self.source,
            "metric_name": METRIC,
            "value": value,
        }
        answer = self._stack.client("kinesis").put_record(
            StreamName=self._stack.output("EventStreamName"),
            PartitionKey=self.source,
            Data=json.dumps(fields).encode(),
        )
        self._event_id = event_id
        self._day = f"{now:%Y-%m-%d}"
        sequence = f"{answer['ShardId']} {answer['SequenceNumber']}"
        return Hop(part, "EventStream", self._now(), sequence)

    def looks(self, part: str, edge: Edge) -> Iterator[tuple[str, Look]]:
        """Yield the places behind the stream in their order, and how to look there."""
        event_id = self._event_id
        reason = "first" if edge == "opened" else "resolved"
        yield "MetricsTable", lambda: self._row(part, event_id)
        yield "AnomaliesTable", lambda: self._fact(part, edge)
        yield "AlertsTable", lambda: self._alert(part, firing=edge == "opened")
        for topic, name in _TOPICS.items():
            yield name, lambda topic=topic, name=name: self._sent(part, topic, name, reason)  # type: ignore[misc]  # binds the loop's values

    def why_untold(self) -> str:
        """Say what keeps a notification of the alert back, empty if nothing does."""
        alert = self._read()
        if alert is None:
            return ""
        if alert.staged:
            return "its rule is staged: streamwarden rules list"
        if alert.untold:
            return "a silence hides it: streamwarden silence list"
        if alert.suppressed_count:
            return "the page budget is spent: a digest tells of it"
        return ""

    def _row(self, part: str, event_id: str) -> Hop | None:
        series_day = f"{key_part(self.source)}#{key_part(METRIC)}#{self._day}"
        items = self._query("MetricsTableName", "series_day", series_day)
        found = any(item["event_key"]["S"].endswith(f"#{event_id}") for item in items)
        return Hop(part, "MetricsTable", self._now(), event_id) if found else None

    def _fact(self, part: str, edge: Edge) -> Hop | None:
        for item in self._query("AnomaliesTableName", "dedup_key", self._key):
            fact = decode_anomaly(item)
            if fact.edge == edge:
                return Hop(part, "AnomaliesTable", self._now(), fact.fact_key)
        return None

    def _alert(self, part: str, *, firing: bool) -> Hop | None:
        alert = self._read()
        if alert is None or alert.firing != firing:
            return None
        at = alert.detected_at if firing else self._now()
        return Hop(part, "AlertsTable", at, alert.alert_id)

    def _sent(self, part: str, topic: Topic, place: str, reason: str) -> Hop | None:
        alert = self._read()
        for one in alert.deliveries if alert else ():
            if (one.topic, one.reason) == (topic, reason):
                return Hop(part, place, one.delivered_at, one.message_id)
        return None

    def _read(self) -> Alert | None:
        row = self._store.latest(self._key)
        return msgspec.json.decode(row.document, type=Alert) if row else None

    def _query(self, output: str, name: str, value: str) -> Sequence[Any]:
        answer = self._stack.client("dynamodb").query(
            TableName=self._stack.output(output),
            KeyConditionExpression="#key = :key",
            ExpressionAttributeNames={"#key": name},
            ExpressionAttributeValues={":key": {"S": value}},
            ConsistentRead=True,
        )
        items: Sequence[Any] = answer["Items"]
        return items


def run(walk: Walk, value: float, timeout_s: float, sleep: Callable[[float], None]) -> Trace:
    """Send the page and then its resolve, which is sent even when the page got stuck.

    Args:
        walk: The test.
        value: Value of the event that opens it.
        timeout_s: How long each half may take.
        sleep: Waits that many seconds.
    """
    hops = [walk.put("page", value)]
    try:
        stopped = _follow(walk.looks("page", "opened"), hops, timeout_s, sleep)
    finally:
        calm = walk.put("resolve", 0.0)
    if not stopped:
        hops.append(calm)
        stopped = _follow(walk.looks("resolve", "cleared"), hops, timeout_s, sleep)
    if not stopped:
        return Trace(tuple(hops))
    untold = walk.why_untold() if stopped in _TOPICS.values() else ""
    why = untold or f"nothing within {timeout_s:.0f} s; {_HINTS[stopped]}"
    return Trace(tuple(hops), f"{stopped} ({hops[-1].part})", why)


def _follow(
    looks: Iterator[tuple[str, Look]],
    hops: list[Hop],
    timeout_s: float,
    sleep: Callable[[float], None],
) -> str:
    """Wait at each place in turn; return the one that was not reached in time, or nothing."""
    left = int(timeout_s / LOOK_EVERY_S)
    for place, look in looks:
        while (hop := look()) is None:
            if left <= 0:
                return place
            left -= 1
            sleep(LOOK_EVERY_S)
        hops.append(hop)
    return ""


def _fields(source: str, trace: Trace) -> dict[str, Any]:
    return {
        "source": source,
        "arrived": not trace.stopped,
        "stopped_before": trace.stopped or None,
        "why": trace.why or None,
        "hops": [
            {"part": hop.part, "place": hop.place, "at": moment_text(hop.at), "id": hop.id}
            for hop in trace.hops
        ],
    }


def _print(trace: Trace) -> None:
    columns = (
        Column("part"),
        Column("reached"),
        Column("at (UTC)"),
        Column("after", is_figure=True),
        Column("id", is_whole=False),
    )
    started = {hop.part: hop.at for hop in reversed(trace.hops)}
    rows = [
        (
            hop.part,
            hop.place,
            f"{hop.at.astimezone(UTC):%H:%M:%S.%f}"[:-3],
            f"{(hop.at - started[hop.part]).total_seconds():.2f} s",
            hop.id,
        )
        for hop in trace.hops
    ]
    print_table(table("The way of the test page", columns, rows))
