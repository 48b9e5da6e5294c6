"""The contract of `ports.AlertStore`, on the fake and on moto."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from moto import mock_aws

from pipeline.adapters.alert_store import DynamoAlertStore
from pipeline.detection.alerting import Firing
from pipeline.ports import AlertKey, AlertRow, AlertStore
from tests.fakes.alert_tables import client_with
from tests.fakes.alerts import NOON, FakeAlertStore

SHOWN: dict[str, str | int] = {"status": "firing", "count": 3, "component": ""}


@pytest.fixture(params=["fake", "moto"])
def store(request: pytest.FixtureRequest) -> Iterator[AlertStore]:
    if request.param == "fake":
        yield FakeAlertStore()
        return
    with mock_aws():
        yield DynamoAlertStore(client_with(AlertsTable="alerts"), "alerts")


def test_there_is_no_alert_before_the_first(store: AlertStore) -> None:
    assert store.latest("cpu#web-7") is None


def test_an_alert_is_read_as_it_was_written(store: AlertStore) -> None:
    assert store.write("cpu#web-7", NOON, '{"a":"ü"}'.encode(), SHOWN, replaces=0)

    assert store.latest("cpu#web-7") == AlertRow('{"a":"ü"}'.encode(), 1)


def test_the_newest_alert_of_a_key_is_read(store: AlertStore) -> None:
    later = NOON + timedelta(microseconds=1)
    store.write("cpu#web-7", later, b"later", SHOWN, replaces=0)
    store.write("cpu#web-7", NOON, b"earlier", SHOWN, replaces=0)
    store.write("cpu#web-8", NOON + timedelta(days=1), b"other", SHOWN, replaces=0)

    assert store.latest("cpu#web-7") == AlertRow(b"later", 1)


def test_a_version_is_replaced_once(store: AlertStore) -> None:
    store.write("cpu#web-7", NOON, b"one", SHOWN, replaces=0)

    assert store.write("cpu#web-7", NOON, b"two", SHOWN, replaces=1)
    assert not store.write("cpu#web-7", NOON, b"three", SHOWN, replaces=1)

    assert store.latest("cpu#web-7") == AlertRow(b"two", 2)


def test_an_alert_is_created_once(store: AlertStore) -> None:
    store.write("cpu#web-7", NOON, b"one", SHOWN, replaces=0)

    assert not store.write("cpu#web-7", NOON, b"two", SHOWN, replaces=0)

    assert store.latest("cpu#web-7") == AlertRow(b"one", 1)


def test_an_alert_that_is_gone_is_not_replaced(store: AlertStore) -> None:
    assert not store.write("cpu#web-7", NOON, b"two", SHOWN, replaces=1)

    assert store.latest("cpu#web-7") is None


@pytest.mark.parametrize("replaces", [0, 1])
def test_the_repetition_of_a_write_that_happened_is_a_success(
    store: AlertStore, replaces: int
) -> None:
    for version in range(replaces + 1):
        store.write("cpu#web-7", NOON, b"same", SHOWN, replaces=version)

    assert store.write("cpu#web-7", NOON, b"same", SHOWN, replaces=replaces)

    assert store.latest("cpu#web-7") == AlertRow(b"same", replaces + 1)


def test_the_alert_of_a_time_is_the_newest_that_was_opened_by_then(store: AlertStore) -> None:
    for hours in (0, 1, 2):
        opened_at = NOON + timedelta(hours=hours)
        store.write("cpu#web-7", opened_at, str(hours).encode(), SHOWN, replaces=0)

    moments = [NOON - timedelta(minutes=1), NOON, NOON + timedelta(minutes=90)]

    assert [store.before("cpu#web-7", moment) for moment in moments] == [
        None,
        AlertRow(b"0", 1),
        AlertRow(b"1", 1),
    ]


def test_an_alert_is_read_by_its_key(store: AlertStore) -> None:
    store.write("cpu#web-7", NOON, b"one", SHOWN, replaces=0)
    store.write("cpu#web-7", NOON + timedelta(hours=1), b"two", SHOWN, replaces=0)

    assert store.read(AlertKey("cpu#web-7", NOON)) == AlertRow(b"one", 1)
    assert store.read(AlertKey("cpu#web-8", NOON)) is None


def test_what_is_due_comes_first_things_first(store: AlertStore) -> None:
    def write(name: str, status: str, due_at: str) -> None:
        store.write(name, NOON, b"{}", {"status": status, "due_at": due_at}, replaces=0)

    write("late", "firing", "2026-03-01T11:59:00.000000Z")
    write("now", "firing", "2026-03-01T12:00:00.000000Z")
    write("over", "resolved", "2026-03-01T11:58:00.000000Z")
    write("later", "firing", "2026-03-01T12:00:00.000001Z")
    write("settled", "resolved", "")

    due = store.due(NOON, 10)

    assert [key.dedup_key for key in due] == ["over", "late", "now"]
    assert due[0] == AlertKey("over", NOON)
    assert [key.dedup_key for key in store.due(NOON, 1)] == ["over"]


def test_what_fires_about_a_source_is_found(store: AlertStore) -> None:
    shown: dict[str, str | int] = {"severity": "high", "rule_id": "static_limit"}
    firing = shown | {"firing_source": "web-7"}
    store.write("a", NOON, b"{}", firing | {"subject": "web-7/cpu"}, replaces=0)
    store.write("b", NOON, b"{}", shown | {"firing_source": ""}, replaces=0)
    store.write("c", NOON, b"{}", firing | {"firing_source": "web-8"}, replaces=0)

    found = store.firing("web-7")

    assert found == [
        Firing(rule_id="static_limit", subject="web-7/cpu", source="web-7", severity="high")
    ]


@mock_aws
def test_a_row_can_be_read_in_the_console() -> None:
    client = client_with(AlertsTable="alerts")

    DynamoAlertStore(client, "alerts").write("cpu#web-7", NOON, b"{}", SHOWN, replaces=0)

    assert client.scan(TableName="alerts")["Items"] == [
        {
            "dedup_key": {"S": "cpu#web-7"},
            "opened_at": {"S": "2026-03-01T12:00:00.000000Z"},
            "version": {"N": "1"},
            "document": {"S": "{}"},
            "status": {"S": "firing"},
            "count": {"N": "3"},
        }
    ]
