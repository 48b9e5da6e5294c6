"""The workers of a function: its execution environments, as many as run at once."""

import os
import random
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pipeline.local.deployment import Function
from pipeline.local.execution.faults import SUSPENSION_S, Fault, FaultKind, InvocationFaults
from pipeline.local.execution.outcome import FunctionError, Outcome, Success, Throttled
from pipeline.local.execution.runtimes import Runtime, own_runtime
from pipeline.local.execution.worker import Interruption, Worker
from pipeline.local.execution.worker_log import FunctionLog

UNRESERVED_CONCURRENCY: Final = 2
"""Invocations that a function without reserved concurrency runs at once; more wait."""

MAX_CONCURRENCY: Final = 4
"""Invocations that any function runs at once: the laptop's bound, not Lambda's."""

_USUAL_DURATION_S = 0.1

OnLog = Callable[[Function, str], None]
OnFailure = Callable[[Function, FunctionError, tuple[str, ...]], None]
OnFault = Callable[[Function, FaultKind], None]


class ClosedError(Exception):
    """The workers were closed before the invocation came to an end; its result does not count."""


@dataclass(frozen=True, slots=True)
class InvocationCounters:
    """What a function has done so far; `errors` are invocations that were reached and failed.

    Injected failures count as all others; injected throttles do not.
    """

    invocations: int = 0
    errors: int = 0
    throttles: int = 0
    duration_s: float = 0.0


class FunctionWorkers:
    """Runs a function's invocations on worker processes, which start on demand.

    Each invocation goes to a random free slot, whose process is started when there is none, since
    Lambda promises no environment to a shard. Beyond the reserved concurrency an invocation is
    throttled. Where `max_concurrency` alone is the bound, it waits instead, because that bound is
    the laptop's and not Lambda's; then there is one process more than may run at once, so that a
    caller who has just freed one and comes again has a choice of two.

    Args:
        function: What to run.
        aws_environment: Variables that lead the function's AWS clients to the endpoint.
        directory: The run's directory; output goes to `logs/<function>.log` in it.
        on_log: Called with each line of output, from several threads.
        on_failure: Called with each failure and the worker's last lines, before the result returns;
            not with injected ones.
        on_fault: Called with each injected fault that has struck.
        max_concurrency: Bound on the invocations that run at once.
        seed: Seed of the choice among the free slots.
        faults: What is to go wrong; a clock that is off only where the runtime can show one.
        runtime: What the processes run.
        clock: Seconds since the epoch.
    """

    def __init__(  # noqa: PLR0913  the docstring says what each is for
        self,
        function: Function,
        *,
        aws_environment: Mapping[str, str],
        directory: Path,
        on_log: OnLog,
        on_failure: OnFailure,
        on_fault: OnFault = lambda function, kind: None,  # noqa: ARG005  nobody listens
        max_concurrency: int = MAX_CONCURRENCY,
        seed: int = 0,
        faults: InvocationFaults | None = None,
        runtime: Runtime | None = None,
        clock: Callable[[], float] = time.time,  # noqa: TID251  the clock is given here
    ) -> None:
        self.function = function
        self._environment = worker_environment(function, aws_environment)
        self._log = FunctionLog(
            directory / "logs" / f"{function.name}.log", lambda line: on_log(function, line)
        )
        self._on_failure = on_failure
        self._on_fault = on_fault
        self._faults = faults
        self._runtime = runtime or own_runtime()
        self._clock = clock
        self._random = random.Random(f"{seed} {function.logical_id}")  # noqa: S311  routing
        reserved = function.reserved_concurrency
        wanted = UNRESERVED_CONCURRENCY if reserved is None else reserved
        self._concurrency = min(wanted, max_concurrency)
        processes = self._concurrency + (self._concurrency != reserved)
        self._slots: list[Worker | None] = [None] * processes
        self._reserved = reserved
        self._free = set(range(processes))
        self._running = 0
        self._changed = threading.Condition()
        self._is_closed = False
        self._counters = InvocationCounters()

    @property
    def counters(self) -> InvocationCounters:
        """What the function has done so far."""
        return self._counters

    @property
    def cut_to(self) -> int | None:
        """How many invocations run at once where more are reserved; None where all of them may."""
        is_cut = self._reserved is not None and self._concurrency < self._reserved
        return self._concurrency if is_cut else None

    @property
    def pids(self) -> tuple[int, ...]:
        """The running worker processes."""
        return tuple(worker.pid for worker in self._slots if worker and worker.is_alive)

    def invoke(self, event: bytes, request_id: str | None = None) -> Outcome:
        """Run the handler on an event, given as JSON text, and wait for the end.

        The retries of one asynchronous invocation have the same request id; else it is a new one.

        Raises:
            ClosedError: The workers were closed meanwhile.
        """
        fault = self._faults.next_invocation() if self._faults else None
        if fault and fault.kind == "throttled":
            self._struck(fault)
            return Throttled()
        with self._changed:
            if self._reserved is not None and self._running >= self._reserved:
                self._counters = replace(self._counters, throttles=self._counters.throttles + 1)
                return Throttled()
            self._running += 1
        try:
            with self._slot() as slot:
                outcome = self._invoke_on(slot, request_id or str(uuid.uuid4()), event, fault)
        finally:
            with self._changed:
                self._running -= 1
        if fault and fault.kind == "answer lost" and isinstance(outcome, Success):
            self._struck(fault)
            return Throttled()
        return outcome

    def close(self) -> None:
        """End every worker; invocations that run raise `ClosedError`. Safe to repeat."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            workers = [worker for worker in self._slots if worker]
        for worker in workers:
            worker.close()
        with self._changed:
            self._changed.wait_for(lambda: len(self._free) == len(self._slots), timeout=5)
        self._log.close()

    @contextmanager
    def _slot(self) -> Iterator[int]:
        with self._changed:
            self._changed.wait_for(lambda: self._has_room() or self._is_closed)
            if self._is_closed:
                raise ClosedError(self.function.name)
            slot = self._random.choice(sorted(self._free))
            self._free.remove(slot)
        try:
            yield slot
        finally:
            with self._changed:
                self._free.add(slot)
                self._changed.notify_all()

    def _has_room(self) -> bool:
        return len(self._slots) - len(self._free) < self._concurrency

    def _invoke_on(self, slot: int, request_id: str, event: bytes, fault: Fault | None) -> Outcome:
        worker = self._worker(slot)
        started = time.monotonic()
        outcome = worker.invoke(
            request_id,
            event,
            _trace_id(self._clock()),
            self._clock,
            self._interruption(fault),
        )
        if self._is_closed:
            raise ClosedError(self.function.name)
        self._count(outcome, time.monotonic() - started)
        if isinstance(outcome, FunctionError):
            if outcome.kind != "unhandled":
                worker.kill()
            if fault and outcome.is_injected:
                self._struck(fault)
            else:
                self._on_failure(self.function, outcome, worker.tail())
        return outcome

    def _interruption(self, fault: Fault | None) -> Interruption | None:
        match fault:
            case Fault(("crash" | "timeout") as kind, moment):
                counters = self._counters
                usual_s = counters.duration_s / (counters.invocations or 1) or _USUAL_DURATION_S
                return Interruption(kind, moment * usual_s, SUSPENSION_S)
        return None

    def _struck(self, fault: Fault) -> None:
        assert self._faults is not None  # it has chosen the fault
        self._faults.struck(fault.kind)
        self._on_fault(self.function, fault.kind)

    def _worker(self, slot: int) -> Worker:
        worker = self._slots[slot]
        if worker and worker.is_alive:
            return worker
        if worker:
            worker.kill()
        stream = f"[$LATEST]{uuid.uuid4().hex}"
        environment = {**self._environment, "AWS_LAMBDA_LOG_STREAM_NAME": stream}
        if self._faults and self._runtime.has_clock:
            environment["LOCAL_RUN_CLOCK_SKEW_S"] = str(self._faults.next_skew_s())
            self._faults.struck("skewed clock")
        with self._changed:  # close() either sees the new worker or keeps it from starting
            if self._is_closed:
                raise ClosedError(self.function.name)
            worker = Worker(self.function, environment, self._log, self._runtime)
            self._slots[slot] = worker
        return worker

    def _count(self, outcome: Outcome, duration_s: float) -> None:
        with self._changed:
            before = self._counters
            self._counters = replace(
                before,
                invocations=before.invocations + 1,
                errors=before.errors + isinstance(outcome, FunctionError),
                duration_s=before.duration_s + duration_s,
            )


def worker_environment(function: Function, aws_environment: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of a worker but for what differs between workers.

    As on Lambda the function sees its own variables and Lambda's, nothing of the shell that started
    the run. Source: AWS Lambda Developer Guide, "Defined runtime environment variables".
    """
    return {
        **function.environment,
        **aws_environment,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python{}.{}".format(*sys.version_info[:2]),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        # The user's profile on this machine is none of the function's business.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        # There is no X-Ray daemon.
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_SDK_ENABLED": "false",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "LAMBDA_TASK_ROOT": str(function.code_directory.absolute()),
        "LANG": "en_US.UTF-8",
        "PATH": os.defpath,
        "PYTHONIOENCODING": "utf-8",
        "TZ": ":UTC",
        "_HANDLER": function.handler,
    }


def _trace_id(now: float) -> str:
    random_part = uuid.uuid4().hex
    return f"Root=1-{int(now):08x}-{random_part[:24]};Parent={uuid.uuid4().hex[:16]};Sampled=0"
