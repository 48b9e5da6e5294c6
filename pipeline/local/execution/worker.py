"""One worker: a process that runs a function's handler, and the Runtime API that feeds it."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from pipeline.local.deployment import Function
from pipeline.local.execution.outcome import FailureKind, FunctionError, Outcome, Success
from pipeline.local.execution.runtime_api import Invocation, Report, RuntimeApi
from pipeline.local.execution.worker_log import FunctionLog, WorkerOutput

INIT_TIMEOUT_S: Final = 10.0
"""Time for loading the handler before the function's own timeout begins to count.

Source: AWS Lambda Developer Guide, "Lambda execution environment lifecycle": init phase.
"""

_CLIENT = Path(__file__).with_name("runtime_client.py")
_TERMINATION_GRACE_S = 2.0


@dataclass(frozen=True, slots=True)
class Interruption:
    """What is done to a worker in mid-invocation, unless it has answered by then.

    After `after_s` a crash kills it; a timeout suspends it, and `suspension_s` later its time is
    said to be over.
    """

    kind: Literal["crash", "timeout"]
    after_s: float
    suspension_s: float


class Worker:
    """An execution environment of a function; takes one invocation at a time.

    The process starts with the object and runs in a session of its own, so that Ctrl-C in the
    terminal reaches the local run alone, which then closes its workers in order.
    """

    def __init__(
        self, function: Function, environment: Mapping[str, str], log: FunctionLog
    ) -> None:
        self._function = function
        self._reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self._api = RuntimeApi(self._reports)
        self._is_ready = False
        self._is_killed = False
        self._process = subprocess.Popen(  # noqa: S603  the command is this interpreter and our file
            [sys.executable, "-u", str(_CLIENT)],
            cwd=function.code_directory,
            env={**environment, "AWS_LAMBDA_RUNTIME_API": self._api.address},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._output = WorkerOutput(self._process.stdout, log)
        self._watch = threading.Thread(target=self._wait, name="worker-watch", daemon=True)
        self._watch.start()

    @property
    def pid(self) -> int:
        """The process id, which is the id of its process group as well."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def invoke(
        self,
        request_id: str,
        event: bytes,
        trace_id: str,
        clock: Callable[[], float],
        interruption: Interruption | None = None,
    ) -> Outcome:
        """Run the handler once; after any failure but `unhandled` the worker is of no more use."""
        if not self._is_ready:
            report = self._next_report(INIT_TIMEOUT_S + self._function.timeout_s)
            if report is None or report.kind != "ready":
                return self._failure(request_id, report, clock)
            self._is_ready = True
        deadline_ms = round((clock() + self._function.timeout_s) * 1000)
        self._api.offer(Invocation(request_id, event, deadline_ms, self._function.arn, trace_id))
        report = self._next_report(
            min(interruption.after_s, self._function.timeout_s)
            if interruption
            else self._function.timeout_s
        )
        if interruption and report is None:
            return self._interrupt(interruption, request_id, clock)
        return self._outcome(request_id, report, clock)

    def tail(self) -> tuple[str, ...]:
        """Return the last lines of its output."""
        return self._output.tail()

    def close(self) -> None:
        """End the process and whatever it started; safe to repeat, and while an invocation runs."""
        if not self._is_killed:
            self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_TERMINATION_GRACE_S)
        self.kill()

    def kill(self) -> None:
        """End the process and whatever it started at once; safe to repeat."""
        if self._is_killed:  # by now the group's number may be somebody else's
            return
        self._is_killed = True
        self._signal(signal.SIGKILL)
        self._watch.join()
        self._output.close()
        self._api.close()
        assert self._process.stdin is not None
        self._process.stdin.close()

    def _interrupt(
        self, interruption: Interruption, request_id: str, clock: Callable[[], float]
    ) -> Outcome:
        if interruption.kind == "crash":
            self._signal(signal.SIGKILL)
            report = self._next_report(None)
        else:
            self._signal(signal.SIGSTOP)
            report = self._next_report(interruption.suspension_s)
        if report is not None and report.kind != "exit":
            self.kill()  # it has answered just before, and cannot go on
            return self._outcome(request_id, report, clock)
        return replace(self._failure(request_id, report, clock), is_injected=True)

    def _signal(self, number: signal.Signals) -> None:
        # The group outlives the process as long as something that the handler started runs.
        # macOS answers PermissionError when only zombies are left in the group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _wait(self) -> None:
        status = self._process.wait()
        self._reports.put(Report("exit", str(status).encode()))

    def _next_report(self, timeout_s: float | None) -> Report | None:
        with contextlib.suppress(queue.Empty):
            return self._reports.get(timeout=timeout_s)
        return None

    def _outcome(
        self, request_id: str, report: Report | None, clock: Callable[[], float]
    ) -> Outcome:
        if report is not None and report.kind == "response":
            return Success(request_id, report.body)
        return self._failure(request_id, report, clock)

    def _failure(
        self, request_id: str, report: Report | None, clock: Callable[[], float]
    ) -> FunctionError:
        if report is None:
            moment = datetime.fromtimestamp(clock(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            limit = f"{self._function.timeout_s:.2f} seconds"
            message = f"{moment} {request_id} Task timed out after {limit}"
            return FunctionError(request_id, "timeout", "Sandbox.Timedout", message)
        if report.kind == "exit":
            cause = _exit_cause(int(report.body))
            message = f"RequestId: {request_id} Error: {cause}"
            return FunctionError(request_id, "crash", "Runtime.ExitError", message)
        error_type, message = report.error()
        kind: FailureKind = "init" if report.kind == "init_error" else "unhandled"
        return FunctionError(request_id, kind, error_type, message, answer=report.body)


def _exit_cause(status: int) -> str:
    if status == 0:
        return "Runtime exited without providing a reason"
    if status < 0:
        return f"Runtime exited with error: signal: {signal.Signals(-status).name}"
    return f"Runtime exited with error: exit status {status}"
