import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from pipeline.adapters.silence_table import DynamoSilences
from pipeline.cli.alerts.silence import silence
from tests.fakes.alerts import NOON
from tests.unit.cli.stacks import STACK, Deployed, deployed

WHO = ("--owner", "ada", "--reason", "load test")


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with deployed() as stack:
        yield stack


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(silence, [*arguments, "--stack", STACK])


def _add(*arguments: str) -> str:
    result = _run("add", "--json", *arguments, *WHO)
    assert result.exit_code == 0, result.output
    return str(json.loads(result.stdout)["silence_id"])


@pytest.mark.usefixtures("stack")
def test_a_silence_that_is_added_is_listed() -> None:
    silence_id = _add("--rule", "static_limit", "--subject", "web-*", "--for", "2h")

    (listed,) = json.loads(_run("list", "--json").stdout)

    assert (listed["silence_id"], listed["state"]) == (silence_id, "holds")
    assert (listed["owner"], listed["reason"]) == ("ada", "load test")
    assert listed["matcher"] == "rule=static_limit subject=web-*"
    assert (listed["hidden"], listed["last_hidden_at"], listed["every"]) == (0, None, None)


@pytest.mark.usefixtures("stack")
def test_adding_tells_what_it_hides_and_what_it_would_have_hidden() -> None:
    result = _run("add", "--source", "web-7", "--severity", "high", "--for", "2h", *WHO)

    lines = result.stdout.splitlines()
    assert ": source=web-7 severity=high, until " in lines[0]
    assert lines[-1] == "of the last day it would have hidden nothing"


def test_a_dry_run_makes_nothing(stack: Deployed) -> None:
    result = _run("add", "--source", "web-7", "--for", "2h", "--dry-run", *WHO)

    assert result.exit_code == 0
    assert DynamoSilences(stack.dynamodb, "silences").all() == []


def test_a_list_says_what_each_silence_hid(stack: Deployed) -> None:
    silence_id = _add("--label", "metric_name=cpu_usage", "--for", "2h")
    DynamoSilences(stack.dynamodb, "silences").count_hidden(silence_id, NOON)

    result = _run("list")

    (line,) = [line for line in result.stdout.splitlines() if silence_id in line]
    assert "metric_name=cpu_usage" in line
    assert "1 2026-03-01 12:00:00" in " ".join(line.split())


@pytest.mark.usefixtures("stack")
def test_a_maintenance_window_stands_in_the_list_with_its_time_zone() -> None:
    _add("--source", "db-*", "--every", "Sun 02:00-04:00 Europe/Berlin", "--for", "26w")

    (listed,) = json.loads(_run("list", "--json").stdout)

    assert listed["every"] == "sun 02:00-04:00 Europe/Berlin"


@pytest.mark.usefixtures("stack")
def test_a_silence_that_is_removed_is_gone() -> None:
    silence_id = _add("--source", "web-7", "--for", "2h")

    removed = _run("remove", silence_id[:5])
    again = _run("remove", silence_id)

    assert removed.stdout == f"removed {silence_id} of ada; it hid 0\n"
    assert (again.exit_code, _run("list").exit_code) == (1, 1)
    assert again.stderr == f"no silence has an id that begins with {silence_id}\n"


@pytest.mark.usefixtures("stack")
def test_a_beginning_that_two_silences_share_removes_neither() -> None:
    _add("--source", "web-7", "--for", "2h")
    _add("--source", "web-8", "--for", "2h")

    result = _run("remove", "")

    assert result.exit_code == 2
    assert len(json.loads(_run("list", "--json").stdout)) == 2


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--for", "2h"), "at least one of rule, subject, source, severity and label"),
        (("--source", "web-7"), "every silence ends"),
        (("--source", "web-7", "--for", "2h", "--until", "2030-01-01"), "every silence ends"),
        (("--source", "web-7", "--until", "2020-01-01"), "must end in the future"),
        (("--source", "web-7", "--for", "60w"), "holds for 366 days at the most"),
        (("--label", "metric_name", "--for", "2h"), "is not name=pattern"),
        (("--source", "x" * 300, "--for", "2h"), "length <= 256"),
    ],
)
def test_a_silence_that_cannot_be_is_a_wrong_usage(arguments: tuple[str, ...], told: str) -> None:
    result = _run("add", *arguments, *WHO)

    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())


@pytest.mark.usefixtures("stack")
def test_a_silence_needs_a_reason() -> None:
    missing = _run("add", "--source", "web-7", "--for", "2h")
    empty = _run("add", "--source", "web-7", "--for", "2h", "--reason", " ")

    assert (missing.exit_code, empty.exit_code) == (2, 2)


@pytest.mark.usefixtures("stack")
def test_a_rule_that_nobody_knows_is_remarked_upon() -> None:
    result = _run("add", "--rule", "statik_limit", "--for", "2h", *WHO)

    assert result.exit_code == 0
    assert result.stderr == "no rule is called statik_limit: the silence is made all the same\n"


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["add", "--rule", "x", "--for", "2h", "--reason", " "],
            "Error: --reason may not be empty",
        ),
        (
            ["add", "--for", "2h", "--reason", "x"],
            "Error: give at least one of rule, subject, source, severity and label\n",
        ),
        (["remove", ""], "Error: give the beginning of an id"),
    ],
)
def test_what_is_missing_is_said_in_the_words_of_the_command(
    arguments: list[str], told: str
) -> None:
    result = _run(*arguments)

    assert result.exit_code == 2
    assert told in result.stderr
