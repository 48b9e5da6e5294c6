"""cfn-lint has nothing to say, on any level, about the template and about its expansion.

Both are needed: SAM refuses some settings that cfn-lint accepts in the source, and some faults,
such as circular dependencies, exist in the expansion only. Informational rules are on.
"""

import json
import subprocess
import sys
from pathlib import Path

from tests.template import model

CFN_LINT = Path(sys.executable).parent / "cfn-lint"


def lint(template: Path) -> str:
    """Return what cfn-lint says about a template, empty for nothing."""
    run = subprocess.run(
        [
            CFN_LINT,
            "--include-checks",
            "I",
            "--regions",
            "eu-central-1",
            "us-east-1",
            "--",
            template,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout + run.stderr


def test_the_template_is_clean() -> None:
    assert lint(model.PATH) == ""


def test_its_expansion_is_clean(tmp_path: Path) -> None:
    expansion = tmp_path / "expansion.json"
    expansion.write_text(json.dumps(model.expansion()))

    findings = lint(expansion)

    assert findings == ""


def test_the_linter_does_find_faults(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text(
        json.dumps(
            {"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"Nonsense": 1}}}}
        )
    )

    findings = lint(broken)

    assert "E3002" in findings
