"""The reading commands against the local run, found by the file that it leaves in its directory."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipeline.cli.main import main
from pipeline.cli.stack import published
from pipeline.local.run import LocalRun

ROOT = Path(__file__).resolve().parent.parent.parent
POISON = b'{"event_type":"system_metric","source":"web-7","value":"high"}'


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    """Return a run that has processed one alarming metric and two records of poison."""
    directory = tmp_path_factory.mktemp("run")
    home = Path.cwd()
    os.chdir(directory)
    try:
        with (
            LocalRun(ROOT / "template.yaml", directory=directory) as run,
            published(run, "streamwarden-local"),
        ):
            _put(run)
            run.wait_until_drained(timeout_s=60)
            yield run
    finally:
        os.chdir(home)


def _put(run: LocalRun) -> None:
    metric = {
        "event_type": "system_metric",
        "source": "web-7",
        "metric_name": "disk_usage",
        "value": 95.2,
        "unit": "%",
        "timestamp": datetime.now(UTC).isoformat(),  # noqa: TID251  the stream refuses a future
    }
    for data in (json.dumps(metric).encode(), POISON, POISON):
        run.endpoint.client("kinesis").put_record(
            StreamName=run.deployment.outputs["EventStreamName"], PartitionKey="web-7", Data=data
        )


def _command(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def _read(*arguments: str) -> Any:  # noqa: ANN401  whatever the command prints
    result = _command(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.usefixtures("run")
def test_the_alert_is_listed_and_shown_as_its_page() -> None:
    (listed,) = [one for one in _read("alerts", "list") if one["rule_id"] == "static_limit"]

    shown = _read("alerts", "show", listed["alert_id"][:8])

    assert (listed["status"], listed["severity"]) == ("firing", "high")
    assert shown["page"]["subject"] == "[FIRING:1][HIGH] disk_usage 95.2% > 90% on web-7 (dev)"
    assert f"Alert id:     {listed['alert_id']}" in shown["page"]["text"]
    assert [one["reason"] for one in shown["deliveries"]] == ["first", "first"]
    assert [fact["observed"] for fact in shown["facts"]] == [95.2]


@pytest.mark.usefixtures("run")
def test_an_alert_is_taken_over_and_found_by_its_rule_and_subject() -> None:
    chosen = ("--rule", "static_limit", "--subject", "web-7/disk_usage", "--status", "firing")
    (listed,) = _read("alerts", "list", *chosen)

    result = _command("alerts", "ack", listed["alert_id"][:8], "--by", "ada", "--note", "on it")

    assert result.exit_code == 0, result.output
    assert [one["acknowledged_by"] for one in _read("alerts", "list", *chosen)] == ["ada"]
    assert "taken over by ada" in _command("alerts", "show", listed["alert_id"]).stdout


@pytest.mark.usefixtures("run")
def test_the_tail_begins_with_what_fires() -> None:
    result = _command("alerts", "tail", "--for", "1s", "--every", "0.5", "--rule", "static_limit")

    assert result.exit_code == 0, result.output
    assert "firing            high" in result.stdout


@pytest.mark.usefixtures("run")
def test_a_silence_tells_what_it_would_have_hidden_and_is_removed() -> None:
    why = ("--for", "2h", "--reason", "disk is being grown", "--owner", "ada")

    added = _read("silence", "add", "--source", "web-7", *why)
    listed = _read("silence", "list")
    removed = _command("silence", "remove", added["silence_id"])

    assert added["would_have_hidden"]["notifications"] == 1
    assert [(one["silence_id"], one["state"]) for one in listed] == [(added["silence_id"], "holds")]
    assert removed.exit_code == 0, removed.output


@pytest.mark.usefixtures("run")
def test_a_test_page_and_its_resolve_reach_both_topics() -> None:
    traced = _read("page-test", "--severity", "high", "--timeout", "60")

    reached = [(hop["part"], hop["place"]) for hop in traced["hops"]]
    assert traced["arrived"]
    assert reached[-1] == ("resolve", "OnCallTopic")
    assert ("page", "OnCallTopic") in reached
    assert _read("alerts", "list", "--rule", "page_test")[0]["status"] == "resolved"


@pytest.mark.usefixtures("run")
def test_poison_is_listed_explained_and_shown() -> None:
    objects = _read("quarantine", "list")
    (group,) = _read("quarantine", "explain")

    shown = _command("quarantine", "show", "--raw", group["samples"][1]["record_id"])

    assert sum(one["records"] for one in objects) == 2
    assert (group["count"], group["event_type"], group["path"]) == (2, "system_metric", "$.value")
    assert shown.stdout_bytes == POISON


@pytest.mark.skipif(shutil.which("jq") is None, reason="the printed command needs jq")
def test_the_printed_command_fetches_the_very_bytes(run: LocalRun) -> None:
    (group,) = _read("quarantine", "explain")
    record_id = group["samples"][0]["record_id"]
    shown = _command("quarantine", "show", record_id).stdout
    (command,) = re.findall(r"^fetch: +(.*)$", shown, re.MULTILINE)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    fetched = subprocess.run(
        command,
        shell=True,
        check=True,
        env={**os.environ, **run.endpoint.environment(), "PATH": path},
        capture_output=True,
    )

    assert fetched.stdout == POISON


def test_a_schedule_is_fired_with_the_time_that_was_asked_for(run: LocalRun) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)  # noqa: TID251  what has arrived is then closed

    result = _command("fire", "ScheduleAnalyticsFunctionHourly", "--at", at.isoformat())
    run.wait_until_drained(timeout_s=60)

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("asked ScheduleAnalyticsFunctionHourly to fire with the time ")
    table = run.deployment.physical_ids["AnalyticsJobsTable"]
    jobs = run.endpoint.client("dynamodb").scan(TableName=table)["Items"]
    assert {(job["query"]["S"], job["status"]["S"]) for job in jobs} == {
        ("compaction", "SUCCEEDED")
    }
    assert {job["scheduled_at"]["S"][:19] for job in jobs} == {f"{at:%Y-%m-%dT%H:%M:%S}"}


@pytest.mark.usefixtures("run")
def test_an_unknown_schedule_is_refused_with_those_that_there_are() -> None:
    result = _command("fire", "Nightly")

    assert result.exit_code == 2
    assert "the local run has no schedule Nightly; it has " in result.stderr
    assert "ScheduleAnalyticsFunctionDaily, ScheduleAnalyticsFunctionHourly" in result.stderr


@pytest.mark.usefixtures("run")
def test_nothing_of_a_kind_is_exit_code_1() -> None:
    result = _command("alerts", "list", "--rule", "kpi_drift")

    assert (result.exit_code, result.stderr) == (1, "no alert matches\n")
