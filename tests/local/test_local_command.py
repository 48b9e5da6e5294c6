"""`streamwarden local` as a user has it: up in one terminal, the AWS CLI in another, Ctrl-C."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from pipeline.cli.main import main
from pipeline.cli.stack import STACK_FILE

LIST_STREAMS = "import boto3; print(*boto3.client('kinesis').list_streams()['StreamNames'])"
ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    environment["PATH"] = os.defpath  # where streamwarden is not
    with subprocess.Popen(
        [
            *(BIN / "streamwarden", "local", "--template", ROOT / "template.yaml"),
            *("--parameter", "Environment=staging"),
        ],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield process
        if process.poll() is None:
            process.terminate()


def _read_until(terminal: subprocess.Popen[str], text: str) -> str:
    """Return what the terminal shows up to the line with the text, which must come."""
    assert terminal.stdout
    shown = ""
    for line in terminal.stdout:
        shown += line
        if text in line:
            return shown
    raise AssertionError(f"the run ended without {text!r}:\n{shown}")


def test_a_record_of_another_terminal_is_paged_and_ctrl_c_leaves_nothing_behind(
    terminal: subprocess.Popen[str], tmp_path: Path
) -> None:
    usage = _read_until(terminal, "Ctrl-C ends the run")
    exports = dict(re.findall(r"^export (\w+)=(.*)$", usage, re.MULTILINE))
    (stream,) = re.findall(r"--stream-name (\S+)", usage)
    now = datetime.now(UTC).isoformat()  # noqa: TID251  the stream refuses a future
    event = {
        "event_type": "system_metric",
        "source": "web-7",
        "metric_name": "disk_usage",
        "value": 95.2,
        "unit": "%",
        "timestamp": now,
    }

    subprocess.run(
        [
            *(BIN / "aws", "kinesis", "put-record", "--stream-name", stream),
            *("--partition-key", "web-7", "--data", "fileb:///dev/stdin"),
        ],
        input=json.dumps(event).encode(),
        env={**os.environ, **exports},
        capture_output=True,
        check=True,
    )
    page = _read_until(terminal, "Alert id:")
    streams = subprocess.run(
        [sys.executable, "-c", LIST_STREAMS],
        env={**os.environ, **exports},
        capture_output=True,
        text=True,
        check=True,
    )
    was_published = (tmp_path / STACK_FILE).exists()
    children = psutil.Process(terminal.pid).children(recursive=True)
    terminal.send_signal(signal.SIGINT)
    exit_code = terminal.wait(timeout=60)

    assert "[FIRING:1][HIGH] disk_usage 95.2% > 90% on web-7 (staging)" in page
    assert streams.stdout.split() == [stream]
    assert exit_code == 0
    assert re.search(r"^\. \S+/bin/activate$", usage, re.MULTILINE)
    assert was_published
    assert not (tmp_path / STACK_FILE).exists()
    assert len(children) >= 3  # the server and a worker of each function
    assert psutil.wait_procs(children, timeout=60)[1] == []


def test_a_parameter_needs_its_name_and_a_value() -> None:
    told = CliRunner().invoke(main, ["local", "--parameter", "Environment"])

    assert told.exit_code == 2
    assert "Invalid value for '--parameter': 'Environment' is not NAME=VALUE" in told.output
