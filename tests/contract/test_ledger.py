"""The contract of `flows.alerts.ports.Ledger`, on the fake and on moto."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from moto import mock_aws

from pipeline.adapters.ledger import DynamoLedger
from pipeline.flows.alerts.ports import Held, Ledger, Spent, Window
from pipeline.ports import AlertKey
from tests.fakes.alert_tables import client_with
from tests.fakes.alerts import NOON, FakeLedger

WINDOW = Window("budget", NOON, NOON + timedelta(minutes=5))
FIRST = AlertKey("static_limit#web-1/cpu", NOON)
SECOND = AlertKey("static_limit#web-2/cpu", NOON)
HELD = Held("static_limit", "web-2/cpu", "high")


@pytest.fixture(params=["fake", "moto"])
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    if request.param == "fake":
        yield FakeLedger()
        return
    with mock_aws():
        yield DynamoLedger(client_with(AlertsTable="alerts"), "alerts")


def test_a_window_counts_and_remembers_who_was_first(ledger: Ledger) -> None:
    assert ledger.spend(WINDOW, FIRST) == Spent(1, FIRST)
    assert ledger.spend(WINDOW, SECOND) == Spent(2, FIRST)


def test_windows_and_accounts_are_counted_apart(ledger: Ledger) -> None:
    ledger.spend(WINDOW, FIRST)

    later = Window("budget", NOON + timedelta(minutes=5), NOON + timedelta(minutes=10))
    assert ledger.spend(later, SECOND) == Spent(1, SECOND)
    assert ledger.spend(WINDOW._replace(account="group a"), SECOND) == Spent(1, SECOND)


def test_a_window_that_held_nothing_back_is_never_due(ledger: Ledger) -> None:
    ledger.spend(WINDOW, FIRST)

    assert ledger.due(NOON + timedelta(days=1), 10) == []


def test_what_is_held_back_is_due_at_once_by_rule_severity_and_subject(ledger: Ledger) -> None:
    ledger.spend(WINDOW, FIRST)
    for held in (HELD, HELD, Held("impossible_travel", "u-1", "critical")):
        ledger.hold(WINDOW, held, NOON)

    (statement,) = ledger.due(NOON, 10)

    assert (statement.window, statement.lead) == (WINDOW, FIRST)
    assert (statement.held, statement.told) == (3, 0)
    assert statement.rules == {"static_limit": 2, "impossible_travel": 1}
    assert statement.severities == {"high": 2, "critical": 1}
    assert statement.subjects == {"web-2/cpu": 2, "u-1": 1}


def test_the_subjects_of_a_window_are_bounded(ledger: Ledger) -> None:
    ledger.spend(WINDOW, FIRST)
    for number in range(60):
        ledger.hold(WINDOW, HELD._replace(subject=f"web-{number}/cpu"), NOON)

    (statement,) = ledger.due(NOON, 10)

    assert statement.held == 60
    assert len(statement.subjects) == 50


def test_what_has_been_told_is_looked_at_again_at_the_window_s_end(ledger: Ledger) -> None:
    ledger.spend(WINDOW, FIRST)
    ledger.hold(WINDOW, HELD, NOON)
    (statement,) = ledger.due(NOON, 10)

    ledger.tell(statement, WINDOW.ends_at)
    ledger.hold(WINDOW, HELD, NOON)

    assert ledger.due(NOON, 10) == []
    (again,) = ledger.due(WINDOW.ends_at, 10)
    assert (again.held, again.told) == (2, 1)


def test_a_closed_window_is_due_no_more(ledger: Ledger) -> None:
    ledger.spend(WINDOW, FIRST)
    ledger.hold(WINDOW, HELD, NOON)
    (statement,) = ledger.due(NOON, 10)

    ledger.tell(statement, None)

    assert ledger.due(NOON + timedelta(days=1), 10) == []


def test_a_window_that_holds_more_back_meanwhile_is_not_closed(ledger: Ledger) -> None:
    ledger.spend(WINDOW, FIRST)
    ledger.hold(WINDOW, HELD, NOON)
    (statement,) = ledger.due(NOON, 10)
    ledger.hold(WINDOW, HELD, NOON)

    ledger.tell(statement, None)

    (again,) = ledger.due(NOON, 10)
    assert (again.held, again.told) == (2, 1)
