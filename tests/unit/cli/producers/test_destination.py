from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from pipeline.cli.producers.destination import NotPutError, open_producer
from pipeline.cli.stack import StackError

TEMPLATE = """{
  "Resources": {
    "EventStream": {"Type": "AWS::Kinesis::Stream", "Properties": {"ShardCount": 1}}
  },
  "Outputs": {"%s": {"Value": {"Ref": "EventStream"}}}
}"""


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield


@pytest.mark.usefixtures("aws")
def test_a_stream_is_taken_by_its_name() -> None:
    boto3.client("kinesis").create_stream(StreamName="events", ShardCount=1)

    producer = open_producer("events", None)

    assert list(producer.send([])) == []


@pytest.mark.usefixtures("aws")
def test_without_a_name_it_is_the_stacks() -> None:
    cloudformation = boto3.session.Session().client("cloudformation")
    cloudformation.create_stack(StackName="mine", TemplateBody=TEMPLATE % "EventStreamName")

    producer = open_producer(None, "mine")

    assert list(producer.send([])) == []


@pytest.mark.usefixtures("aws")
def test_a_stack_of_another_template_is_refused_in_plain_words() -> None:
    cloudformation = boto3.session.Session().client("cloudformation")
    cloudformation.create_stack(StackName="mine", TemplateBody=TEMPLATE % "Other")

    with pytest.raises(StackError, match="has no output EventStreamName") as failure:
        open_producer(None, "mine")

    assert failure.value.exit_code == 3


@pytest.mark.usefixtures("aws")
def test_without_any_name_and_without_a_local_run_it_says_what_to_do() -> None:
    with pytest.raises(StackError, match=r"Start `streamwarden local` here, or name a stack"):
        open_producer(None, None)


def test_a_missing_region_is_told_in_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")

    with pytest.raises(
        NotPutError, match="cannot put on events: no AWS region is set; set AWS_REGION"
    ):
        open_producer("events", None)
