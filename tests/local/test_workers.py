"""Workers on real processes, with small handlers written for each test."""

import json
import os
import signal
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pipeline.local.deployment import Function
from pipeline.local.execution.outcome import FunctionError, Outcome, Success, Throttled
from pipeline.local.execution.workers import ClosedError, FunctionWorkers, InvocationCounters

Start = Callable[..., FunctionWorkers]


class Seen:
    """What the workers called back."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.failures: list[tuple[str, str, tuple[str, ...]]] = []
        self.arrived = threading.Condition()

    def on_log(self, function: Function, line: str) -> None:
        assert function.logical_id == "Greeter"
        with self.arrived:
            self.lines.append(line)
            self.arrived.notify_all()

    def on_failure(self, function: Function, error: FunctionError, tail: tuple[str, ...]) -> None:
        self.failures.append((function.name, error.kind, tail))

    def wait_for_line(self, line: str) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: line in self.lines, timeout=60)


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def start(tmp_path: Path, seen: Seen) -> Iterator[Start]:
    started: list[FunctionWorkers] = []

    def start_workers(
        source: str,
        *,
        timeout_s: int = 10,
        reserved_concurrency: int | None = 1,
        max_concurrency: int = 1,
        handler: str = "greeter.handler",
    ) -> FunctionWorkers:
        code = tmp_path / "code"
        code.mkdir()
        (code / "greeter.py").write_text(textwrap.dedent(source))
        function = Function(
            logical_id="Greeter",
            name="stack-Greeter",
            arn="arn:aws:lambda:eu-central-1:123456789012:function:stack-Greeter",
            handler=handler,
            code_directory=code,
            environment={"GREETING": "good day"},
            timeout_s=timeout_s,
            memory_mb=256,
            role_arn="arn:aws:iam::123456789012:role/greeter",
            reserved_concurrency=reserved_concurrency,
        )
        workers = FunctionWorkers(
            function,
            aws_environment={
                "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
                "AWS_REGION": "eu-central-1",
            },
            directory=tmp_path,
            on_log=seen.on_log,
            on_failure=seen.on_failure,
            max_concurrency=max_concurrency,
        )
        started.append(workers)
        return workers

    yield start_workers
    for workers in started:
        workers.close()


def answer(outcome: Outcome) -> object:
    assert isinstance(outcome, Success), outcome
    return json.loads(outcome.payload)


def error(outcome: Outcome) -> FunctionError:
    assert isinstance(outcome, FunctionError), outcome
    return outcome


def test_the_handler_gets_the_event_and_its_answer_comes_back(start: Start) -> None:
    workers = start("def handler(event, context): return {'greeted': event['name']}")

    outcome = workers.invoke(b'{"name": "Ada"}')

    assert answer(outcome) == {"greeted": "Ada"}


def test_an_environment_is_kept_between_invocations(start: Start) -> None:
    workers = start("""
        calls = []
        def handler(event, context):
            calls.append(event)
            return len(calls)
    """)

    answers = [answer(workers.invoke(b"{}")) for _ in range(3)]

    assert answers == [1, 2, 3]


def test_the_function_sees_its_own_variables_and_lambdas_alone(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("SECRET_OF_THE_SHELL", "1")
    workers = start("""
        import os
        def handler(event, context): return dict(os.environ)
    """)

    environment = answer(workers.invoke(b"{}"))

    assert isinstance(environment, dict)
    assert "SECRET_OF_THE_SHELL" not in environment
    assert "PYTHONPATH" not in environment
    assert environment["GREETING"] == "good day"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "stack-Greeter"
    assert environment["AWS_LAMBDA_FUNCTION_VERSION"] == "$LATEST"
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert environment["AWS_REGION"] == "eu-central-1"
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert environment["LAMBDA_TASK_ROOT"] == str(tmp_path / "code")
    assert environment["_HANDLER"] == "greeter.handler"
    assert environment["TZ"] == ":UTC"


def test_every_worker_stops_when_the_workers_are_closed(start: Start) -> None:
    workers = start("def handler(event, context): return None")
    workers.invoke(b"{}")
    (pid,) = workers.pids

    workers.close()

    assert not psutil.pid_exists(pid)
    assert workers.pids == ()
    with pytest.raises(ClosedError):
        workers.invoke(b"{}")


def test_closing_ends_a_running_invocation_without_a_result(start: Start, seen: Seen) -> None:
    workers = start("""
        import time
        def handler(event, context):
            print("begun")
            time.sleep(60)
    """)
    raised: list[BaseException] = []

    def invoke() -> None:
        try:
            workers.invoke(b"{}")
        except ClosedError as closed:
            raised.append(closed)

    thread = threading.Thread(target=invoke)
    thread.start()
    seen.wait_for_line("begun")

    workers.close()
    thread.join()

    assert len(raised) == 1
    assert seen.failures == []


def test_closing_ends_what_a_handler_started(start: Start) -> None:
    workers = start("""
        import subprocess, sys
        def handler(event, context):
            return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid
    """)
    child = answer(workers.invoke(b"{}"))
    assert isinstance(child, int)
    process = psutil.Process(child)

    workers.close()

    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_function_that_takes_too_long_is_stopped_and_runs_again(start: Start, seen: Seen) -> None:
    workers = start(
        """
        import time
        def handler(event, context):
            print("asked to sleep", event)
            time.sleep(event)
            return "awake"
        """,
        timeout_s=3,
    )

    timed_out = error(workers.invoke(b"30"))
    again = answer(workers.invoke(b"0"))

    assert timed_out.kind == "timeout"
    assert timed_out.error_type == "Sandbox.Timedout"
    assert timed_out.message.endswith("Task timed out after 3.00 seconds")
    assert seen.failures == [("stack-Greeter", "timeout", ("asked to sleep 30",))]
    assert again == "awake"


def test_the_time_that_loading_takes_is_not_the_functions(start: Start) -> None:
    workers = start(
        """
        import time
        time.sleep(1.2)
        def handler(event, context): return "loaded"
        """,
        timeout_s=1,
    )

    assert answer(workers.invoke(b"{}")) == "loaded"


@pytest.mark.parametrize(
    ("statement", "cause"),
    [
        ("os._exit(0)", "Runtime exited without providing a reason"),
        ("os._exit(7)", "Runtime exited with error: exit status 7"),
        ("sys.exit(3)", "Runtime exited with error: exit status 3"),
        ("os.kill(os.getpid(), 9)", "Runtime exited with error: signal: SIGKILL"),
    ],
)
def test_a_crash_is_reported_with_the_last_lines_and_the_next_worker_is_fresh(
    start: Start, seen: Seen, statement: str, cause: str
) -> None:
    workers = start(f"""
        import os, sys
        def handler(event, context):
            if event == "crash":
                print("about to crash")
                {statement}
            return "well"
    """)

    crashed = error(workers.invoke(b'"crash"'))
    again = answer(workers.invoke(b'"go on"'))

    assert (crashed.kind, crashed.error_type) == ("crash", "Runtime.ExitError")
    assert crashed.message.endswith(f"Error: {cause}")
    assert seen.failures == [("stack-Greeter", "crash", ("about to crash",))]
    assert again == "well"


def test_a_worker_killed_from_outside_in_mid_invocation_is_a_crash(
    start: Start, seen: Seen
) -> None:
    workers = start("""
        import os, time
        def handler(event, context):
            print("begun")
            time.sleep(60)
    """)
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(workers.invoke(b"{}")))
    thread.start()
    seen.wait_for_line("begun")

    os.kill(workers.pids[0], signal.SIGKILL)
    thread.join(timeout=60)

    assert error(outcomes[0]).kind == "crash"


def test_a_worker_that_died_while_idle_is_replaced(start: Start, seen: Seen) -> None:
    workers = start("""
        import os
        def handler(event, context): return os.getpid()
    """)
    first = answer(workers.invoke(b"{}"))
    assert isinstance(first, int)
    os.kill(first, signal.SIGKILL)
    worker = workers._slots[0]
    assert worker is not None
    worker._watch.join(timeout=60)

    second = answer(workers.invoke(b"{}"))

    assert second != first
    assert seen.failures == []


def test_a_raised_error_is_worded_as_lambda_does_and_its_trace_is_shown(
    start: Start, seen: Seen
) -> None:
    workers = start("""
        def handler(event, context):
            raise KeyError("colour")
    """)

    raised = error(workers.invoke(b"{}"))

    assert (raised.kind, raised.error_type, raised.message) == (
        "unhandled",
        "KeyError",
        "'colour'",
    )
    ((_, _, tail),) = seen.failures
    assert tail[0] == "[ERROR] KeyError: 'colour'"
    assert tail[1] == "Traceback (most recent call last):"
    assert tail[-1].strip() == 'raise KeyError("colour")'


def test_a_module_that_does_not_import_fails_with_its_trace(start: Start, seen: Seen) -> None:
    workers = start("""
        import a_module_that_is_not_there
        def handler(event, context): return None
    """)

    failed = error(workers.invoke(b"{}"))

    assert (failed.kind, failed.error_type) == ("init", "Runtime.ImportModuleError")
    assert failed.message == (
        "Unable to import module 'greeter': No module named 'a_module_that_is_not_there'"
    )
    ((_, _, tail),) = seen.failures
    assert "    import a_module_that_is_not_there" in tail


@pytest.mark.parametrize(
    ("handler", "source", "error_type", "message"),
    [
        (
            "greeter.greet",
            "x = 1",
            "Runtime.HandlerNotFound",
            "Handler 'greet' missing on module 'greeter'",
        ),
        (
            "greeter.handler",
            "def handler(:",
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'greeter': invalid syntax (greeter.py, line 1)",
        ),
        ("greeter.handler", "raise ValueError('no setting')", "ValueError", "no setting"),
        (
            "nowhere.handler",
            "",
            "Runtime.ImportModuleError",
            "Unable to import module 'nowhere': No module named 'nowhere'",
        ),
        (
            # the runtime's own modules are out of a function's reach
            "worker_log.FunctionLog",
            "",
            "Runtime.ImportModuleError",
            "Unable to import module 'worker_log': No module named 'worker_log'",
        ),
    ],
)
def test_a_handler_that_cannot_be_loaded_is_named(
    start: Start, handler: str, source: str, error_type: str, message: str
) -> None:
    workers = start(source, handler=handler)

    failed = error(workers.invoke(b"{}"))

    assert (failed.kind, failed.error_type, failed.message) == ("init", error_type, message)


def test_output_goes_to_the_log_file_and_the_listener(
    start: Start, seen: Seen, tmp_path: Path
) -> None:
    workers = start("""
        import sys
        def handler(event, context):
            print("to output")
            print("to error: ü", file=sys.stderr)
    """)

    workers.invoke(b"{}")
    workers.close()

    log = (tmp_path / "logs" / "stack-Greeter.log").read_text(encoding="utf-8")
    assert log == "to output\nto error: ü\n"
    assert seen.lines == ["to output", "to error: ü"]


def test_beyond_the_reserved_concurrency_an_invocation_is_throttled(
    start: Start, seen: Seen
) -> None:
    workers = start(
        """
        import time
        def handler(event, context):
            print("begun")
            time.sleep(60)
        """,
        reserved_concurrency=1,
    )

    def hold() -> None:
        with pytest.raises(ClosedError):
            workers.invoke(b"{}")

    thread = threading.Thread(target=hold)
    thread.start()
    seen.wait_for_line("begun")

    outcome = workers.invoke(b"{}")

    workers.close()
    thread.join()
    assert outcome == Throttled()
    assert workers.counters.throttles == 1


def test_without_a_reservation_an_invocation_waits_for_a_worker(start: Start) -> None:
    workers = start("def handler(event, context): return event", reserved_concurrency=None)
    outcomes: list[Outcome] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(workers.invoke(b'"done"')))
        for _ in range(4)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [answer(outcome) for outcome in outcomes] == ["done"] * 4
    assert workers.counters.throttles == 0


def test_consecutive_batches_meet_different_environments(start: Start) -> None:
    workers = start(
        """
        import os
        def handler(event, context): return os.getpid()
        """,
        reserved_concurrency=2,
        max_concurrency=2,
    )

    pids = {answer(workers.invoke(b"{}")) for _ in range(12)}

    assert len(pids) == 2
    assert set(workers.pids) == pids


def test_invocations_and_errors_are_counted(start: Start) -> None:
    workers = start("""
        def handler(event, context):
            if event == "fail":
                raise ValueError
    """)

    workers.invoke(b'"pass"')
    workers.invoke(b'"fail"')

    counters = workers.counters
    assert counters == InvocationCounters(
        invocations=2, errors=1, throttles=0, duration_s=counters.duration_s
    )
    assert counters.duration_s > 0
