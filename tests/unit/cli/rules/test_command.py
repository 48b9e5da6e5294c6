import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from pipeline.cli.main import main

STACK = "streamwarden-prod"
PARAMETER = f"/{STACK}/rules"
CPU_95 = '[[static_limit.limits]]\nmetric = "cpu_usage"\nabove = 95.0\n'


@pytest.fixture(autouse=True)
def no_local_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Deploy a stack that has nothing but the name of its parameter."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"RulesParameterName": {"Value": PARAMETER}},
    }
    with mock_aws():
        cloudformation = boto3.client("cloudformation", region_name="eu-central-1")
        cloudformation.create_stack(StackName=STACK, TemplateBody=json.dumps(template))
        yield boto3.Session(region_name="eu-central-1").client("ssm")


def test_without_a_stack_the_packaged_rules_are_listed() -> None:
    listed = json.loads(run("list", "--json").stdout)

    origins = {rule["id"]: (rule["from"], rule["staged"]) for rule in listed}
    assert origins["static_limit"] == ("packaged", False)
    assert origins["pipeline_rules_invalid"] == ("packaged", False)


def test_a_file_is_listed_with_what_it_overrides() -> None:
    listed = json.loads(run("list", "--rules", file(CPU_95), "--json").stdout)

    origins = {rule["id"]: rule["from"] for rule in listed}
    assert (origins["static_limit"], origins["mass_deletion"]) == ("override", "packaged")
    assert "above 95 %" in run("list", "--rules", file(CPU_95)).stdout


def test_what_is_set_is_in_force_until_it_is_cleared(ssm: Any) -> None:  # noqa: ANN401  a client
    written = run("set", file(CPU_95), "--stack", STACK, "--yes")
    stored = ssm.get_parameter(Name=PARAMETER)["Parameter"]["Value"]
    listed = run("list", "--stack", STACK).stdout
    again = run("set", file(CPU_95), "--stack", STACK, "--yes")
    cleared = run("clear", "--stack", STACK, "--yes")
    nothing = run("clear", "--stack", STACK, "--yes")

    assert "static_limit.limits.cpu_usage.above: 90.0 -> 95.0" in written.stdout
    assert "static_limit judges otherwise under the same version" in written.stderr
    assert stored == CPU_95
    assert "above 95 %" in listed
    assert "says so already" in again.stderr
    assert "95.0 -> 90.0" in cleared.stdout
    assert (nothing.exit_code, nothing.stderr) == (1, "nothing is overridden\n")


def test_without_a_yes_nothing_is_written(ssm: Any) -> None:  # noqa: ANN401  a client
    result = run("set", file(CPU_95), "--stack", STACK)

    assert result.exit_code == 1
    assert ssm.describe_parameters()["Parameters"] == []


@pytest.mark.parametrize(
    ("text", "advanced", "reason"),
    [
        ("[static_limit]\nstaged = 3", False, "$.static_limit.staged"),
        (CPU_95 + "#" * 4096, False, "characters of 4,096; --advanced"),
        (CPU_95 + "#" * 8192, True, "characters of 8,192"),
    ],
)
def test_what_functions_could_not_use_is_not_written(
    ssm: Any,  # noqa: ANN401  a client
    text: str,
    advanced: bool,  # noqa: FBT001  a case of the test
    reason: str,
) -> None:
    result = run("set", file(text), "--stack", STACK, "--yes", *["--advanced"][:advanced])

    assert result.exit_code == 1
    assert reason in result.stderr
    assert ssm.describe_parameters()["Parameters"] == []


def test_an_invalid_version_in_the_parameter_is_remarked_on(ssm: Any) -> None:  # noqa: ANN401  a client
    ssm.put_parameter(Name=PARAMETER, Value="[static_limit]\nstaged = 3", Type="String")

    result = run("list", "--stack", STACK)

    assert result.exit_code == 0
    assert f"version 1 of {PARAMETER} is not followed" in result.stderr


def test_the_packaged_rules_meet_their_examples() -> None:
    ran = json.loads(run("test", "--json").stdout)

    assert {"static_limit", "impossible_travel", "mass_deletion", "kpi_drift"} <= {
        one["rule_id"] for one in ran
    }
    assert all(one["is_met"] for one in ran)


def test_a_change_that_breaks_an_example_is_named() -> None:
    looser = "[failed_login_user]\nwindows = [{ span_s = 600.0, count = 11 }]"

    result = run("test", "failed_login_user", "--rules", file(looser))

    assert result.exit_code == 1
    expected = "eleven failures of a user within ten minutes: opened medium expected, nothing found"
    assert expected in result.stdout


def test_a_looser_share_of_refused_records_breaks_its_example() -> None:
    looser = "[health.pipeline_refused_records]\nwindow_share = 0.2"

    result = run("test", "pipeline_refused_records", "--rules", file(looser))

    assert result.exit_code == 1
    assert "one record in twenty over ten minutes: opened high expected, nothing" in result.stdout


def test_rules_that_are_not_tried_here_are_named() -> None:
    result = run("test", "pipeline_behind", "pipeline_poison_record")

    assert (result.exit_code, result.stdout[:11]) == (0, "0 examples,")
    assert result.stderr.splitlines() == [
        "tried by the project's own tests alone: pipeline_behind",
        "without examples, being about the pipeline: pipeline_poison_record",
    ]


def test_a_rule_that_is_not_there_is_wrong_usage() -> None:
    assert run("test", "no_such_rule").exit_code == 2


@pytest.mark.parametrize(
    ("value", "verdict", "reason"),
    [
        (97.0, "opened high", "cpu_usage 97% > 90%"),
        (42.0, "nothing", "42 % is not above 90 %"),
    ],
)
def test_an_event_is_explained_rule_by_rule(value: float, verdict: str, reason: str) -> None:
    verdicts = explained(metric(value))

    assert verdicts["static_limit"][0] == verdict
    assert reason in verdicts["static_limit"][1]
    assert verdicts["metric_baseline"] == ("nothing", "it has no past to compare with yet")
    assert verdicts["failed_login_user"][0] == "not read"


def test_a_staged_rule_is_explained_as_one() -> None:
    verdicts = explained(metric(97.0), "--rules", file("[static_limit]\nstaged = true"))

    assert verdicts["static_limit"][0] == "opened high, staged: nobody hears of it"


def test_a_failed_sign_in_says_how_many_it_takes() -> None:
    event = {"event_type": "user_activity", "user_id": "u1", "activity_type": "login_failed"}

    verdicts = explained(event | {"timestamp": "2026-09-01T00:00:00Z"})

    assert "more than 10 within 10 min" in verdicts["failed_login_user"][1]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (
            {"event_type": "transaction", "amount": 20, "currency": "EUR"},
            "it takes 50 frauds reported and a score above 0.8",
        ),
        (
            {
                "event_type": "fraud_report",
                "is_fraud": True,
                "transaction_timestamp": "2026-09-01T00:00:00Z",
            },
            "a report only teaches it",
        ),
    ],
)
def test_the_fraud_score_says_what_it_takes(event: dict[str, Any], reason: str) -> None:
    of_user = {"transaction_id": "t1", "user_id": "u1", "timestamp": "2026-09-01T00:00:00Z"}

    verdicts = explained(event | of_user)

    assert verdicts["transaction_fraud_score"][0] == "nothing"
    assert reason in verdicts["transaction_fraud_score"][1]


def test_an_event_that_breaks_the_contract_is_exit_code_1() -> None:
    result = run("explain", '{"event_type": "system_metric"}')

    assert result.exit_code == 1


def metric(value: float) -> dict[str, Any]:
    return {
        "event_type": "system_metric",
        "metric_name": "cpu_usage",
        "value": value,
        "source": "web-7",
        "unit": "%",
        "timestamp": "2026-09-01T00:00:00Z",
    }


def explained(event: dict[str, Any], *options: str) -> dict[str, tuple[str, str]]:
    Path("event.json").write_text(json.dumps(event), encoding="utf-8")
    result = run("explain", "@event.json", *options, "--json")
    assert result.exit_code == 0, result.output
    return {one["rule_id"]: (one["verdict"], one["reason"]) for one in json.loads(result.stdout)}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["rules", *arguments])


def file(text: str) -> str:
    Path("rules.toml").write_text(text, encoding="utf-8")
    return "rules.toml"
