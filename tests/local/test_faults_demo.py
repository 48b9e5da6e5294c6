"""`streamwarden demo --faults` as a user runs it: everything still adds up."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PLAN = "2071,0.04"
"""Ends event consumers in mid-invocation and lets the alert consumer live: the lease of a publisher
that dies keeps its page back for a minute."""
STREAMWARDEN = Path(sys.executable).with_name("streamwarden")


def _demo(
    directory: Path, *arguments: str, endpoint_url: str = ""
) -> subprocess.CompletedProcess[str]:
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "COV_"))
    }
    return subprocess.run(
        [STREAMWARDEN, "demo", "--template", ROOT / "template.yaml", *arguments],
        cwd=directory,
        env=environment | {"AWS_ENDPOINT_URL": endpoint_url},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(300)  # under other seeds, a page may wait for the lease of a dead publisher
def test_the_ledger_balances_and_each_incident_has_one_alert_id_under_faults(
    tmp_path: Path,
) -> None:
    run = _demo(tmp_path, "--records", "1400", "--seed", "11", "--faults", PLAN)

    table = run.stdout.partition("Injected faults")[2].partition("second time")[0]
    assert run.returncode == 0, run.stdout + run.stderr
    assert "The ledgers balance; each of 74 planted incidents has exactly one alert" in run.stdout
    assert re.search(r"KinesisEventsFunction +invocation +skewed clock", table)
    assert re.search(r"KinesisEventsFunction +invocation +(crash|timeout)", table)
    assert re.search(r"Function +dynamodb +(failed|reply lost|slow|throttled|unprocessed)", table)


def test_faults_need_the_runs_own_endpoint(tmp_path: Path) -> None:
    run = _demo(tmp_path, "--faults", "3", endpoint_url="http://127.0.0.1:9")

    assert run.returncode == 1
    assert "Error: only the local run's own endpoint fails on purpose" in run.stderr


def test_a_plan_that_cannot_be_read_is_refused_before_anything_starts(tmp_path: Path) -> None:
    run = _demo(tmp_path, "--faults", "often")

    assert run.returncode == 2
    assert "Invalid value for '--faults': 'often' is not a whole number" in run.stderr
    assert not (tmp_path / ".streamwarden").exists()
