import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from click.testing import CliRunner, Result

from pipeline.cli.alerts.command import alerts
from tests.fakes.alerts import NOON, cpu_fact
from tests.unit.cli.stacks import STACK, Deployed, deployed, row

CPU = cpu_fact()
CPU_CLEARED = cpu_fact(edge="cleared", event_id="e-2", occurred_at=NOON, observed=41.5, count=9)
DISK = cpu_fact(
    subject="web-8/disk_usage",
    source="web-8",
    severity="critical",
    opened_at=NOON,
    occurred_at=NOON,
    title="disk_usage above 98% on web-8",
)
LOGINS = cpu_fact(
    rule_id="failed_logins",
    subject="ada@example.org",
    opened_at=NOON - timedelta(days=2),
    occurred_at=NOON - timedelta(days=2),
    title="Failed logins of ada@example.org from 203.0.113.7",
)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with deployed() as stack:
        yield stack


UNTIL = ("--until", "2026-03-02")


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(alerts, [*arguments, "--stack", STACK])


def _subjects(*arguments: str) -> list[str]:
    result = _run("list", "--json", *UNTIL, *arguments)
    return [alert["subject"] for alert in json.loads(result.stdout)]


def _alert_id(prefix_of_subject: str) -> str:
    listed = json.loads(_run("list", "--json", *UNTIL).stdout)
    (found,) = [one["alert_id"] for one in listed if one["subject"].startswith(prefix_of_subject)]
    return str(found)


def test_alerts_are_listed_the_newest_first(stack: Deployed) -> None:
    stack.page([CPU, DISK, LOGINS])

    result = _run("list", *UNTIL)

    lines = [line.split() for line in result.stdout.splitlines() if "2026-" in line]
    assert result.exit_code == 0
    assert [(line[1], line[2], line[3], line[4]) for line in lines] == [
        ("12:00:00", "firing", "critical", "static_limit"),
        ("11:56:00", "firing", "high", "static_limit"),
        ("12:00:00", "firing", "high", "failed_logins"),
    ]


def test_a_listed_alert_has_all_its_fields_as_json(stack: Deployed) -> None:
    stack.page([CPU, CPU_CLEARED])

    result = _run("list", "--json", *UNTIL)

    assert json.loads(result.stdout) == [
        {
            "alert_id": "618098af86e1563d9c6907ed9c29ae49",
            "opened_at": "2026-03-01T11:56:00.000Z",
            "status": "resolved",
            "severity": "high",
            "rule_id": "static_limit",
            "subject": "web-7/cpu_usage",
            "title": "cpu_usage above 90% on web-7",
            "count": 9,
            "acknowledged_by": "",
        }
    ]


def test_status_severity_and_time_choose_among_them(stack: Deployed) -> None:
    stack.page([CPU, CPU_CLEARED, DISK, LOGINS])

    chosen = [
        _subjects("--status", "resolved"),
        _subjects("--severity", "critical"),
        _subjects("--since", "2026-03-01"),
        _subjects("--status", "firing", "--severity", "high"),
        _subjects("--rule", "failed_logins"),
        _subjects("--subject", "web-7/cpu_usage"),
        _subjects("--rule", "static_limit", "--since", "2026-03-01T12:00:00"),
        _subjects("--rule", "static_limit", "--status", "firing"),
    ]

    assert chosen == [
        ["web-7/cpu_usage"],
        ["web-8/disk_usage"],
        ["web-8/disk_usage", "web-7/cpu_usage"],
        ["[e-mail]"],
        ["[e-mail]"],
        ["web-7/cpu_usage"],
        ["web-8/disk_usage"],
        ["web-8/disk_usage"],
    ]


def test_older_alerts_beyond_the_limit_are_told_of(stack: Deployed) -> None:
    stack.page([CPU, DISK, LOGINS])

    result = _run("list", "--limit", "1", "--json", *UNTIL)

    assert [one["subject"] for one in json.loads(result.stdout)] == ["web-8/disk_usage"]
    assert result.stderr == "older ones are not shown: raise --limit\n"


@pytest.mark.usefixtures("stack")
def test_no_alert_is_exit_code_1_and_an_empty_list() -> None:
    result = _run("list", "--json", *UNTIL)

    assert (result.exit_code, result.stdout) == (1, "[]\n")
    assert result.stderr == "no alert matches\n"


def test_personal_data_is_masked_in_lists_and_pages(stack: Deployed) -> None:
    stack.page([LOGINS])

    shown = "".join(
        result.output
        for result in (
            _run("list", *UNTIL),
            _run("list", "--json", *UNTIL),
            _run("show", _alert_id("[e-mail]")),
            _run("show", "--json", _alert_id("[e-mail]")),
        )
    )

    assert "Failed logins of [e-mail] from [ip]" in shown
    assert "ada" not in shown
    assert "203.0" not in shown


def test_the_page_of_an_alert_has_the_texts_of_the_stacks_own_rules(stack: Deployed) -> None:
    stack.page([CPU])
    stack.override(
        '[[static_limit.limits]]\nmetric = "cpu_usage"\nimpact = "The night batch is late."'
    )

    result = _run("show", _alert_id("web-7"))

    assert "The night batch is late." in result.stdout


def test_an_alert_is_shown_as_its_page_deliveries_and_facts(stack: Deployed) -> None:
    stack.page([CPU, CPU_CLEARED])

    result = _run("show", _alert_id("web-7")[:6])

    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert "[RESOLVED][HIGH] cpu_usage above 90% on web-7 (prod)" in lines
    assert "2026-03-01 12:00:00 oncall resolved message-4" in lines
    assert "2026-03-01 11:56:00 opened high 97.3% 3 e-1" in lines
    assert "2026-03-01 12:00:00 cleared high 41.5% 9 e-2" in lines


def test_the_page_says_that_it_was_written_again_and_why_it_was_sent(stack: Deployed) -> None:
    stack.page([CPU])

    shown = json.loads(_run("show", "--json", _alert_id("web-7")).stdout)

    page = shown["page"]
    assert (page["reason"], page["is_rewritten"], page["waits_for"]) == ("first", True, [])
    assert page["subject"] == "[FIRING:3][HIGH] cpu_usage above 90% on web-7 (prod)"
    assert "Runbook:      https://docs.example/operations#" in page["text"]
    assert [one["topic"] for one in shown["deliveries"]] == ["alerts", "oncall"]
    assert [one["reason"] for one in shown["deliveries"]] == ["first", "first"]
    assert [fact["event_id"] for fact in shown["facts"]] == ["e-1"]


def test_an_unknown_id_is_exit_code_1(stack: Deployed) -> None:
    stack.page([CPU])

    result = _run("show", "zzzz")

    assert result.exit_code == 1
    assert result.stderr == "no alert has an id that begins with zzzz\n"


@pytest.mark.usefixtures("stack")
def test_an_id_that_is_too_short_for_the_index_is_a_wrong_usage() -> None:
    result = _run("show", "zz")

    assert result.exit_code == 2
    assert "give at least 4 characters of an id" in result.stderr


def test_an_id_that_two_alerts_share_is_a_wrong_usage(stack: Deployed) -> None:
    for number in (1, 2):
        stack.dynamodb.put_item(TableName="alerts", Item=row(number))

    result = _run("show", "00000000")

    assert result.exit_code == 2
    assert "2 alerts begin with 00000000" in result.stderr


def test_a_stack_that_is_not_there_is_exit_code_3() -> None:
    with deployed():
        result = CliRunner().invoke(
            alerts, ["list", "--stack", "other"], env={"AWS_DEFAULT_REGION": "eu-central-1"}
        )

    assert result.exit_code == 3
    assert "does not exist" in result.stderr
