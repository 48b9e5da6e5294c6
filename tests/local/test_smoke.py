"""The smoke test through a local run: all arrives, and what nobody was told of is taken away.

What it asks of AWS on the way is what the role of the workflows may do.
"""

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import botocore
import pytest
from click.testing import CliRunner, Result

from pipeline.cli.main import main
from pipeline.local.intrinsics import Resolver
from pipeline.local.run import LocalRun
from pipeline.local.translate import load_template
from tests.recorded_calls import calls

ROOT = Path(__file__).resolve().parent.parent.parent
BOOTSTRAP = ROOT / ".github" / "bootstrap.yaml"


class Smoked(NamedTuple):
    """What two runs of the command said, and their calls: IAM action and ARN."""

    results: list[Result]
    asked: set[tuple[str, str]]


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


@pytest.fixture(scope="module")
def smoked(run: LocalRun) -> Iterator[Smoked]:
    names = run.deployment.physical_ids
    asked: set[tuple[str, str]] = set()

    def note(model: Any, params: dict[str, Any], **_: object) -> None:  # noqa: ANN401  botocore's
        service = model.service_model.service_name
        for call in calls(service, model.name, params, names):
            asked.add((call.action, _arn(run, service, names[call.setting], call.place)))

    def watch(session: Any) -> None:  # noqa: ANN401  botocore's session
        session.register("before-parameter-build", note)

    botocore.register_initializer(watch)
    try:
        yield Smoked([_smoke(), _smoke()], asked)
    finally:
        botocore.unregister_initializer(watch)


def _arn(run: LocalRun, service: str, name: str, place: str) -> str:
    if service == "s3":
        return f"arn:aws:s3:::{name}/{place}" if place else f"arn:aws:s3:::{name}"
    kind = {"dynamodb": "table", "kinesis": "stream"}[service]
    where = f"{service}:{run.endpoint.region}:{run.endpoint.account_id}"
    return f"arn:aws:{where}:{kind}/{name}/{place}".removesuffix("/")


def _granted(run: LocalRun) -> list[dict[str, Any]]:
    """Return what the role may do with a stack of the run's name, in the run's region."""
    template = load_template(BOOTSTRAP)
    pseudo = {
        "AWS::Partition": "aws",
        "AWS::Region": run.endpoint.region,
        "AWS::AccountId": run.endpoint.account_id,
    }
    (smoke,) = (
        policy["PolicyDocument"]["Statement"]
        for policy in template["Resources"]["DeployRole"]["Properties"]["Policies"]
        if policy["PolicyName"] == "smoke"
    )
    statements = Resolver({}, {"Environment": "local"}, pseudo).resolve(smoke, "smoke")
    return [
        {name: value if isinstance(value, list) else [value] for name, value in one.items()}
        for one in statements
    ]


def test_two_batches_in_a_row_arrive_everywhere_and_leave_nothing_but_their_alerts(
    run: LocalRun, smoked: Smoked
) -> None:
    results = smoked.results

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


def test_the_role_of_the_workflows_may_do_what_the_command_asks_and_no_more(
    run: LocalRun, smoked: Smoked
) -> None:
    *granted, key = _granted(run)
    rights = {
        (action, pattern)
        for statement in granted
        for action in statement["Action"]
        for pattern in statement["Resource"]
    }

    def answers(right: tuple[str, str], call: tuple[str, str]) -> bool:
        return right[0] == call[0] and fnmatchcase(call[1], right[1])

    denied = {call for call in smoked.asked if not any(answers(one, call) for one in rights)}
    idle = {one for one in rights if not any(answers(one, call) for call in smoked.asked)}
    assert len(smoked.asked) > 10
    assert denied == set()
    assert idle == set()
    (condition,) = key["Condition"]
    used = {action.partition(":")[0] for action, _ in smoked.asked}
    assert set(condition["StringEquals"]["kms:ViaService"]) == {
        f"{service}.{run.endpoint.region}.amazonaws.com" for service in used
    }
