import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipeline.cli.main import main
from tests.unit.cli.stacks import STACK, deployed

MIDNIGHT = datetime(2026, 9, 1, tzinfo=UTC)


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write two days of one disk: above its limit for an hour of each day, on four sources."""
    monkeypatch.chdir(tmp_path)  # where no local run is
    path = tmp_path / "events.jsonl"
    lines = []
    for minute in range(0, 2 * 1440, 10):
        is_full = 600 <= minute % 1440 < 660
        for source in ("web-1", "web-2", "web-3", "web-4"):
            event = {
                "event_type": "system_metric",
                "source": source,
                "metric_name": "disk_usage",
                "value": 95.0 if is_full else 50.0,
                "unit": "%",
                "timestamp": (MIDNIGHT + timedelta(minutes=minute)).isoformat(),
            }
            lines.append(json.dumps(event))
    path.write_text("\n".join([*lines, "not json"]), encoding="utf-8")
    return path


def test_firings_are_counted_and_alerts_of_one_metric_share_their_pages(events: Path) -> None:
    found = printed(backtest(events, rules="[metric_baseline]\nstaged = true"))

    rule = found["rules"]["static_limit"]
    assert found["events"] == 4 * 288
    assert (rule["firings"], rule["subjects"]) == (8, 4)
    assert rule["pages"] == 8  # a day: the first, its end, and of its group the others and theirs
    assert found["pages_by_day"] == {"2026-09-01": 4, "2026-09-02": 4}
    assert rule["samples"][0] == "2026-09-01 10:00:00 disk_usage 95% > 90% on web-1"


def test_a_changed_file_is_compared_with_the_rules_in_force(events: Path) -> None:
    higher = '[[static_limit.limits]]\nmetric = "disk_usage"\nabove = 96.0\n'

    found = printed(backtest(events, rules=higher))

    assert "static_limit" not in found["rules"]
    assert found["in_force"]["rules"]["static_limit"]["firings"] == 8
    assert found["difference"]["gone"] >= 8
    assert (
        "static_limit: 2026-09-01 10:00:00 disk_usage 95% > 90% on web-1"
        in found["difference"]["samples_gone"]
    )


def test_a_staged_rule_fires_and_pages_nobody(events: Path) -> None:
    staged = "[metric_baseline]\nstaged = true\n[static_limit]\nstaged = true"

    found = printed(backtest(events, rules=staged))

    assert found["rules"]["static_limit"]["firings"] == 8
    assert (found["alerts"] >= 8, found["pages"]) == (True, 0)


@pytest.mark.parametrize(("budget", "exit_code"), [("100", 0), ("0.5", 4)])
def test_more_pages_a_day_than_the_budget_are_exit_code_4(
    events: Path, budget: str, exit_code: int
) -> None:
    result = backtest(events, "--page-budget", budget)

    assert result.exit_code == exit_code
    assert "1 line breaks the contract: left out" in result.stderr


@pytest.mark.parametrize("budget", ["nan", "inf", "-1"])
def test_a_budget_that_no_number_of_pages_exceeds_is_wrong_usage(events: Path, budget: str) -> None:
    result = backtest(events, "--page-budget", budget)

    assert result.exit_code == 2
    assert "--page-budget" in result.stderr


def test_failed_sign_ins_of_many_users_from_one_address_are_counted_together(events: Path) -> None:
    lines = [
        {
            "event_type": "user_activity",
            "user_id": f"user-{number}",
            "activity_type": "login_failed",
            "ip_address": "192.0.2.66",
            "timestamp": (MIDNIGHT + timedelta(seconds=number)).isoformat(),
        }
        for number in range(30)
    ]
    events.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")

    found = printed(backtest(events, "--json"))

    assert found["rules"]["failed_login_address"]["firings"] == 1


def test_the_lake_is_judged_by_the_stacks_rules_and_nothing_is_changed(
    events: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    lines = [json.loads(line) for line in events.read_text().splitlines()[:-1]]
    hour = MIDNIGHT + timedelta(hours=10)
    of_the_hour = [one for one in lines if one["timestamp"].startswith("2026-09-01T10:")]
    arguments = ["backtest", "--from", "2026-09-01", "--to", "2026-09-02", "--stack", STACK]

    with deployed() as stack:
        stack.archive(of_the_hour, hour)
        stack.override('[[static_limit.limits]]\nmetric = "disk_usage"\nabove = 96.0\n')
        in_force = printed(CliRunner().invoke(main, [*arguments, "--json"]))
        Path("rules.toml").write_text("[static_limit]\nstaged = true", encoding="utf-8")
        trial = printed(CliRunner().invoke(main, [*arguments, "--rules", "rules.toml", "--json"]))
        kept = [stack.dynamodb.scan(TableName=name)["Count"] for name in ("alerts", "anomalies")]
        objects = stack.s3.list_objects_v2(Bucket="lake")["KeyCount"]

    assert (in_force["events"], in_force["rules"]) == (24, {})
    assert (trial["rules"]["static_limit"]["firings"], trial["pages"]) == (4, 0)
    assert (trial["difference"]["new"], trial["difference"]["gone"]) == (4, 0)
    assert (kept, objects) == ([0, 0], 1)


def test_rules_that_cannot_be_used_are_exit_code_1(events: Path) -> None:
    result = backtest(events, rules="[static_limit]\nabove = 3")

    assert result.exit_code == 1
    assert "above" in result.stderr


def test_files_or_a_time_of_the_lake_but_not_both(events: Path) -> None:
    assert backtest(events, "--from", "2d").exit_code == 2
    assert CliRunner().invoke(main, ["backtest"]).exit_code == 2


def backtest(events: Path, *options: str, rules: str = "") -> Result:
    arguments = ["backtest", str(events), *options]
    if rules:
        Path("rules.toml").write_text(rules, encoding="utf-8")
        arguments += ["--rules", "rules.toml", "--json"]
    return CliRunner().invoke(main, arguments)


def printed(result: Result) -> Any:  # noqa: ANN401  whatever the command prints
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)
