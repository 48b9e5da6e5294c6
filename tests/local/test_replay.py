"""Replay through the local run: out of quarantine, and out of the lake in both modes."""

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from pipeline.cli.main import main
from pipeline.local.run import LocalRun
from tests.golden_events import golden

ROOT = Path(__file__).resolve().parent.parent.parent
SHARD = "shardId-000000000000"


def test_what_passes_today_leaves_quarantine_once(run: LocalRun) -> None:
    key = _refuse_before_the_fix(run)

    dry = _read("quarantine", "replay", "--dry-run")
    first = _read("quarantine", "replay", "--yes")
    rows = _rows(run, "web-1")
    again = _command("quarantine", "replay", "--yes")

    (judged,) = [one for one in dry["judged"] if one["event_type"] == "system_metric"]
    assert (judged["passing"], judged["staying"]) == (1, 0)
    assert first["brought_back"] == {"items": 1, "records": 1}
    assert rows == [f"{SHARD}:901"]
    assert _rows(run, "web-1") == rows
    assert (again.exit_code, again.stderr) == (1, "today's contract takes none of it\n")
    assert b'"not json' in _body(run, key)


def test_a_refused_change_of_a_user_comes_back_under_its_own_id_and_changes_nothing_twice(
    run: LocalRun,
) -> None:
    change = golden("dynamodb_users")[1]
    _refuse_change(run, change)

    first = _read("quarantine", "replay", "--yes")
    rows = _audit_rows(run)
    _refuse_change(run, change)
    second = _read("quarantine", "replay", "--yes")

    assert first["brought_back"] == second["brought_back"] == {"items": 1, "records": 1}
    assert rows == ["2026-11-21T10:10:00.000000Z#c81e728d9d4c2f636f067f89cc14862c"]
    assert _audit_rows(run) == rows
    assert [fact["opened_at"] for fact in _facts(run, "u-1001")] == [
        {"S": "2026-11-21T10:10:00.000000Z"}
    ]


def test_a_missed_alert_is_raised_once_as_a_replay(run: LocalRun) -> None:
    moment = datetime.now(UTC) - timedelta(minutes=30)  # noqa: TID251  the stream's own time
    _archive_unseen(run, moment)
    arguments = ("replay", "--from", "2h", "--subject", "db-1")

    shadow = _read(*arguments)
    facts_before = _facts(run, "db-1")
    first = _read(*arguments, "--mode", "real", "--yes")
    run.wait_until_drained(timeout_s=60)
    second = _read(*arguments, "--mode", "real", "--yes")
    run.wait_until_drained(timeout_s=60)

    (alert,) = shadow["alerts"]
    assert (alert["rule_id"], alert["found"]) == ("static_limit", False)
    assert facts_before == []
    assert first["played"] == {"events": 2, "facts": 1}
    assert second["played"] == {"events": 2, "facts": 0}
    assert [one["found"] for one in second["alerts"]] == [True]
    assert _rows(run, "db-1") == ["old-1", "old-2"]
    (fact,) = _facts(run, "db-1")
    assert fact["replay"] == {"BOOL": True}
    assert _alerts(run, alert["dedup_key"]) == [alert["alert_id"]]


def test_a_time_without_events_is_exit_code_1(run: LocalRun) -> None:
    result = _command("replay", "--from", "2020-01-01", "--to", "2020-01-02")

    assert (result.exit_code, result.stderr) == (1, "the lake has no events of this time\n")
    assert run.deployment.outputs["LakeBucketName"]


def _command(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def _read(*arguments: str) -> Any:  # noqa: ANN401  whatever the command prints
    result = _command(*arguments, "--json")
    assert result.exit_code in {0, 4}, result.output
    return json.loads(result.stdout)


def _metric(source: str, value: float, moment: datetime, event_id: str = "") -> dict[str, Any]:
    event = {
        "event_type": "system_metric",
        "source": source,
        "metric_name": "disk_usage",
        "value": value,
        "unit": "%",
        "timestamp": moment.isoformat(),
    }
    return {"event_id": event_id, **event} if event_id else event


def _put_lines(
    run: LocalRun,
    prefix: str,
    lines: list[dict[str, Any]],
    moment: datetime,
    name: str = f"{SHARD}-901",
) -> str:
    bucket = run.deployment.outputs["LakeBucketName"]
    key = f"{prefix}/{moment:dt=%Y-%m-%d/hour=%H}/{name}.jsonl.gz"
    body = gzip.compress("\n".join(json.dumps(line) for line in lines).encode())
    run.endpoint.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
    return key


def _refuse_before_the_fix(run: LocalRun) -> str:
    """Leave two records in quarantine as a consumer of a stricter contract would have."""
    moment = datetime.now(UTC)  # noqa: TID251  the stream's own time
    good = json.dumps(_metric("web-1", 20, moment)).encode()
    lines = [
        {
            "record_id": f"{SHARD}:{number}",
            "shard_id": SHARD,
            "sequence_number": str(number),
            "partition_key": "web-1",
            "arrived_at": moment.isoformat(),
            "reason": "unknown unit",
            "path": "$.unit",
            "data": base64.b64encode(data).decode(),
        }
        for number, data in ((901, good), (902, b'"not json'))
    ]
    return _put_lines(run, "quarantine", lines, moment)


def _refuse_change(run: LocalRun, change: dict[str, Any]) -> None:
    """Leave a change of a user in quarantine as a consumer of a stricter contract would have."""
    moment = datetime.now(UTC)  # noqa: TID251  the stream's own time
    number = change["dynamodb"]["SequenceNumber"]
    line = {
        "record_id": f"UsersTable:{number}",
        "shard_id": "UsersTable",
        "sequence_number": number,
        "partition_key": change["eventID"],
        "arrived_at": moment.isoformat(),
        "reason": "not a user: Expected a string",
        "path": "$.dynamodb.NewImage.status",
        "data": base64.b64encode(json.dumps(change).encode()).decode(),
    }
    _put_lines(run, "quarantine", [line], moment, f"UsersTable-{number}")


def _archive_unseen(run: LocalRun, moment: datetime) -> None:
    """Leave two events in the lake that no detector has seen."""
    later = moment + timedelta(minutes=1)
    lines = [_metric("db-1", 50, moment, "old-1"), _metric("db-1", 97, later, "old-2")]
    _put_lines(run, "events", lines, moment)


def _rows(run: LocalRun, source: str) -> list[str]:
    table = run.deployment.physical_ids["MetricsTable"]
    items = run.endpoint.client("dynamodb").scan(TableName=table)["Items"]
    return sorted(
        item["event_id"]["S"] for item in items if item["series_day"]["S"].startswith(source)
    )


def _facts(run: LocalRun, source: str) -> list[dict[str, Any]]:
    table = run.deployment.outputs["AnomaliesTableName"]
    items = run.endpoint.client("dynamodb").scan(TableName=table)["Items"]
    return [item for item in items if source in item["dedup_key"]["S"]]


def _alerts(run: LocalRun, dedup_key: str) -> list[str]:
    answer = run.endpoint.client("dynamodb").query(
        TableName=run.deployment.outputs["AlertsTableName"],
        KeyConditionExpression="dedup_key = :key",
        ExpressionAttributeValues={":key": {"S": dedup_key}},
    )
    return [item["alert_id"]["S"] for item in answer["Items"]]


def _audit_rows(run: LocalRun) -> list[str]:
    table = run.deployment.physical_ids["AuditTable"]
    items = run.endpoint.client("dynamodb").scan(TableName=table)["Items"]
    return [item["change_key"]["S"] for item in items]


def _body(run: LocalRun, key: str) -> bytes:
    bucket = run.deployment.outputs["LakeBucketName"]
    body = run.endpoint.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    lines = [json.loads(line) for line in gzip.decompress(body).splitlines()]
    return b"\n".join(base64.b64decode(line["data"]) for line in lines)
