from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest

from pipeline.cli.alerts.index import AlertLine, Wanted, list_alerts
from pipeline.cli.alerts.rows import (
    Cause,
    Told,
    causes,
    newest_notification,
    read_alert,
    read_facts,
)
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.rules import default_rules
from pipeline.errors import RetryableError
from pipeline.flows.alerts.alert import Alert
from pipeline.flows.alerts.composing import Deployment
from tests.fakes.alerts import NOON, FakePager, Faults, cpu_fact
from tests.unit.cli.stacks import Deployed, deployed

WHERE = Deployment("streamwarden", "prod", "eu-central-1", "https://docs.example", "alerts")
OPENED = cpu_fact()
ESCALATED = cpu_fact(
    edge="escalated", event_id="e-2", severity="critical", count=9, occurred_at=NOON
)


@pytest.fixture
def stack() -> Iterator[Deployed]:
    with deployed() as stack:
        yield stack


def _lines(stack: Deployed) -> list[AlertLine]:
    until = NOON + timedelta(days=1)
    return list_alerts(stack.dynamodb, "alerts", Wanted(until=until), 10, until).lines


def _alert(stack: Deployed) -> Alert:
    alert = read_alert(stack.dynamodb, "alerts", _lines(stack)[0])
    assert alert
    return alert


def _told(alert: Alert, facts: Sequence[Anomaly]) -> Told:
    rules = default_rules().texts()
    return newest_notification(alert, causes(alert, facts), rules, WHERE, NOON)


def test_a_page_that_sns_refused_is_told_from_the_outbox(stack: Deployed) -> None:
    faults = Faults(lambda _, name: "throttle" if name == "publish oncall" else None)
    with pytest.raises(RetryableError):
        stack.page([OPENED], FakePager(faults))
    alert = _alert(stack)

    told = _told(alert, [])

    assert not told.is_rewritten
    assert told.notification == alert.outbox[0].notification
    assert alert.outbox[0].delivered == ("alerts",)


def test_a_delivered_page_is_told_again_under_its_own_id_and_reason(stack: Deployed) -> None:
    stack.page([OPENED, ESCALATED])
    alert = _alert(stack)

    told = _told(alert, [OPENED, ESCALATED])

    assert told.is_rewritten
    assert told.notification.id == alert.deliveries[-1].notification_id
    assert told.notification.notification_reason == "severity"


def test_each_delivery_finds_the_fact_that_caused_it(stack: Deployed) -> None:
    stack.page([OPENED, ESCALATED])
    alert = _alert(stack)

    known = causes(alert, [OPENED, ESCALATED])

    assert [known[one.notification_id] for one in alert.deliveries] == [
        Cause("first", OPENED),
        Cause("first", OPENED),
        Cause("severity", ESCALATED),
        Cause("severity", ESCALATED),
    ]


def test_a_page_whose_fact_is_gone_is_told_from_the_newest_fact(stack: Deployed) -> None:
    stack.page([OPENED, cpu_fact(event_id="e-3", edge="escalated", occurred_at=NOON)])

    told = _told(_alert(stack), [])

    assert told.notification.notification_reason == "first"
    assert told.notification.last_seen_at == "2026-03-01T12:00:00.000Z"


def test_only_facts_that_the_alert_has_taken_are_its_facts(stack: Deployed) -> None:
    later = cpu_fact(opened_at=NOON, occurred_at=NOON, event_id="e-9")
    cleared = cpu_fact(edge="cleared", event_id="e-3", occurred_at=NOON - timedelta(minutes=1))
    stack.page([OPENED, cleared, later])
    (first,) = [line for line in _lines(stack) if line.opened_at == OPENED.opened_at]
    alert = read_alert(stack.dynamodb, "alerts", first)
    assert alert

    facts = read_facts(stack.dynamodb, "anomalies", alert)

    assert facts == [OPENED, cleared]


def test_a_row_that_is_gone_is_no_alert(stack: Deployed) -> None:
    stack.page([OPENED])
    (line,) = _lines(stack)
    key = {"dedup_key": {"S": line.dedup_key}, "opened_at": {"S": "2026-03-01T11:56:00.000000Z"}}
    stack.dynamodb.delete_item(TableName="alerts", Key=key)

    alert = read_alert(stack.dynamodb, "alerts", line)

    assert alert is None
