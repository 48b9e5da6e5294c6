import io
import json
from datetime import UTC, datetime
from pathlib import Path

from click.testing import CliRunner
from rich.console import Console

from pipeline.cli.producers.lines import Refused
from pipeline.cli.producers.put import CheckedLines, put, refusal_printer

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
METRIC = (
    b'{"event_type":"system_metric","metric_name":"cpu_usage","value":42.5,'
    b'"timestamp":"2026-11-21T09:29:00Z","source":"web-1"}'
)


def test_good_lines_become_records_and_bad_ones_are_shown() -> None:
    refused: list[Refused] = []
    file = io.BytesIO(METRIC + b"\n{}\n" + METRIC + b"\n")
    lines = CheckedLines(file, lambda: NOW, refused.append)

    keys = [record.partition_key for record in lines]

    assert keys == ["web-1", "web-1"]
    assert (lines.accepted, lines.refused) == (2, 1)
    assert [(one.line, one.path) for one in refused] == [(2, "$")]


def test_a_refusal_is_one_line_on_the_console_however_long() -> None:
    output = io.StringIO()
    show = refusal_printer(Console(file=output, width=40), as_json=False)

    show(Refused(12, "$.value", "Expected `float`, [got] `str` " + "x" * 60))

    assert output.getvalue() == "line 12: $.value: Expected `float`, [got] `str` " + "x" * 60 + "\n"


def test_a_dry_run_needs_no_stream(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"{}\n[]\n")

    result = CliRunner().invoke(put, [str(file), "--dry-run"])

    assert result.exit_code == 1
    assert result.stdout == "would put 0 events, refused 2 lines\n"
    assert result.stderr.splitlines() == [
        "line 1: $: Object missing required field `event_type`",
        "line 2: $: Expected `object`, got `array`",
    ]


def test_refusals_and_summary_are_json_when_asked_for() -> None:
    result = CliRunner().invoke(put, ["-", "--dry-run", "--json"], input=b"[]\n")

    assert result.exit_code == 1
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"line": 1, "path": "$", "reason": "Expected `object`, got `array`"},
        {"put": 0, "accepted": 0, "refused": 1, "by_type": {}, "failure": ""},
    ]


def test_an_empty_file_is_no_fault() -> None:
    result = CliRunner().invoke(put, ["-", "--dry-run"], input=b"")

    assert result.exit_code == 0


def test_a_file_that_is_not_there_is_a_wrong_usage() -> None:
    result = CliRunner().invoke(put, ["nowhere.jsonl"])

    assert result.exit_code == 2
    assert "nowhere.jsonl" in result.stderr
