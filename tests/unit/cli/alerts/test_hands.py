import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from pipeline.cli.alerts.command import list_, show
from pipeline.cli.alerts.hands import ack, resolve
from tests.fakes.alert_world import payment_fact
from tests.fakes.alerts import NOON, cpu_fact
from tests.unit.cli.stacks import STACK, Deployed, deployed

CPU = cpu_fact()
CPU_CLEARED = cpu_fact(edge="cleared", event_id="e-2", occurred_at=NOON, observed=41.5, count=9)
CPU_ID = "618098af86e1563d9c6907ed9c29ae49"


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with deployed() as stack:
        yield stack


def _run(name: str, *arguments: str) -> Result:
    command = {"ack": ack, "list": list_, "resolve": resolve, "show": show}[name]
    return CliRunner().invoke(command, [*arguments, "--stack", STACK])


def _listed(*arguments: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(_run("list", "--json", *arguments).stdout)
    return found


def test_who_acknowledges_an_alert_stands_in_lists_and_in_the_alert(stack: Deployed) -> None:
    stack.page([CPU])

    result = _run("ack", CPU_ID[:8], "--by", "ada", "--note", "restarting web-7")

    shown = json.loads(_run("show", "--json", CPU_ID).stdout)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"acknowledged {CPU_ID} by ada, ")
    assert [one["acknowledged_by"] for one in _listed("--status", "firing")] == ["ada"]
    assert shown["acknowledged"]["note"] == "restarting web-7"
    assert shown["closed"] is None


def test_an_alert_that_is_resolved_by_hand_no_longer_fires(stack: Deployed) -> None:
    stack.page([CPU])

    result = _run("resolve", CPU_ID, "--by", "ada", "--note", "test load", "--json")

    told = json.loads(result.stdout)
    assert (told["status"], told["by"], told["note"]) == ("resolved", "ada", "test load")
    assert _listed("--status", "firing") == []
    assert "ended by ada" in _run("show", CPU_ID).stdout


def test_the_sweep_is_asked_to_tell_that_an_alert_was_resolved_by_hand(stack: Deployed) -> None:
    stack.page([CPU])

    _run("resolve", CPU_ID, "--by", "ada")

    key = {"dedup_key": {"S": CPU.dedup_key}, "opened_at": {"S": "2026-03-01T11:56:00.000000Z"}}
    row = stack.dynamodb.get_item(TableName="alerts", Key=key)["Item"]
    assert row["status"]["S"] == "resolved"
    assert "due_at" in row


def test_an_alert_that_was_acknowledged_is_due_as_the_override_of_the_rules_says(
    stack: Deployed,
) -> None:
    stack.page([payment_fact()])
    stack.override("[alerting.rules.transaction_amount]\nquiet_s = 60.0")

    (before,) = stack.dynamodb.scan(TableName="alerts")["Items"]

    _run("ack", before["alert_id"]["S"], "--by", "ada")

    (row,) = stack.dynamodb.scan(TableName="alerts")["Items"]
    assert before["due_at"]["S"] == "2026-03-01T13:00:00.000000Z"
    assert row["due_at"]["S"] == "2026-03-01T12:01:00.000000Z"


@pytest.mark.parametrize("command", ["ack", "resolve"])
def test_an_alert_that_is_over_is_exit_code_1(stack: Deployed, command: str) -> None:
    stack.page([CPU, CPU_CLEARED])

    result = _run(command, CPU_ID)

    assert result.exit_code == 1
    assert result.stderr == f"alert {CPU_ID} is over already\n"


@pytest.mark.usefixtures("stack")
def test_an_unknown_alert_is_exit_code_1() -> None:
    result = _run("ack", "ffffffff")

    assert result.exit_code == 1
    assert result.stderr == "no alert has an id that begins with ffffffff\n"


@pytest.mark.usefixtures("stack")
def test_nobody_is_no_name() -> None:
    result = _run("ack", "ffffffff", "--by", " ")

    assert result.exit_code == 2
    assert "a name has 1 to 128 characters" in result.stderr
