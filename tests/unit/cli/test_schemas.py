import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from pipeline.cli.schemas import SCHEMAS, drift, schema, schemas

ROOT = Path(__file__).resolve().parents[3]


def test_the_files_of_the_repository_agree_with_the_types() -> None:
    faults = list(drift(ROOT / "schemas"))

    assert faults == []


def test_check_succeeds_on_what_was_generated(tmp_path: Path) -> None:
    CliRunner().invoke(schemas, ["--output", str(tmp_path)])

    result = CliRunner().invoke(schemas, ["--check", "--output", str(tmp_path)])

    assert (result.exit_code, result.output) == (
        0,
        f"{len(SCHEMAS)} schemas agree with the types\n",
    )


def test_check_names_each_file_that_differs_is_missing_or_has_no_type(tmp_path: Path) -> None:
    CliRunner().invoke(schemas, ["--output", str(tmp_path)])
    (tmp_path / "alert.json").unlink()
    (tmp_path / "heartbeat.json").write_text("{}")
    edited = tmp_path / "transaction.json"
    edited.write_text(edited.read_text().replace('"amount"', '"sum"'))

    result = CliRunner().invoke(schemas, ["--check", "--output", str(tmp_path)])

    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"Error: {tmp_path}/transaction.json differs from Transaction",
        f"{tmp_path}/alert.json is missing",
        f"{tmp_path}/heartbeat.json belongs to no type",
        "run `streamwarden schemas`",
    ]


def test_check_writes_nothing(tmp_path: Path) -> None:
    result = CliRunner().invoke(schemas, ["--check", "--output", str(tmp_path)])

    assert result.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_made_and_each_file_ends_with_a_line_feed(tmp_path: Path) -> None:
    CliRunner().invoke(schemas, ["--output", str(tmp_path / "made")])

    files = sorted((tmp_path / "made").iterdir())

    assert [path.name for path in files] == [
        "alert.json",
        "fraud_report.json",
        "send_welcome.json",
        "setup_user_profile.json",
        "system_metric.json",
        "thumbnails.json",
        "transaction.json",
        "user_activity.json",
    ]
    assert all(path.read_text().endswith("}\n") for path in files)


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_valid_and_names_itself(name: str) -> None:
    document = schema(name)

    jsonschema.Draft202012Validator.check_schema(document)

    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert document["$id"] == f"urn:streamwarden:schema:{name.removesuffix('.json')}"
    assert document["title"]
    assert document["description"]
    assert json.loads(json.dumps(document)) == document
