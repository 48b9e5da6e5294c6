"""The smoke test through a local run: all arrives, and what nobody was told of is taken away."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipeline.cli.main import main
from pipeline.cli.stack import published
from pipeline.local.run import LocalRun

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    directory = tmp_path_factory.mktemp("run")
    home = Path.cwd()
    os.chdir(directory)
    try:
        with (
            LocalRun(ROOT / "template.yaml", directory=directory) as run,
            published(run, "streamwarden-local"),
        ):
            yield run
    finally:
        os.chdir(home)


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


def test_a_batch_arrives_everywhere_and_leaves_nothing_but_its_alert(run: LocalRun) -> None:
    result = _smoke()

    told = json.loads(result.stdout)
    assert result.exit_code == 0, result.output
    assert [(hop["place"], hop["missing"]) for hop in told["hops"]] == [
        ("rows", []),
        ("lake", []),
        ("alert", []),
    ]
    assert told["left"] == []
    for table in ("ActivitiesTable", "MetricsTable", "TransactionsTable"):
        assert _rows(run, table) == []
    (alert,) = [row for row in _rows(run, "AlertsTable") if "alert_id" in row]
    assert alert["source"]["S"] == told["mark"]
    assert alert["status"]["S"] == "resolved"
    assert _lake(run) == []
