"""A traced batch as X-Ray's daemon gets it, and what an untraced one does without."""

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRACE = "1-68cf9f00-0123456789abcdef01234567"
FUNCTION = "53995c3f42cd8ad8"
SAMPLED = f"Root={TRACE};Parent={FUNCTION};Sampled=1"
SECOND_TRACE = "1-68cf9f01-0123456789abcdef01234567"
SECOND = f"Root={SECOND_TRACE};Parent=64aa6d4053de9be9;Sampled=1"
NOT_SAMPLED = "Root=1-68cf9f02-0123456789abcdef01234567;Parent=32ab5d5042cd8ad8;Sampled=0"

Subsegment = Mapping[str, Any]


class Daemon:
    """X-Ray's daemon: a UDP socket on loopback."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)  # noqa: FBT003  the socket's own signature
        host, port = self.socket.getsockname()
        self.address = f"{host}:{port}"

    def subsegments(self) -> list[Subsegment]:
        """Return what has come, children that came inside of their parents beside them."""
        found: list[Subsegment] = []
        try:
            while True:
                _, _, document = self.socket.recv(65_536).partition(b"\n")
                found.extend(_unfolded(json.loads(document)))
        except BlockingIOError:
            return found


def _unfolded(subsegment: dict[str, Any]) -> Iterator[Subsegment]:
    children = subsegment.pop("subsegments", [])
    yield subsegment
    for child in children:
        above = {"parent_id": subsegment["id"], "trace_id": subsegment["trace_id"]}
        yield from _unfolded(above | child)


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    a_daemon = Daemon()
    yield a_daemon
    a_daemon.socket.close()


def run(daemon: Daemon, *headers: str, **environment: str) -> dict[str, Any]:
    """Run the program with a daemon at hand and return what it printed last."""
    given = {
        "ACTIVITIES_TABLE": "activities",
        "METRICS_TABLE": "metrics",
        "TRANSACTIONS_TABLE": "transactions",
        "DETECTOR_STATE_TABLE": "states",
        "ANOMALIES_TABLE": "anomalies",
        "LAKE_BUCKET": "lake",
        "EVENT_STREAM": "stream",
        "EVENT_TTL_DAYS": "30",
        "ACTIVITIES_IN_LAKE_ONLY": "false",
        "ENVIRONMENT": "dev",
        "RULES_PARAMETER": "/streamwarden/rules",
        "BUCKET_OWNER": "123456789012",
        "POWERTOOLS_METRICS_NAMESPACE": "Streamwarden",
        "POWERTOOLS_SERVICE_NAME": "kinesis_events",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "LAMBDA_TASK_ROOT": str(ROOT),
        "AWS_XRAY_DAEMON_ADDRESS": daemon.address,
        "PYTHONPATH": str(ROOT),
        "PATH": os.defpath,
    }
    finished = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("batches.py")), *headers],
        env=given | environment,
        stdout=subprocess.PIPE,  # its errors belong into the test's own output
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return result


def test_the_calls_of_the_write_threads_are_children_of_the_flush(daemon: Daemon) -> None:
    result = run(daemon, SAMPLED)

    subsegments = daemon.subsegments()
    names = {subsegment["id"]: subsegment["name"] for subsegment in subsegments}
    names[FUNCTION] = "invocation"
    calls = Counter(
        (
            names[subsegment["parent_id"]],
            subsegment.get("aws", {}).get("operation", subsegment["name"]),
        )
        for subsegment in subsegments
    )
    assert result["answers"] == [{"batchItemFailures": []}]
    assert {subsegment["trace_id"] for subsegment in subsegments} == {TRACE}
    assert calls == {
        ("invocation", "read"): 2,  # the cursor, then what is cold
        ("read", "GetItem"): 1,  # the cursor
        ("invocation", "ListShards"): 1,  # the parents of a shard that is new
        ("read", "BatchGetItem"): 1,  # sixty cold states
        ("invocation", "flush"): 2,  # phase one, then the states
        ("flush", "BatchWriteItem"): 3 + 3,  # sixty rows, sixty states
        ("flush", "PutObject"): 2,  # the lake, quarantine
        ("invocation", "PutItem"): 1,  # the cursor
        ("invocation", "GetParameter"): 1,  # the rules, once a minute
    }


def test_a_thread_of_the_pool_takes_nothing_of_one_invocation_into_the_next(
    daemon: Daemon,
) -> None:
    run(daemon, SAMPLED, NOT_SAMPLED, SECOND)

    traces = Counter(subsegment["trace_id"] for subsegment in daemon.subsegments())
    assert traces[TRACE] == 17
    assert traces[SECOND_TRACE] == 14  # no rules, no parents, and one read, beside the cursor
    assert set(traces) == {TRACE, SECOND_TRACE}


@pytest.mark.parametrize(
    ("header", "environment"),
    [
        (NOT_SAMPLED, {}),
        (SAMPLED, {"POWERTOOLS_TRACE_DISABLED": "true"}),
    ],
    ids=["not sampled", "switched off"],
)
def test_without_tracing_the_sdk_is_never_loaded(
    daemon: Daemon, header: str, environment: dict[str, str]
) -> None:
    result = run(daemon, header, **environment)

    assert result == {"answers": [{"batchItemFailures": []}], "loaded": [], "before": False}
    assert daemon.subsegments() == []


def test_an_environment_begins_to_trace_with_its_first_sampled_invocation(daemon: Daemon) -> None:
    result = run(daemon, NOT_SAMPLED, SAMPLED)

    assert result["loaded"] == ["aws_xray_sdk"]
    assert {subsegment["trace_id"] for subsegment in daemon.subsegments()} == {TRACE}
