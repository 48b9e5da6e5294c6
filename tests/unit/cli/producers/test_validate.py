import io
import json
from datetime import UTC, datetime

from click.testing import CliRunner
from rich.console import Console

from pipeline.cli.producers.lines import Refused, check_lines
from pipeline.cli.producers.validate import as_document, summarize, summary_table, validate

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
LINES = b"""\
{"event_type":"system_metric","metric_name":"cpu","value":1,"timestamp":"2026-11-21T09:02:00Z","source":"a"}
{"event_type":"system_metric","metric_name":"cpu","value":2,"timestamp":"2026-11-21T09:01:00Z","source":"a"}
{"event_type":"user_activity","user_id":"u","activity_type":"view","timestamp":"2026-11-21T09:03:00Z"}
{"event_type":"heartbeat"}
"""


def test_lines_are_summed_up_by_event_type() -> None:
    refused: list[Refused] = []

    summary = summarize(check_lines(io.BytesIO(LINES), lambda: NOW), refused.append)

    assert as_document(summary) == {
        "accepted": 3,
        "refused": 1,
        "by_type": {
            "system_metric": {
                "lines": 2,
                "earliest": "2026-11-21T09:01:00+00:00",
                "latest": "2026-11-21T09:02:00+00:00",
            },
            "user_activity": {
                "lines": 1,
                "earliest": "2026-11-21T09:03:00+00:00",
                "latest": "2026-11-21T09:03:00+00:00",
            },
        },
    }
    assert [(one.line, one.path) for one in refused] == [(4, "$.event_type")]


def test_the_table_has_a_row_per_type_and_the_sums() -> None:
    summary = summarize(check_lines(io.BytesIO(LINES), lambda: NOW), lambda _: None)
    console = Console(width=100, file=io.StringIO(), record=True)

    console.print(summary_table(summary))

    rows = [line.split() for line in console.export_text().splitlines()]
    assert ["system_metric", "2", *["2026-11-21", "09:01:00", "2026-11-21", "09:02:00"]] in rows
    assert ["accepted", "3"] in rows
    assert ["refused", "1"] in rows


def test_the_exit_code_says_whether_all_lines_are_good() -> None:
    good = CliRunner().invoke(validate, ["-"], input=b"\n")
    bad = CliRunner().invoke(validate, ["-", "--json"], input=b'{"event_type":"heartbeat"}\n')

    assert good.exit_code == 0
    assert bad.exit_code == 1
    assert json.loads(bad.stdout.splitlines()[0])["path"] == "$.event_type"
    assert json.loads(bad.stdout.splitlines()[1]) == {"accepted": 0, "refused": 1, "by_type": {}}
