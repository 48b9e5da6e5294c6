"""A small application on the local run: a stream, two functions, a table between them."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.local.endpoint import Endpoint
from pipeline.local.lambda_service import LambdaSettings
from pipeline.local.run import DrainProgress, DrainTimeoutError, LocalRun, RunError, RunEvent

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Stream:
    Type: AWS::Kinesis::Stream
    Properties:
      ShardCount: 2
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      StreamSpecification: {StreamViewType: NEW_AND_OLD_IMAGES}
  Discarded:
    Type: AWS::S3::Bucket
  Copier:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      CodeUri: code/
      Handler: copier.handler
      Timeout: 10
      Role: arn:aws:iam::123456789012:role/functions
      Environment: {Variables: {TABLE: !Ref Table, NOTES: NOTES_DIRECTORY}}
      Events:
        Stream:
          Type: Kinesis
          Properties:
            Stream: !GetAtt Stream.Arn
            StartingPosition: TRIM_HORIZON
            BatchSize: 10
            MaximumRetryAttempts: 2
            BisectBatchOnFunctionError: true
            FunctionResponseTypes: [ReportBatchItemFailures]
            DestinationConfig: {OnFailure: {Type: S3, Destination: !GetAtt Discarded.Arn}}
  Reader:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      CodeUri: code/
      Handler: reader.handler
      Timeout: 10
      Role: arn:aws:iam::123456789012:role/functions
      Environment: {Variables: {NOTES: NOTES_DIRECTORY}}
      Events:
        Table:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Table.StreamArn
            StartingPosition: TRIM_HORIZON
            BatchSize: 100
"""

# Puts one item per record, so that Reader is fed; obeys the words in the records.
COPIER = """
import base64, os, pathlib, time
import boto3

table, notes = os.environ["TABLE"], pathlib.Path(os.environ["NOTES"])
dynamodb = boto3.client("dynamodb")

def handler(event, context):
    words = [base64.b64decode(r["kinesis"]["data"]).decode() for r in event["Records"]]
    if "raise" in words:
        raise ValueError("told to raise")
    if "hang" in words and not (notes / "hung").exists():
        (notes / "hung").touch()
        print("hanging", os.getpid())
        time.sleep(60)
    for word in words:
        dynamodb.put_item(TableName=table, Item={"id": {"S": word}})
"""

READER = """
import os, pathlib

def handler(event, context):
    with open(pathlib.Path(os.environ["NOTES"]) / "read", "a") as read:
        for record in event["Records"]:
            read.write(record["dynamodb"]["Keys"]["id"]["S"] + chr(10))
"""

# A whole run in a process of its own, that says so when it is up and then waits for a signal.
PROGRAM = """
import pathlib, signal, sys
from pipeline.local.run import LocalRun

with LocalRun(pathlib.Path(sys.argv[1]), directory=pathlib.Path(sys.argv[2])) as run:
    stream = run.deployment.physical_ids["Stream"]
    run.endpoint.client("kinesis").put_record(StreamName=stream, Data=b"a", PartitionKey="a")
    run.wait_until_drained(30)
    print("up", flush=True)
    signal.pause()
"""

QUICK = LambdaSettings(poll_interval_s=0.02, backoff_scale=0.01, stop_grace_s=0)


class Application:
    """The template in a directory of its own, and what its functions noted."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.template = directory / "template.yaml"
        self.notes = directory / "notes"
        self.notes.mkdir()
        (directory / "code").mkdir()
        (directory / "code" / "copier.py").write_text(COPIER)
        (directory / "code" / "reader.py").write_text(READER)
        self.template.write_text(TEMPLATE.replace("NOTES_DIRECTORY", str(self.notes)))
        self.events: queue.Queue[RunEvent] = queue.Queue()

    @contextmanager
    def running(self, endpoint: Endpoint) -> Iterator[LocalRun]:
        user_endpoint = Endpoint(endpoint.url)  # as if the user had brought it
        with LocalRun(
            self.template,
            directory=self.directory / "run",
            stack_name=self.directory.name.replace("_", "-")[:40],
            endpoint=user_endpoint,
            on_event=self.events.put,
            settings=QUICK,
        ) as run:
            yield run

    def read(self) -> list[str]:
        path = self.notes / "read"
        return sorted(path.read_text().split()) if path.exists() else []

    def next_event(self, kind: str) -> RunEvent:
        while True:
            event = self.events.get(timeout=60)
            if event.kind == kind:
                return event


@pytest.fixture
def application(tmp_path: Path) -> Application:
    return Application(tmp_path)


def put(run: LocalRun, *words: str) -> None:
    run.endpoint.client("kinesis").put_records(
        StreamName=run.deployment.physical_ids["Stream"],
        Records=[{"Data": word.encode(), "PartitionKey": word} for word in words],
    )


def discarded(run: LocalRun) -> list[dict[str, Any]]:
    s3, bucket = run.endpoint.client("s3"), run.deployment.physical_ids["Discarded"]
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
    return [json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys]


def test_drained_means_that_the_last_function_has_had_its_records(
    application: Application, endpoint: Endpoint
) -> None:
    words = [f"word-{number:02}" for number in range(40)]
    seen: list[DrainProgress] = []

    with application.running(endpoint) as run:
        put(run, *words)
        run.wait_until_drained(30, seen.append)
        drained = application.read()
        counters = run.invocations["Copier"]

    assert drained == words
    assert seen[-1].records_read > 0
    assert counters.invocations >= 4
    assert counters.errors == 0


def test_a_poison_record_ends_in_the_bucket_and_the_rest_is_processed(
    application: Application, endpoint: Endpoint
) -> None:
    with application.running(endpoint) as run:
        put(run, "a", "b", "raise", "c", "d")
        run.wait_until_drained(30)
        lost = discarded(run)
    failure = application.next_event("failure")
    problem = application.next_event("problem")

    assert application.read() == ["a", "b", "c", "d"]
    (batch,) = lost
    assert batch["KinesisBatchInfo"]["batchSize"] == 1
    assert batch["requestContext"]["approximateInvokeCount"] == 3
    assert batch["payload"]["Records"][0]["kinesis"]["partitionKey"] == "raise"
    assert (failure.subject, failure.message) == ("Copier", "ValueError: told to raise")
    assert failure.lines[-1].strip() == 'raise ValueError("told to raise")'
    assert "RetryAttemptsExhausted" in problem.message


def test_a_worker_killed_in_mid_batch_costs_nothing(
    application: Application, endpoint: Endpoint
) -> None:
    with application.running(endpoint) as run:
        put(run, "a", "hang", "b")
        _, pid = application.next_event("log").message.split()

        os.kill(int(pid), signal.SIGKILL)

        run.wait_until_drained(30)
        lost = discarded(run)
    failure = application.next_event("failure")

    assert application.read() == ["a", "b", "hang"]
    assert lost == []
    assert failure.message.endswith("Error: Runtime exited with error: signal: SIGKILL")
    assert failure.lines == (f"hanging {pid}",)


def test_the_next_run_goes_on_where_this_one_was_stopped_in_mid_batch(
    application: Application, endpoint: Endpoint
) -> None:
    with application.running(endpoint) as run:
        put(run, "a", "b")
        run.wait_until_drained(30)
        put(run, "hang")
        application.next_event("log")

    with application.running(endpoint) as run:
        run.wait_until_drained(30)
        put(run, "c")
        run.wait_until_drained(30)

    assert application.read() == ["a", "b", "c", "hang"]


def test_what_is_not_drained_in_time_is_named(application: Application, endpoint: Endpoint) -> None:
    with application.running(endpoint) as run:
        put(run, "hang")
        application.next_event("log")

        with pytest.raises(DrainTimeoutError, match=r"not drained after 0 s: \w+ shardId-0+\d$"):
            run.wait_until_drained(0)


def test_a_directory_is_for_one_run_at_a_time(application: Application, endpoint: Endpoint) -> None:
    refused = pytest.raises(RunError, match=r"another run uses \S+/run: end it first, or start")
    with application.running(endpoint), refused, application.running(endpoint):
        pass

    with application.running(endpoint) as again:
        assert again.deployment.physical_ids


def test_no_process_and_no_thread_is_left(application: Application, endpoint: Endpoint) -> None:
    before = set(threading.enumerate())

    with application.running(endpoint) as run:
        put(run, "hang")
        _, pid = application.next_event("log").message.split()
        worker = psutil.Process(int(pid))

    assert not worker.is_running()
    assert set(threading.enumerate()) <= before


def test_an_exception_in_the_block_ends_the_run_in_order(
    application: Application, endpoint: Endpoint
) -> None:
    def fail(run: LocalRun) -> None:
        put(run, "hang")
        application.next_event("log")
        raise KeyboardInterrupt

    before = set(threading.enumerate())

    with pytest.raises(KeyboardInterrupt), application.running(endpoint) as run:
        fail(run)

    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_leaves_no_process_behind(
    application: Application, number: signal.Signals
) -> None:
    arguments = [str(application.template), str(application.directory / "run")]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "up\n"
        children = psutil.Process(program.pid).children(recursive=True)

        program.send_signal(number)
        program.wait(timeout=60)

    # Where nobody reaps orphans, such as in a container without an init, they stay as zombies.
    _, alive = psutil.wait_procs(children, timeout=60)
    assert len(children) == 3  # the endpoint and a worker of each function
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
