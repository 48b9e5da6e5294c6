"""docs/contracts.md is true: tables, samples and producers are checked against the code."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from moto import mock_aws

from pipeline import events
from pipeline.events import Location, decode, partition_key
from pipeline.records import _MAX_GZIP_MEMBERS

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "contracts.md").read_text()

TABLES: dict[str, type[msgspec.Struct]] = {
    "`user_activity`": events.UserActivity,
    "`system_metric`": events.SystemMetric,
    "`transaction`": events.Transaction,
    "`fraud_report`": events.FraudReport,
    "A place": Location,
}


def section(title: str) -> str:
    return re.split(r"^#+ ", TEXT.split(f" {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("title", "kind"), TABLES.items())
def test_each_type_and_its_table_have_the_same_fields_in_the_same_order(
    title: str, kind: type[msgspec.Struct]
) -> None:
    fields = [(field.name, field.required) for field in msgspec.structs.fields(kind)]
    if kind is not Location:
        fields.insert(0, ("event_type", True))

    rows = re.findall(r"^\| `(\w+)` \| (yes|) ?\|", section(title), re.MULTILINE)

    assert [(name, needed == "yes") for name, needed in rows] == fields


def test_every_event_type_has_a_table() -> None:
    tags = {f"`{kind.__struct_config__.tag}`" for kind in events.Event.__args__}

    assert tags == TABLES.keys() - {"A place"}


@pytest.mark.parametrize("title", [title for title in TABLES if title != "A place"])
def test_each_type_names_its_partition_key_and_has_a_sample_that_decodes(title: str) -> None:
    (sample,) = re.findall(r"```json\n(.*?)```", section(title), re.DOTALL)
    (key,) = re.findall(r"^Partition key: `(\w+)`\.$", section(title), re.MULTILINE)

    event = decode(sample.encode())

    assert f"`{event.__struct_config__.tag}`" == title
    assert partition_key(event) == json.loads(sample)[key]


@pytest.mark.parametrize(
    ("row", "limit"),
    [
        ("| An event, after decompression | 256 KiB |", events.MAX_PAYLOAD_BYTES / 1024),
        ("| `details`, as JSON text | 32 KiB |", events.MAX_DETAILS_BYTES / 1024),
        ("| Members of one gzip payload | 16 |", _MAX_GZIP_MEMBERS),
        (
            "| Latest `timestamp` | 1 hour after the arrival of its record |",
            events.MAX_LEAD_S / 3600,
        ),
        (
            "| Earliest `timestamp` | 400 days before the arrival of its record |",
            events.MAX_LAG_S / 86_400,
        ),
    ],
)
def test_each_limit_of_the_table_is_the_one_of_the_code(row: str, limit: float) -> None:
    (figure,) = re.findall(r"\| (\d+)[^|]*\|$", row)

    assert row in TEXT
    assert int(figure) == limit


def stored_records(client: Any, stream: str) -> list[dict[str, Any]]:  # noqa: ANN401  the client of a service
    shard = client.list_shards(StreamName=stream)["Shards"][0]["ShardId"]
    iterator = client.get_shard_iterator(
        StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records: list[dict[str, Any]] = client.get_records(ShardIterator=iterator)["Records"]
    return records


def test_the_python_producer_puts_an_event_that_decodes_under_its_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    (program,) = blocks("python")

    with mock_aws():
        client = boto3.client("kinesis")
        client.create_stream(StreamName="events", ShardCount=1)
        exec(compile(program, "docs/contracts.md", "exec"), {"__name__": "producer"})
        records = stored_records(client, "events")

    assert len(records) == 1
    event = decode(records[0]["Data"])
    assert isinstance(event, events.SystemMetric)
    assert (event.value, records[0]["PartitionKey"]) == (42.5, "web-17")


def test_the_event_of_the_node_producer_decodes_and_goes_under_its_key() -> None:
    (program,) = blocks("javascript")
    (literal,) = re.findall(r"const event = (\{.*?\n\});", program, re.DOTALL)
    stamped = literal.replace("randomUUID()", '"e-1"').replace(
        "new Date().toISOString()", '"2026-01-31T12:00:00.000Z"'
    )

    text = re.sub(r"^ +(\w+):", r'"\1":', stamped, flags=re.MULTILINE).replace(",\n}", "\n}")
    event = decode(text.encode())

    assert isinstance(event, events.Transaction)
    assert "PartitionKey: event.user_id," in program


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_node_reads_the_program_of_the_node_producer() -> None:
    (program,) = blocks("javascript")

    checked = subprocess.run(
        ["node", "--check", "--input-type=module", "-"],
        input=program,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_shell_command_puts_an_event_that_decodes_under_its_key() -> None:
    (command,) = blocks("sh")

    printed = subprocess.run(
        ["sh", "-c", f"aws() {{ for word; do printf '%s\\0' \"$word\"; done; cat; }}\n{command}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    *words, standard_input = printed.split("\0")
    options = dict(zip(words[2::2], words[3::2], strict=True))

    event = decode(standard_input.encode())
    assert words[:2] == ["kinesis", "put-record"]
    assert isinstance(event, events.SystemMetric)
    assert options["--partition-key"] == "web-17" == event.source
    assert options["--data"] == "fileb:///dev/stdin"  # either version of the CLI takes it as it is
