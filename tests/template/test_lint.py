"""cfn-lint has nothing to say, on any level, about the template and about its expansion.

Both are needed: SAM refuses some settings that cfn-lint accepts in the source, and some faults,
such as circular dependencies, exist in the expansion only. Informational rules are on. The rules
for serverless applications have findings that are accepted, each with its reason.
"""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.template import model

CFN_LINT = Path(sys.executable).parent / "cfn-lint"

ACCEPTED = tomllib.loads(Path(__file__).with_name("accepted_findings.toml").read_text("utf-8"))

REGIONS = ["--regions", "eu-central-1", "us-east-1"]


def lint(template: Path, *options: str) -> str:
    """Return what cfn-lint says about a template, empty for nothing."""
    run = subprocess.run(
        [CFN_LINT, "--include-checks", "I", *options, *REGIONS, "--", template],
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout + run.stderr


def serverless_findings(template: Path) -> list[tuple[str, str]]:
    """Return what cfn-lint says with the rules for serverless applications: rule and resource."""
    said = lint(template, "--append-rules", "cfn_lint_serverless.rules", "--format", "json")
    return sorted(
        (one["Rule"]["Id"], one["Location"]["Path"][1]) for one in json.loads(said or "[]")
    )


@pytest.fixture
def expansion(tmp_path: Path) -> Path:
    path = tmp_path / "expansion.json"
    path.write_text(json.dumps(model.expansion()))
    return path


def test_the_template_is_clean() -> None:
    assert lint(model.PATH) == ""


def test_its_expansion_is_clean(expansion: Path) -> None:
    findings = lint(expansion)

    assert findings == ""


def test_the_serverless_rules_find_what_is_accepted_and_nothing_else() -> None:
    findings = serverless_findings(model.PATH)

    assert findings == accepted(expanded=False)


def test_the_serverless_rules_find_nothing_else_in_the_expansion(expansion: Path) -> None:
    findings = serverless_findings(expansion)

    assert findings == accepted(expanded=True)


def test_what_is_accepted_has_a_reason() -> None:
    unreasoned = [rule for rule, entry in ACCEPTED.items() if len(entry["reason"]) < 60]

    assert unreasoned == []


def test_the_linter_does_find_faults(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text(
        json.dumps(
            {"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"Nonsense": 1}}}}
        )
    )

    findings = lint(broken)

    assert "E3002" in findings


def accepted(*, expanded: bool) -> list[tuple[str, str]]:
    """Return rule and resource of every finding that is accepted."""
    return sorted(
        (rule, name)
        for rule, entry in ACCEPTED.items()
        for name in entry["resources"]
        if expanded or not entry.get("only_in_the_expansion")
    )
