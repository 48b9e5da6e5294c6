"""`streamwarden demo` as a user runs it, in a process of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
STREAMWARDEN = Path(sys.executable).with_name("streamwarden")

INCIDENTS = 22
"""Rows of the table: each storm has one."""


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


def _found(output: str) -> int:
    """Count the incidents with one alert, told by itself or with others."""
    table = output.partition("Planted incidents")[2].partition("Kinesis records")[0]
    return len(re.findall(r"\b(?:once|with others)\s*$", table, re.MULTILINE))


@pytest.mark.timeout(300)  # a deployment, all sources, and the schedules of four nights
def test_the_demo_balances_and_finds_each_incident(tmp_path: Path) -> None:
    run = _demo(tmp_path, "--records", "1400", "--seed", "11")

    assert run.returncode == 0, run.stdout + run.stderr
    assert "The ledgers balance; each of 74 planted incidents has exactly one alert" in run.stdout
    assert _found(run.stdout) == INCIDENTS
    assert "a day unlike the ten" in run.stdout
    for what in ("a first page", "an update", "a digest", "a resolve"):
        assert f"{what}, as OnCallTopic delivers it" in run.stdout


def test_too_few_records_are_refused_before_anything_starts(tmp_path: Path) -> None:
    run = _demo(tmp_path, "--records", "12")

    assert run.returncode == 2
    assert "12 is not in the range x>=1400" in run.stderr
    assert not (tmp_path / ".streamwarden").exists()


def test_an_endpoint_that_does_not_answer_ends_in_plain_words(tmp_path: Path) -> None:
    run = _demo(tmp_path, endpoint_url="http://127.0.0.1:9")

    assert run.returncode == 1
    assert "Error: http://127.0.0.1:9 does not answer" in run.stderr
    assert "Traceback" not in run.stderr


def test_the_demo_fails_and_says_why_when_no_alert_comes(tmp_path: Path) -> None:
    text = (ROOT / "template.yaml").read_text()
    deaf = text.replace('"INSERT"', '"REMOVE"').replace("CodeUri: .", f"CodeUri: {ROOT}")
    (tmp_path / "template.yaml").write_text(deaf)

    run = _demo(tmp_path, "--records", "1400", "--template", "template.yaml")

    assert deaf.count('"REMOVE"') == 1
    assert run.returncode == 1
    assert "wrong: web-7: CPU at 97 % (static_limit#web-7/cpu_usage): no alert" in run.stdout
    assert "The ledgers balance" not in run.stdout
