"""The producing commands as a user runs them, each in a process of its own, onto moto."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.events import decode, partition_key
from pipeline.local.endpoint import Endpoint

STREAMWARDEN = Path(sys.executable).with_name("streamwarden")
STREAM = "producers"


@pytest.fixture
def environment(endpoint: Endpoint) -> Iterator[dict[str, str]]:
    """What leads a command to a stream of its own."""
    kinesis = endpoint.client("kinesis")
    kinesis.create_stream(StreamName=STREAM, ShardCount=1)
    plain = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    yield {**plain, **endpoint.environment(), "STREAMWARDEN_STREAM": STREAM}
    kinesis.delete_stream(StreamName=STREAM)


def _records(endpoint: Endpoint) -> list[dict[str, Any]]:
    kinesis = endpoint.client("kinesis")
    shard = kinesis.list_shards(StreamName=STREAM)["Shards"][0]["ShardId"]
    iterator = kinesis.get_shard_iterator(
        StreamName=STREAM, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    found: list[dict[str, Any]] = []
    while page := kinesis.get_records(ShardIterator=iterator, Limit=10_000):
        found += page["Records"]
        if not page["Records"]:
            return found
        iterator = page["NextShardIterator"]
    return found


def _run(
    environment: dict[str, str], *arguments: str, text: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [STREAMWARDEN, *arguments],
        env=environment,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


def _metric(**fields: object) -> str:
    now = datetime.now(UTC).isoformat()  # noqa: TID251  the command refuses another time
    known = {"event_type": "system_metric", "metric_name": "queue_depth", "source": "web-1"}
    return json.dumps({**known, "value": 3.0, "timestamp": now, **fields})


def test_what_traffic_writes_is_put_whole_in_its_order_and_under_the_keys_of_the_contract(
    endpoint: Endpoint, environment: dict[str, str]
) -> None:
    made = _run(environment, "traffic", "--records", "1300")

    put = _run(environment, "put", "-", text=made.stdout)

    records = _records(endpoint)
    assert put.returncode == 0, put.stderr
    assert put.stdout.startswith("put 1300 events (")
    assert [record["Data"].decode() for record in records] == made.stdout.splitlines()
    assert all(
        record["PartitionKey"] == partition_key(decode(record["Data"])) for record in records
    )


def test_traffic_puts_the_same_by_itself_and_lists_its_incidents(
    endpoint: Endpoint, environment: dict[str, str]
) -> None:
    run = _run(environment, "traffic", "--records", "1300", "--put", "--json")

    incidents = [json.loads(line)["dedup_key"] for line in run.stdout.splitlines()]
    assert run.returncode == 0, run.stderr
    assert len(incidents) == 11
    assert "static_limit#web-7/cpu_usage" in incidents
    assert len(_records(endpoint)) == 1300


def test_bad_lines_are_reported_and_the_good_ones_put(
    endpoint: Endpoint, environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(f"{_metric(event_id='e-1')}\n\n{_metric(value='hot')}\n{_metric()}\noops\n")

    run = _run(environment, "put", str(file))

    events = [decode(record["Data"]) for record in _records(endpoint)]
    assert run.returncode == 1
    assert run.stderr.splitlines() == [
        "line 3: $.value: Expected `float`, got `str`",
        "line 5: $: not JSON: invalid character (byte 0)",
    ]
    assert run.stdout == "put 2 events (2 system_metric), refused 2 lines\n"
    assert events[0].event_id == "e-1"
    assert len(str(events[1].event_id)) == 32


def test_a_file_put_again_is_the_same_events(
    endpoint: Endpoint, environment: dict[str, str]
) -> None:
    text = _metric()

    runs = [_run(environment, "put", "-", text=text) for _ in range(2)]

    first, second = (record["Data"] for record in _records(endpoint))
    assert [run.returncode for run in runs] == [0, 0]
    assert first == second


def test_a_stream_that_is_not_there_ends_in_plain_words(environment: dict[str, str]) -> None:
    run = _run(environment, "put", "-", "--stream", "nowhere", text=_metric())

    assert run.returncode == 3
    assert "cannot put on nowhere" in run.stderr
    assert "ResourceNotFoundException" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_host_puts_so_many_samples(endpoint: Endpoint, environment: dict[str, str]) -> None:
    run = _run(environment, "host", "--count", "2", "--interval", "1", "--source", "laptop")

    records = _records(endpoint)
    assert run.returncode == 0, run.stderr
    assert len(run.stdout.splitlines()) == 2
    assert run.stderr == "put 8 events (8 system_metric) of laptop\n"
    assert {record["PartitionKey"] for record in records} == {"laptop"}
    assert len(records) == 8


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_host_ends_cleanly_when_it_is_stopped(
    environment: dict[str, str], number: signal.Signals
) -> None:
    with subprocess.Popen(
        [STREAMWARDEN, "host", "--interval", "1", "--source", "laptop"],
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        first = process.stdout.readline()
        process.send_signal(number)
        told = process.stderr.read()

    assert "cpu_usage" in first
    assert process.returncode == 0
    assert "of laptop" in told
    assert "Traceback" not in told
