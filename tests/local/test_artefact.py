"""Packages of real functions, built of what is installed here, and run as Lambda runs them."""

import json
import platform
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.cli.artefact.budgets import overspent
from pipeline.cli.artefact.cold_start import can_start, start_code
from pipeline.cli.artefact.distributions import architecture_here, installed
from pipeline.cli.artefact.package import Package, Packer, write
from pipeline.local.deployment import Function
from pipeline.local.execution.outcome import FunctionError
from pipeline.local.execution.runtimes import lambda_runtime
from pipeline.local.execution.worker import Worker
from pipeline.local.execution.worker_log import FunctionLog
from pipeline.local.execution.workers import worker_environment
from pipeline.local.run import LocalRun, RunEvent

ROOT = Path(__file__).resolve().parents[2]
EVENTS = "consumers.kinesis_events.handler"
THUMBNAILS = "consumers.sqs_thumbnails.handler"

ARCHITECTURE = architecture_here(platform.machine())

pytestmark = pytest.mark.skipif(
    ARCHITECTURE is None or not can_start(ARCHITECTURE),
    reason="packages run on Linux with the functions' version of CPython",
)


@pytest.fixture(scope="module")
def packer() -> Packer:
    return Packer(ROOT, installed(ROOT / "requirements" / "lambda.txt"))


@pytest.fixture(scope="module")
def events(packer: Packer, tmp_path_factory: pytest.TempPathFactory) -> Package:
    output = tmp_path_factory.mktemp("events")
    return write(packer.contents(EVENTS), "KinesisEventsFunction", output)


def test_a_package_has_what_the_function_imports_and_nothing_else(packer: Packer) -> None:
    contents = packer.contents(EVENTS)

    own = contents.files["streamwarden"]
    assert contents.services >= {"dynamodb", "kinesis", "s3"}
    assert {"consumers/kinesis_events.py", "pipeline/detection/rules.toml"} <= set(own)
    assert [path for path in own if "cli/" in path or "local/" in path or "sqs_" in path] == []
    assert {"pillow", "moto", "click"} & set(contents.files) == set()
    assert {"boto3", "botocore", "msgspec", "aws-lambda-powertools"} <= set(contents.files)


def test_the_functions_that_heed_maintenance_windows_bring_the_time_zones(packer: Packer) -> None:
    contents = packer.contents("consumers.dynamodb_alerts.handler")

    assert "tzdata/zoneinfo/Europe/Berlin" in contents.files["tzdata"]


def test_two_builds_of_the_same_sources_are_the_same_bytes(
    packer: Packer, events: Package, tmp_path: Path
) -> None:
    again = write(packer.contents(EVENTS), "KinesisEventsFunction", tmp_path)

    assert again.archive.read_bytes() == events.archive.read_bytes()


def test_folder_and_zip_file_hold_the_same_and_as_much_as_is_said(events: Package) -> None:
    files = {
        path.relative_to(events.folder).as_posix(): path.read_bytes()
        for path in events.folder.rglob("*")
        if path.is_file()
    }

    with zipfile.ZipFile(events.archive) as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}

    assert packed == files
    assert sum(map(len, files.values())) == events.size


def test_the_event_function_and_the_thumbnails_are_within_their_budgets(
    packer: Packer, events: Package, tmp_path: Path
) -> None:
    thumbnails = write(packer.contents(THUMBNAILS), "SqsThumbnailsFunction", tmp_path)

    lines = [*overspent(events, None), *overspent(thumbnails, None)]

    assert "pillow" in thumbnails.sizes
    assert "pillow" not in events.sizes
    assert lines == []


def test_the_start_is_the_module_and_a_client_of_each_service() -> None:
    code = start_code("consumers.kinesis_events.handler", {"s3", "dynamodb"})

    assert code.splitlines() == [
        "import consumers.kinesis_events",
        "from pipeline.adapters import aws",
        "aws.client('dynamodb')",
        "aws.client('s3')",
    ]


@pytest.fixture
def failures() -> list[RunEvent]:
    return []


@pytest.fixture
def run(events: Package, tmp_path: Path, failures: list[RunEvent]) -> Iterator[LocalRun]:
    def note(event: RunEvent) -> None:
        if event.kind in {"failure", "problem"}:
            failures.append(event)

    with LocalRun(
        ROOT / "template.yaml",
        directory=tmp_path,
        packages={"KinesisEventsFunction": events.folder},
        on_event=note,
    ) as started:
        yield started


def test_lambdas_own_client_runs_a_package_from_event_to_row(
    run: LocalRun, failures: list[RunEvent], tmp_path: Path
) -> None:
    names = run.deployment.physical_ids
    event = {
        "event_type": "system_metric",
        "source": "web-7",
        "metric_name": "disk_usage",
        "value": 12.5,
        "unit": "%",
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),  # noqa: TID251  a record of now
    }

    run.endpoint.client("kinesis").put_record(
        StreamName=names["EventStream"], PartitionKey="web-7", Data=json.dumps(event).encode()
    )
    run.wait_until_drained(60)

    rows = run.endpoint.client("dynamodb").scan(TableName=names["MetricsTable"])["Items"]
    assert [row["source"]["S"] for row in rows] == ["web-7"]
    assert failures == []
    log = (tmp_path / "logs").glob("*KinesisEvents*.log")
    assert "batch processed" in "".join(path.read_text() for path in log)


def test_lambdas_client_finds_no_library_of_this_interpreter(tmp_path: Path) -> None:
    (tmp_path / "lonely.py").write_text("import boto3\n")
    function = Function("F", "f", "arn:f", "lonely.handler", tmp_path, {}, 60, 128, "arn:role")
    environment = worker_environment(function, {}) | {"AWS_LAMBDA_LOG_STREAM_NAME": "s"}
    log = FunctionLog(tmp_path / "f.log", lambda line: None)  # noqa: ARG005  nobody listens
    worker = Worker(function, environment, log, lambda_runtime(tmp_path))

    failed = worker.invoke("request", b"{}", "Root=1", lambda: 0.0)

    worker.close()
    log.close()
    assert isinstance(failed, FunctionError)
    assert failed.message == "Unable to import module 'lonely': No module named 'boto3'"
