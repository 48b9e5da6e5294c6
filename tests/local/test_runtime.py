"""The runtime client and the Runtime API, over a real worker process."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import psutil
import pytest

from pipeline.local.deployment import Function
from pipeline.local.execution.outcome import FunctionError, Outcome, Success
from pipeline.local.execution.runtime_api import Report
from pipeline.local.execution.worker import Interruption, Worker
from pipeline.local.execution.worker_log import FunctionLog
from pipeline.local.execution.workers import worker_environment

Start = Callable[[str], Worker]

PARENT = """
import sys, pathlib
from pipeline.local.deployment import Function
from pipeline.local.execution.worker import Worker
from pipeline.local.execution.worker_log import FunctionLog
from pipeline.local.execution.workers import worker_environment

directory = pathlib.Path(sys.argv[1])
function = Function(
    "F", "f", "arn:f", "greeter.handler", directory, {}, 60, 128, "arn:role"
)
environment = worker_environment(function, {}) | {"AWS_LAMBDA_LOG_STREAM_NAME": "s"}
log = FunctionLog(directory / "f.log", lambda line: print(worker.pid, line, flush=True))
worker = Worker(function, environment, log)
worker.invoke("request", b"{}", "Root=1", lambda: 0)
"""


def greeter(directory: Path) -> Function:
    return Function(
        logical_id="Greeter",
        name="stack-Greeter",
        arn="arn:aws:lambda:eu-central-1:123456789012:function:stack-Greeter",
        handler="greeter.handler",
        code_directory=directory,
        environment={},
        timeout_s=7,
        memory_mb=256,
        role_arn="arn:aws:iam::123456789012:role/greeter",
    )


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def start(tmp_path: Path, lines: list[str]) -> Iterator[Start]:
    log = FunctionLog(tmp_path / "greeter.log", lines.append)
    started: list[Worker] = []

    def start_worker(source: str) -> Worker:
        (tmp_path / "greeter.py").write_text(textwrap.dedent(source))
        function = greeter(tmp_path)
        environment = {
            **worker_environment(function, {}),
            "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
        }
        started.append(Worker(function, environment, log))
        return started[-1]

    yield start_worker
    for worker in started:
        worker.close()
    log.close()


def invoke(worker: Worker, event: str = "{}") -> Outcome:
    return worker.invoke("request-1", event.encode(), "Root=1-2-3;Sampled=0", lambda: 2e9)


def answer(outcome: Outcome) -> object:
    assert isinstance(outcome, Success), outcome
    return json.loads(outcome.payload)


def test_the_context_is_the_invocations(start: Start) -> None:
    worker = start("""
        import os
        def handler(event, context):
            return {
                "request": context.aws_request_id,
                "name": context.function_name,
                "version": context.function_version,
                "memory": context.memory_limit_in_mb,
                "arn": context.invoked_function_arn,
                "group": context.log_group_name,
                "stream": context.log_stream_name,
                "identity": context.identity,
                "trace": os.environ["_X_AMZN_TRACE_ID"],
            }
    """)

    context = answer(invoke(worker))

    assert context == {
        "request": "request-1",
        "name": "stack-Greeter",
        "version": "$LATEST",
        "memory": "256",
        "arn": "arn:aws:lambda:eu-central-1:123456789012:function:stack-Greeter",
        "group": "/aws/lambda/stack-Greeter",
        "stream": "stream",
        "identity": None,
        "trace": "Root=1-2-3;Sampled=0",
    }


def test_the_remaining_time_counts_to_the_functions_timeout(start: Start) -> None:
    worker = start("""
        import time
        def handler(event, context):
            before = time.time()
            remaining_s = context.get_remaining_time_in_millis() / 1000
            return [before + remaining_s, time.time() + remaining_s]
    """)

    deadlines = answer(invoke(worker))

    assert isinstance(deadlines, list)
    earliest, latest = deadlines
    assert earliest - 0.01 <= 2_000_000_007 <= latest + 0.01  # rounded to milliseconds twice


def test_a_decimal_is_answered_as_a_number(start: Start) -> None:
    worker = start("""
        from decimal import Decimal
        def handler(event, context): return [Decimal("3"), Decimal("0.5")]
    """)

    assert answer(invoke(worker)) == [3, 0.5]


def test_an_answer_that_is_no_json_is_a_marshal_error(start: Start) -> None:
    worker = start("def handler(event, context): return {'when': b'now'}")

    outcome = invoke(worker)

    assert isinstance(outcome, FunctionError)
    assert (outcome.kind, outcome.error_type) == ("unhandled", "Runtime.MarshalError")
    assert outcome.message == (
        "Unable to marshal response: Object of type bytes is not JSON serializable"
    )


def test_an_answer_over_six_megabytes_is_refused_and_the_worker_goes_on(start: Start) -> None:
    worker = start("def handler(event, context): return 'x' * event")

    outcome = invoke(worker, str(6_291_555))
    again = answer(invoke(worker, "2"))

    assert isinstance(outcome, FunctionError)
    assert outcome.error_type == "Function.ResponseSizeTooLarge"
    assert outcome.message == "the answer has 6291557 bytes, the limit is 6291556"
    assert again == "xx"


def test_a_plain_logger_writes_in_lambdas_format(start: Start, lines: list[str]) -> None:
    worker = start("""
        import logging
        def handler(event, context): logging.getLogger("shop").warning("out of stock")
    """)

    invoke(worker)
    worker.close()

    (line,) = lines
    level, moment, request, message = line.split("\t")
    assert (level, request, message) == ("[WARNING]", "request-1", "out of stock")
    assert moment.endswith("Z")


def test_a_handler_finds_its_standard_input_empty(start: Start) -> None:
    worker = start("""
        import sys
        def handler(event, context): return sys.stdin.read()
    """)

    assert answer(invoke(worker)) == ""


@pytest.mark.parametrize("kind", ["crash", "timeout"])
def test_what_a_worker_has_reported_just_before_an_interruption_counts(
    start: Start, kind: Literal["crash", "timeout"]
) -> None:
    worker = start("def handler(event, context): return event")
    invoke(worker)
    worker._reports.put(Report("error", b'{"errorType": "KeyError", "errorMessage": "colour"}'))

    outcome = worker._interrupt(Interruption(kind, 0.0, 0.1), "request-1", lambda: 2e9)

    assert isinstance(outcome, FunctionError)
    assert (outcome.error_type, outcome.is_injected) == ("KeyError", False)
    assert not worker.is_alive


def test_a_worker_ends_with_its_parent_even_in_mid_invocation(tmp_path: Path) -> None:
    (tmp_path / "greeter.py").write_text(
        "import time\ndef handler(event, context):\n    print('begun')\n    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid, line = parent.stdout.readline().split()
        worker = psutil.Process(int(pid))

        os.kill(parent.pid, signal.SIGKILL)

    assert line == "begun"
    # Where nobody reaps orphans, such as in a container without an init, it stays as a zombie.
    _, alive = psutil.wait_procs([worker], timeout=60)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
