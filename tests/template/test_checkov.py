"""checkov fails nothing in the template; what it is told to skip is few, reasoned and needed.

It runs twice in one go: over the template as it is, and over the expansion without any skip, whose
findings have to be the skips of the template. So a skip that has become needless fails here.
"""

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.linters import linter, offline
from tests.template import model

MAX_SKIPPED_RULES = 7

Finding = tuple[str, str]
"""Rule and resource."""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return what checkov says about source and bare expansion, by file name."""
    expansion = copy.deepcopy(model.expansion())
    for resource in expansion["Resources"].values():
        resource.pop("Metadata", None)
    bare = tmp_path_factory.mktemp("checkov") / "bare.json"
    bare.write_text(json.dumps(expansion))
    return {path.name: checkov(path) for path in (model.PATH, bare)}


def checkov(template: Path) -> dict[str, Any]:
    """Return checkov's report on a template."""
    run = subprocess.run(
        [
            *(linter("checkov"), "--framework", "cloudformation", "--output", "json"),
            *("--skip-download", "--compact", "--file", template),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=offline(),
    )
    assert run.stdout.startswith("{"), run.stderr
    report: dict[str, Any] = json.loads(run.stdout)
    return report


def findings(report: dict[str, Any], result: str) -> set[Finding]:
    """Return the checks of a report with one result: passed, failed or skipped."""
    return {
        (check["check_id"], check["resource"].rpartition(".")[2])
        for check in report["results"][f"{result}_checks"]
    }


def skips() -> dict[Finding, str]:
    """Return what the template tells checkov to skip, with the reasons."""
    return {
        (skip["id"], name): skip["comment"]
        for name, resource in model.source()["Resources"].items()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    }


def test_nothing_in_the_template_fails(reports: dict[str, dict[str, Any]]) -> None:
    report = reports["template.yaml"]

    assert findings(report, "failed") == set()
    assert report["summary"]["parsing_errors"] == 0
    assert len(report["results"]["passed_checks"]) > 200


def test_what_the_template_skips_is_what_would_fail(reports: dict[str, dict[str, Any]]) -> None:
    assert findings(reports["bare.json"], "failed") == set(skips())
    assert findings(reports["template.yaml"], "skipped") == set(skips())


def test_few_rules_are_skipped_and_each_has_a_reason() -> None:
    rules = {rule for rule, _ in skips()}

    assert len(rules) <= MAX_SKIPPED_RULES
    assert [finding for finding, reason in skips().items() if len(reason) < 50] == []


def test_checkov_does_find_faults(tmp_path: Path) -> None:
    faulty = tmp_path / "faulty.json"
    faulty.write_text(json.dumps({"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}}))

    report = checkov(faulty)

    assert ("CKV_AWS_18", "Bucket") in findings(report, "failed")
