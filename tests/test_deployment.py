"""Workflows, bootstrap and SAM configuration: linted, and in step with template and documents."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.local.translate import load_template
from tests.linters import linter, offline
from tests.template import model

GITHUB = model.ROOT / ".github"
BOOTSTRAP = GITHUB / "bootstrap.yaml"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
ENVIRONMENTS = ["dev", "staging", "prod"]


def run(program: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *arguments],
        cwd=model.ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=offline(),
    )


def workflow(path: Path) -> dict[Any, Any]:
    content: dict[Any, Any] = yaml.safe_load(path.read_text("utf-8"))
    return content


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in WORKFLOWS:
        for name, job in workflow(path)["jobs"].items():
            yield f"{path.name} {name}", job


def make_target(line: str) -> str:
    found = re.match(r"make ([a-z-]+)", line)
    assert found, line
    return found[1]


def test_workflows_keep_the_schema_of_github() -> None:
    checked = run(
        linter("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *WORKFLOWS
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_zizmor_finds_no_weakness_in_the_workflows() -> None:
    checked = run(linter("zizmor"), "--offline", "--format", "json", "--no-progress", GITHUB)

    assert json.loads(checked.stdout) == [], checked.stdout


def test_zizmor_does_find_weaknesses(tmp_path: Path) -> None:
    path = tmp_path / ".github" / "workflows" / "weak.yml"
    path.parent.mkdir(parents=True)
    path.write_text(
        "on: issues\njobs:\n  one:\n    runs-on: ubuntu-24.04\n    steps:\n"
        '      - run: echo "${{ github.event.issue.title }}"\n'
    )

    checked = run(linter("zizmor"), "--offline", "--format", "json", "--no-progress", path)

    assert "template-injection" in {finding["ident"] for finding in json.loads(checked.stdout)}


def test_actions_are_those_of_github_and_aws_by_version() -> None:
    used = {step["uses"] for _, job in jobs() for step in job.get("steps", []) if "uses" in step}

    foreign = [
        action for action in used if not re.fullmatch(r"(actions|aws-actions)/[\w-]+@v\d+", action)
    ]

    assert used
    assert foreign == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_no_more_than_read_unless_a_job_says_so(path: Path) -> None:
    assert workflow(path)["permissions"] in ({}, {"contents": "read"})


def test_only_deployments_get_a_token_for_aws() -> None:
    trusted = sorted(
        name for name, job in jobs() if job.get("permissions", {}).get("id-token") == "write"
    )

    assert trusted == [
        "deploy-one.yml deploy",
        "deploy.yml dev",
        "deploy.yml prod",
        "deploy.yml staging",
    ]


def test_a_deployment_waits_for_its_environments_reviewers() -> None:
    one = workflow(GITHUB / "workflows" / "deploy-one.yml")["jobs"]["deploy"]
    job = workflow(GITHUB / "workflows" / "deploy.yml")["jobs"]

    named = {name: job[name]["with"]["environment"] for name in ENVIRONMENTS}

    assert one["environment"] == "${{ inputs.environment }}"
    assert one["concurrency"]["cancel-in-progress"] is False
    assert named == {"dev": "dev", "staging": "staging", "prod": "prod"}
    assert job["dev"]["needs"] == "build"
    assert job["staging"]["needs"] == ["build", "dev"]
    assert job["prod"]["needs"] == ["build", "staging"]


def test_workflows_run_targets_that_the_makefile_has() -> None:
    makefile = (model.ROOT / "Makefile").read_text()

    targets = {
        make_target(step["run"])
        for _, job in jobs()
        for step in job.get("steps", [])
        if "run" in step
    }

    assert targets == {"test", "build", "deploy-built", "smoke"}
    assert [name for name in targets if f"\n{name}:" not in makefile] == []


def test_variables_of_an_environment_are_outputs_of_the_bootstrap() -> None:
    text = (GITHUB / "workflows" / "deploy-one.yml").read_text()
    described = str(load_template(BOOTSTRAP)["Outputs"])

    variables = set(re.findall(r"vars\.(\w+)", text)) - {"AWS_REGION"}

    assert variables == {"ARTEFACT_BUCKET", "CHANGE_ROLE_ARN", "DEPLOY_ROLE_ARN"}
    assert [name for name in variables if f"Variable {name} " not in described] == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_sam_deploys_each_environment_with_parameters_that_the_template_has(
    environment: str,
) -> None:
    config = tomllib.loads((model.ROOT / "samconfig.toml").read_text("utf-8"))
    settings = config[environment]["deploy"]["parameters"]
    parameters = model.source()["Parameters"]

    overrides = dict(text.split("=", 1) for text in settings["parameter_overrides"])

    assert settings["stack_name"] == f"streamwarden-{environment}"
    assert settings["capabilities"] == ["CAPABILITY_IAM"]
    assert overrides["Environment"] == environment
    assert overrides["AnalyticsDatabaseName"] == f"streamwarden_{environment}"
    assert overrides.keys() <= parameters.keys()


def test_the_bootstrap_is_clean() -> None:
    checked = run(
        Path(sys.executable).parent / "cfn-lint",
        *("--include-checks", "I", "--append-rules", "cfn_lint_serverless.rules"),
        *("--regions", "eu-central-1", "us-east-1", "--", BOOTSTRAP),
    )

    assert checked.stdout + checked.stderr == ""


def test_checkov_fails_nothing_in_the_bootstrap() -> None:
    checked = run(
        linter("checkov"),
        *("--framework", "cloudformation", "--output", "json", "--skip-download", "--compact"),
        *("--file", BOOTSTRAP),
    )

    results = json.loads(checked.stdout)["results"]
    assert results["failed_checks"] == []
    assert {check["check_id"] for check in results["skipped_checks"]} == {"CKV_AWS_18"}
    assert results["passed_checks"]


def test_only_jobs_of_the_environment_may_take_the_deploy_role() -> None:
    role = load_template(BOOTSTRAP)["Resources"]["DeployRole"]["Properties"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]

    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": {
                "Fn::Sub": "repo:${Repository}:environment:${Environment}"
            },
        }
    }


def test_no_role_of_the_bootstrap_has_a_wildcard_among_its_actions() -> None:
    granted = [
        action
        for resource in load_template(BOOTSTRAP)["Resources"].values()
        if resource["Type"] == "AWS::IAM::Role"
        for policy in resource["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in model.listed(statement["Action"])
    ]

    assert len(granted) > 100
    assert [action for action in granted if "*" in action] == []


def test_what_makes_keys_and_roles_names_what_it_makes() -> None:
    open_ended = [
        statement["Sid"]
        for resource in load_template(BOOTSTRAP)["Resources"].values()
        if resource["Type"] == "AWS::IAM::Role"
        for policy in resource["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Resource"] == "*"
    ]

    assert open_ended == ["SaveQueriesAndLookAround", "MakeKeys"]
