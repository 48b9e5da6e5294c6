import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipeline.cli.main import main
from tests.unit.cli.stacks import OUTPUTS, STACK, Deployed, deployed

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
DAY = ("--from", "2026-09-01", "--to", "2026-09-02")
PARAMETER = OUTPUTS["RulesParameterName"]
DISK_40 = '[[static_limit.limits]]\nmetric = "disk_usage"\nabove = 40.0\nclear_below = 30.0\n'


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Deployed]:
    """Deploy a stack whose lake has a disk at 50 % and one at 95 %."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.chdir(tmp_path)
    with deployed() as stack:
        stack.archive([disk("web-1", 50), disk("web-2", 95)], NOON)
        yield stack


@pytest.mark.usefixtures("stack")
def test_without_an_override_the_packaged_rules_are_played() -> None:
    result = replay()

    assert "web-2" in result.stdout
    assert "1 alerts, 1 of them not found by the stack; rules: packaged" in result.stdout


def test_the_rules_are_those_that_the_stack_follows(stack: Deployed) -> None:
    stack.override(DISK_40)

    played = printed(replay("--json"))

    assert played["rules"] == f"parameter {PARAMETER}"
    assert sources(played) == ["web-1", "web-2"]


def test_an_invalid_override_is_remarked_on_and_the_one_before_it_is_played(
    stack: Deployed,
) -> None:
    stack.override(DISK_40)
    stack.override("[static_limit]\nstaged = 3")

    result = replay("--json")

    assert f"version 2 of {PARAMETER} is not followed" in result.stderr
    assert sources(printed(result)) == ["web-1", "web-2"]


def test_a_file_is_tried_in_the_stacks_place(stack: Deployed) -> None:
    stack.override(DISK_40)
    Path("higher.toml").write_text(DISK_40.replace("40.0", "96.0"), encoding="utf-8")

    played = printed(replay("--rules", "higher.toml", "--json"))

    assert (played["rules"], played["alerts"]) == ("higher.toml", [])


@pytest.mark.usefixtures("stack")
def test_a_file_is_not_played_for_real() -> None:
    Path("trial.toml").write_text(DISK_40, encoding="utf-8")

    result = replay("--rules", "trial.toml", "--mode", "real", "--yes")

    assert result.exit_code == 2
    assert "--rules is for shadow mode" in result.stderr


def disk(source: str, value: float) -> dict[str, Any]:
    return {
        "event_id": f"{source}-disk",
        "event_type": "system_metric",
        "source": source,
        "metric_name": "disk_usage",
        "value": value,
        "unit": "%",
        "timestamp": (NOON + timedelta(minutes=1)).isoformat(),
    }


def replay(*options: str) -> Result:
    return CliRunner().invoke(main, ["replay", *DAY, "--stack", STACK, *options])


def printed(result: Result) -> Any:  # noqa: ANN401  whatever the command prints
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def sources(played: dict[str, Any]) -> list[str]:
    return sorted(one["dedup_key"].split("#")[1].split("/")[0] for one in played["alerts"])
