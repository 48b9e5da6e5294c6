"""`streamwarden demo --faults` as a user runs it: everything still adds up."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
STREAMWARDEN = Path(sys.executable).with_name("streamwarden")


def _demo(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "COV_"))
    }
    return subprocess.run(
        [STREAMWARDEN, "demo", "--template", ROOT / "template.yaml", *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_ledger_balances_and_each_incident_has_one_alert_id_under_faults(
    tmp_path: Path,
) -> None:
    run = _demo(tmp_path, "--records", "1300", "--seed", "11", "--faults", "3,0.05")

    table = run.stdout.partition("Injected faults")[2].partition("second time")[0]
    assert run.returncode == 0, run.stdout + run.stderr
    assert "The ledger balances; each of 11 planted incidents has exactly one alert" in run.stdout
    assert "skewed clock" in table
    assert any(kind in table for kind in ("answer lost", "crash", "throttled", "timeout"))


def test_a_plan_that_cannot_be_read_is_refused_before_anything_starts(tmp_path: Path) -> None:
    run = _demo(tmp_path, "--faults", "often")

    assert run.returncode == 2
    assert "Invalid value for '--faults': 'often' is not a whole number" in run.stderr
    assert not (tmp_path / ".streamwarden").exists()
