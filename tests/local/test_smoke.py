"""The smoke test through a local run: all arrives, and what nobody was told of is taken away."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from pipeline.cli.main import main
from pipeline.local.run import LocalRun

ROOT = Path(__file__).resolve().parent.parent.parent


def _smoke(*options: str) -> Result:
    return CliRunner().invoke(main, ["smoke", "--json", *options])


def _rows(run: LocalRun, table: str) -> list[Any]:
    items: list[Any] = run.endpoint.client("dynamodb").scan(
        TableName=run.deployment.physical_ids[table]
    )["Items"]
    return items


def _lake(run: LocalRun) -> list[str]:
    found = run.endpoint.client("s3").list_objects_v2(
        Bucket=run.deployment.outputs["LakeBucketName"], Prefix="events/"
    )
    return [entry["Key"] for entry in found.get("Contents", [])]


def test_two_batches_in_a_row_arrive_everywhere_and_leave_nothing_but_their_alerts(
    run: LocalRun,
) -> None:
    results = [_smoke(), _smoke()]

    told = [json.loads(result.stdout) for result in results]
    assert [result.exit_code for result in results] == [0, 0], [one.output for one in results]
    for one in told:
        assert [(hop["place"], hop["missing"]) for hop in one["hops"]] == [
            ("rows", []),
            ("lake", []),
            ("alert", []),
        ]
        assert one["left"] == []
    for table in ("ActivitiesTable", "MetricsTable", "TransactionsTable"):
        assert _rows(run, table) == []
    alerts = [row for row in _rows(run, "AlertsTable") if "alert_id" in row]
    assert {alert["source"]["S"] for alert in alerts} == {one["mark"] for one in told}
    assert [(alert["severity"]["S"], alert["status"]["S"]) for alert in alerts] == [
        ("low", "resolved")
    ] * 2
    assert _lake(run) == []
