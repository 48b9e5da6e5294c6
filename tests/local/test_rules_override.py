"""The rules overridden on the local run: followed without a deployment, kept when invalid."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from pipeline.cli.main import main
from pipeline.local.run import LocalRun

ROOT = Path(__file__).resolve().parent.parent.parent
LOWER = '[[static_limit.limits]]\nmetric = "cpu_usage"\nabove = 40.0\nclear_below = 30.0\n'


def test_an_override_is_followed_and_an_invalid_one_leaves_it_in_force_and_alerts(
    run: LocalRun,
) -> None:
    Path("lower.toml").write_text(LOWER, encoding="utf-8")
    written = _command("rules", "set", "lower.toml", "--yes")
    _put_cpu(run, "web-1", 50.0)
    followed = _facts(run, "static_limit#")

    refused = _command("rules", "set", __file__, "--yes")
    name = run.deployment.outputs["RulesParameterName"]
    run.endpoint.client("ssm").put_parameter(
        Name=name, Value="[static_limit]\nstaged = 3", Type="String", Overwrite=True
    )
    _put_cpu(run, "web-2", 50.0)
    run.fire("ScheduleAlertsFunctionEveryMinute")
    run.wait_until_drained(timeout_s=60)

    assert written.exit_code == 0, written.output
    assert "static_limit.limits.cpu_usage.above: 90.0 -> 40.0" in written.stdout
    assert followed == ["web-1/cpu_usage"]
    assert refused.exit_code == 1
    assert _facts(run, "static_limit#") == ["web-1/cpu_usage", "web-2/cpu_usage"]
    assert _facts(run, "pipeline_rules_invalid#") == [f"{name}:2"]
    listed = _command("alerts", "list", "--rule", "pipeline_rules_invalid", "--json")
    (alert,) = json.loads(listed.stdout)
    assert (alert["status"], alert["severity"]) == ("firing", "high")


def _command(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def _put_cpu(run: LocalRun, source: str, value: float) -> None:
    event = {
        "event_type": "system_metric",
        "source": source,
        "metric_name": "cpu_usage",
        "value": value,
        "unit": "%",
        "timestamp": datetime.now(UTC).isoformat(),  # noqa: TID251  the stream's own time
    }
    run.endpoint.client("kinesis").put_record(
        StreamName=run.deployment.outputs["EventStreamName"],
        PartitionKey=source,
        Data=json.dumps(event).encode(),
    )
    run.wait_until_drained(timeout_s=60)


def _facts(run: LocalRun, prefix: str) -> list[str]:
    table = run.deployment.outputs["AnomaliesTableName"]
    items: list[dict[str, Any]] = run.endpoint.client("dynamodb").scan(TableName=table)["Items"]
    keys = [item["dedup_key"]["S"] for item in items]
    return sorted(key.removeprefix(prefix) for key in keys if key.startswith(prefix))
