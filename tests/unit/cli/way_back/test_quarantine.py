import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner, Result

from pipeline.cli.way_back.quarantine import quarantine
from pipeline.flows.events.intake import take_in
from pipeline.flows.events.lake import quarantine_objects
from pipeline.records import KinesisRecord
from tests.unit.cli.stacks import STACK, Deployed, deployed

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC).timestamp()
SHARD = "shardId-000000000000"
BROKEN = b'{"event_type":"system_metric","value":"h\xc3\xb6ch","ip":"203.0.113.7"}'
ALL = ("--since", "2026-01-01")


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with deployed() as stack:
        yield stack


def _record(number: int, data: bytes, hours: float = 0) -> KinesisRecord:
    return KinesisRecord(SHARD, number, "ada@example.org", NOON + hours * 3600, data)


def _refuse(stack: Deployed, *batch: KinesisRecord) -> None:
    """Set a batch's refused records aside as the event flow does."""
    for item in quarantine_objects(take_in(batch).refused, batch):
        stack.s3.put_object(Bucket="lake", Key=item.key, Body=item.body)


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(quarantine, [*arguments, "--stack", STACK])


def test_objects_are_listed_the_newest_first(stack: Deployed) -> None:
    _refuse(stack, _record(7, b"{"), _record(8, BROKEN))
    _refuse(stack, _record(9, b"{", hours=2))

    result = _run("list", *ALL, "--json")

    listed = json.loads(result.stdout)
    assert result.exit_code == 0
    assert [(one["records"], one["record_ids"]) for one in listed] == [
        (1, [f"{SHARD}:9"]),
        (2, [f"{SHARD}:7", f"{SHARD}:8"]),
    ]
    assert listed[0]["key"] == f"quarantine/dt=2026-03-01/hour=14/{SHARD}-9.jsonl.gz"
    assert listed[0]["first_arrived_at"] == "2026-03-01T14:00:00.000000Z"


def test_the_table_has_times_counts_and_a_record_to_begin_with(stack: Deployed) -> None:
    _refuse(stack, _record(7, b"{"), _record(8, BROKEN))

    result = _run("list", *ALL)

    (line,) = [line.split() for line in result.stdout.splitlines() if SHARD in line]
    assert line[:4] == ["2026-03-01", "12:00:00", "12:00:00", "2"]
    assert line[-1] == f"{SHARD}:7"


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (("--since", "2026-03-01T13:30"), ["11", "9"]),
        (("--since", "2026-03-01", "--until", "2026-03-01T13:59"), ["9", "7"]),
        (("--since", "2026-03-01", "--limit", "1"), ["11"]),
    ],
)
def test_hours_of_arrival_and_a_limit_choose_among_them(
    stack: Deployed, options: tuple[str, ...], numbers: list[str]
) -> None:
    _refuse(stack, _record(7, b"{"))
    _refuse(stack, _record(9, b"{", hours=1))
    _refuse(stack, _record(11, b"{", hours=2))

    result = _run("list", *options, "--json")

    found = [one["record_ids"][0].partition(":")[2] for one in json.loads(result.stdout)]
    assert found == numbers


@pytest.mark.parametrize("command", ["list", "explain"])
@pytest.mark.usefixtures("stack")
def test_an_empty_quarantine_is_exit_code_1_and_an_empty_list(command: str) -> None:
    result = _run(command, "--json")

    assert (result.exit_code, result.stdout) == (1, "[]\n")
    assert result.stderr == "nothing was refused in this time\n"


def test_faults_are_explained_with_counts_and_samples(stack: Deployed) -> None:
    _refuse(stack, _record(7, b"{"), _record(8, BROKEN), _record(9, BROKEN))

    result = _run("explain", *ALL, "--json")

    groups = json.loads(result.stdout)
    assert [(one["count"], one["event_type"], one["path"]) for one in groups] == [
        (2, "system_metric", "$.value"),
        (1, "(not JSON)", "$"),
    ]
    assert groups[0]["samples"] == [
        {"record_id": f"{SHARD}:8", "reason": "Expected `float`, got `str`"},
        {"record_id": f"{SHARD}:9", "reason": "Expected `float`, got `str`"},
    ]


def test_the_explanation_is_a_table_with_records_to_look_at(stack: Deployed) -> None:
    _refuse(stack, _record(8, BROKEN), _record(9, BROKEN))

    lines = [" ".join(line.split()) for line in _run("explain", *ALL).stdout.splitlines()]

    assert f"1 {SHARD}:8 Expected `float`, got `str`" in lines
    assert any(line.startswith("1 2 system_metric $.value Expected `float`,") for line in lines)


def test_a_record_is_shown_with_its_bytes_and_its_place(stack: Deployed) -> None:
    _refuse(stack, _record(7, b"{"), _record(8, BROKEN))

    result = _run("show", f"{SHARD}:8")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[:9] == [
        f"record id:       {SHARD}:8",
        "reason:          Expected `float`, got `str`",
        "path:            $.value",
        "event type:      system_metric",
        "arrived:         2026-03-01 12:00:00 UTC",
        f"shard:           {SHARD}",
        "sequence number: 8",
        "partition key:   [e-mail]",
        f"object:          s3://lake/quarantine/dt=2026-03-01/hour=12/{SHARD}-7.jsonl.gz",
    ]
    assert result.stdout.splitlines()[-1] == BROKEN.decode()


def test_a_compressed_record_is_shown_unpacked(stack: Deployed) -> None:
    _refuse(stack, _record(8, gzip.compress(BROKEN, mtime=0)))

    lines = _run("show", f"{SHARD}:8").stdout.splitlines()

    assert any(line.endswith(" bytes, unpacked to 65") for line in lines)
    assert lines[-1] == BROKEN.decode()


def test_raw_writes_the_very_bytes(stack: Deployed) -> None:
    _refuse(stack, _record(8, b"\xff\x00\x1b"))

    result = _run("show", "--raw", f"{SHARD}:8")

    assert result.stdout_bytes == b"\xff\x00\x1b"


def test_the_fetch_command_names_object_and_record(stack: Deployed) -> None:
    _refuse(stack, _record(7, b"{"), _record(8, BROKEN))

    shown = json.loads(_run("show", "--json", f"{SHARD}:8").stdout)

    assert shown["fetch"] == (
        f"aws s3 cp s3://lake/quarantine/dt=2026-03-01/hour=12/{SHARD}-7.jsonl.gz - | gunzip | "
        f"""jq -r 'select(.record_id == "{SHARD}:8").data' | base64 --decode"""
    )


def test_a_record_is_found_among_the_batches_of_its_shard(stack: Deployed) -> None:
    _refuse(stack, _record(3, b"["))
    _refuse(stack, _record(7, b"{"), _record(12, BROKEN))
    _refuse(stack, _record(9, b"{"))  # a portion of the batch before, come again

    result = _run("show", "--json", f"{SHARD}:12")

    assert json.loads(result.stdout)["object"].endswith("-7.jsonl.gz")


@pytest.mark.parametrize("record_id", [f"{SHARD}:8", "shardId-000000000001:7", "nonsense", "a:b"])
def test_an_unknown_record_is_exit_code_1(stack: Deployed, record_id: str) -> None:
    _refuse(stack, _record(7, b"{"))

    result = _run("show", record_id)

    assert result.exit_code == 1
    assert result.stderr == f"quarantine has no record {record_id}\n"


def test_a_damaged_object_is_exit_code_3_and_named(stack: Deployed) -> None:
    key = f"quarantine/dt=2026-03-01/hour=12/{SHARD}-7.jsonl.gz"
    stack.s3.put_object(Bucket="lake", Key=key, Body=b"no gzip")

    result = _run("list", *ALL)

    assert result.exit_code == 3
    assert f"s3://lake/{key} is damaged" in result.stderr


def test_personal_data_is_masked_unless_a_record_is_shown(stack: Deployed) -> None:
    _refuse(stack, _record(7, b"{"), _record(8, BROKEN))

    shown = "".join(
        _run(command, *ALL, *form).stdout
        for command in ("list", "explain")
        for form in ((), ("--json",))
    )

    assert SHARD in shown
    assert "ada" not in shown
    assert "203.0" not in shown
