import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws

from pipeline.cli.traffic.users_command import users

TEMPLATE = {
    "Resources": {
        "UsersTable": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "TableName": "users",
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": "user_id", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "user_id", "AttributeType": "S"}],
            },
        }
    },
    "Outputs": {"UsersTableName": {"Value": {"Ref": "UsersTable"}}},
}
LINES = """
{"action": "put", "user": {"user_id": "ada", "email": "ada@firm.example"}}
{"action": "put", "user": {"user_id": "ben", "email": "ben@firm.example"}}
{"action": "remove", "user_id": "ben"}
"""


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        session: Any = boto3.session.Session()
        session.client("cloudformation").create_stack(
            StackName="mine", TemplateBody=json.dumps(TEMPLATE)
        )
        yield session.client("dynamodb")


def test_changes_are_json_lines_and_the_incidents_are_listed_beside_them() -> None:
    result = CliRunner().invoke(users, ["--people", "20"])

    changes = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert [change["action"] for change in changes].count("remove") == 25
    assert "account_takeover#member-victim" in result.stderr


def test_the_list_alone_goes_to_standard_output() -> None:
    result = CliRunner().invoke(users, ["--list", "--json"])

    incidents = [json.loads(line) for line in result.stdout.splitlines()]
    assert [incident["rule_id"] for incident in incidents] == [
        "account_takeover",
        "signup_domain",
        "signup_address",
        "mass_deletion",
    ]
    assert result.stderr == ""


def test_the_changes_of_a_file_are_written_in_their_order(dynamodb: Any) -> None:  # noqa: ANN401  boto3
    arguments = ["--put", "--from", "-", "--stack", "mine"]

    result = CliRunner().invoke(users, arguments, input=LINES)

    assert result.exit_code == 0, result.output
    assert result.stderr == "2 users written, 1 removed\n"
    assert dynamodb.scan(TableName="users")["Items"] == [
        {"user_id": {"S": "ada"}, "email": {"S": "ada@firm.example"}}
    ]


def test_refused_lines_are_named_and_the_others_written(dynamodb: Any) -> None:  # noqa: ANN401  boto3
    lines = f"{LINES}nonsense\n"

    result = CliRunner().invoke(users, ["--put", "--from", "-", "--stack", "mine"], input=lines)

    assert result.exit_code == 1
    assert "line 5: not a change of a user" in result.stderr
    assert len(dynamodb.scan(TableName="users")["Items"]) == 1


@pytest.mark.usefixtures("dynamodb")
def test_a_stack_that_is_not_there_ends_with_3() -> None:
    result = CliRunner().invoke(users, ["--put", "--stack", "other"])

    assert result.exit_code == 3
