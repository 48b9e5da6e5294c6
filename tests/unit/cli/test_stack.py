import json
from pathlib import Path
from typing import Any

import boto3
import click
import pytest
from moto import mock_aws

from pipeline.cli.stack import STACK_FILE, Stack, StackError, published, reading
from pipeline.local.deployment import Deployment
from pipeline.local.endpoint import Endpoint
from pipeline.local.run import LocalRun

TEMPLATE = {
    "Resources": {"Lake": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "lake"}}},
    "Outputs": {"LakeBucketName": {"Value": {"Ref": "Lake"}}},
}


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(directory: Path) -> LocalRun:
    """Return a run that is told to be at an address where nothing listens."""
    run = LocalRun(directory / "template.yaml", directory=directory, endpoint=_nowhere())
    run.deployment = Deployment({}, (), {}, {"LakeBucketName": "lake"}, {})
    return run


def _nowhere() -> Endpoint:
    return Endpoint("http://127.0.0.1:9")  # the discard port: connections are refused


def _deploy(cloudformation: Any) -> None:  # noqa: ANN401  a client of moto
    cloudformation.create_stack(StackName="streamwarden-prod", TemplateBody=json.dumps(TEMPLATE))


def test_a_local_run_is_found_while_it_is_published(run: LocalRun) -> None:
    with published(run, "streamwarden-local"), reading(None) as stack:
        found = (stack.name, stack.place, stack.region, stack.output("LakeBucketName"))

    assert found == ("streamwarden-local", "http://127.0.0.1:9", "us-east-1", "lake")


def test_the_name_of_the_local_run_means_it_as_in_the_commands_of_its_pages(run: LocalRun) -> None:
    with published(run, "streamwarden-local"), reading("streamwarden-local") as stack:
        found = stack.place

    assert found == "http://127.0.0.1:9"


def test_nothing_is_left_when_the_run_ends(run: LocalRun, directory: Path) -> None:
    with published(run, "streamwarden-local"):
        pass

    assert not (directory / STACK_FILE).exists()


def test_a_second_run_of_the_directory_keeps_its_own_file(run: LocalRun, directory: Path) -> None:
    with published(run, "first"):
        (directory / STACK_FILE).write_text("the second")

    assert (directory / STACK_FILE).read_text() == "the second"


@pytest.mark.usefixtures("directory")
def test_without_a_run_the_error_says_what_to_start() -> None:
    with pytest.raises(StackError, match="Start `streamwarden local` here") as raised:
        _enter(None)

    assert raised.value.exit_code == 3


@pytest.mark.usefixtures("directory")
def test_a_damaged_file_is_no_traceback() -> None:
    STACK_FILE.parent.mkdir()
    STACK_FILE.write_text("{")

    with pytest.raises(StackError, match="is damaged"):
        _enter(None)


def test_a_run_that_died_is_told_from_a_refusal(run: LocalRun) -> None:
    with (
        published(run, "streamwarden-local"),
        pytest.raises(StackError, match="is `streamwarden local` still up"),
        reading(None) as stack,
    ):
        stack.client("s3").list_buckets()


@mock_aws
def test_a_stack_on_aws_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    _deploy(boto3.client("cloudformation"))

    with reading("streamwarden-prod") as stack:
        found = (stack.name, stack.place, stack.output("LakeBucketName"))
        buckets = stack.client("s3").list_buckets()["Buckets"]

    assert found == ("streamwarden-prod", "AWS eu-central-1", "lake")
    assert [bucket["Name"] for bucket in buckets] == ["lake"]


@mock_aws
def test_what_aws_refuses_is_said_in_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    message = "cannot read stack other: DescribeStacks was refused, .*other does not exist"

    with pytest.raises(StackError, match=message) as raised:
        _enter("other")

    assert raised.value.exit_code == 3


def test_aws_without_a_region_is_said_in_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "none")

    with pytest.raises(StackError, match="no AWS region is set; set AWS_REGION"):
        _enter("streamwarden-prod")


def test_an_output_of_another_template_is_named() -> None:
    stack = Stack("other", "AWS eu-central-1", "eu-central-1", {}, lambda _: None, dict)

    with pytest.raises(click.ClickException, match="no output LakeBucketName"):
        stack.output("LakeBucketName")


def _enter(name: str | None) -> None:
    with reading(name):
        pass
