"""A SAM template running on this machine: endpoint, deployment, workers and event sources."""

import fcntl
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType, TracebackType
from typing import NamedTuple, NoReturn, Self

from pipeline.local.checkpoints import Checkpoints
from pipeline.local.deploy import deploy
from pipeline.local.deployment import Deployment
from pipeline.local.endpoint import Endpoint
from pipeline.local.execution.runtimes import lambda_runtime
from pipeline.local.execution.workers import InvocationCounters
from pipeline.local.faults import FaultPlan
from pipeline.local.invoke_api import InvokeApi
from pipeline.local.lambda_service import (
    LambdaService,
    LambdaSettings,
    OnEvent,
    RunError,
    RunEvent,
)
from pipeline.local.own_services import OwnServices
from pipeline.local.rekognition import Declared

__all__ = ["DrainProgress", "DrainTimeoutError", "FaultCount", "LocalRun", "RunError", "RunEvent"]

_DRAIN_CHECK_S = 0.05


class DrainTimeoutError(RunError):
    """The streams did not become empty in time; the message names what is pending."""


@dataclass(frozen=True, slots=True)
class DrainProgress:
    """Records read from all streams so far, and the shards that have something to settle."""

    records_read: int
    pending: tuple[str, ...]


class FaultCount(NamedTuple):
    """How often a kind of injected fault has struck.

    `function` is a logical id; `place` says what went wrong, its invocation or its calls of a
    service.
    """

    function: str
    place: str
    kind: str
    times: int


class LocalRun:
    """Runs a template; a context manager whose end leaves no process and no thread behind.

    The state of an endpoint of its own dies with the run, so each such run starts anew. On an
    endpoint that the user brings, the sources resume at the checkpoints in `directory`.

    Args:
        template: The SAM template.
        directory: Where the run keeps its logs and checkpoints, for one run at a time; may be an
            earlier run's.
        stack_name: Name of the stack.
        parameters: Values of the template's parameters.
        endpoint: The endpoint to run on, started by the run; an own moto server without one.
        on_event: Told of log lines, failures and problems, from several threads.
        settings: How the local Lambda differs from the real one.
        faults: What is to go wrong with invocations, and on an own endpoint with calls of AWS;
            an endpoint that is given has a plan of its own.
        moderation: What the local Rekognition answers about unsafe images; nothing without it.
        packages: Folders of built packages by the function's logical id, to be run by Lambda's own
            client in place of the template's code directories.
    """

    endpoint: Endpoint
    deployment: Deployment

    def __init__(  # noqa: PLR0913  the docstring says what each is for
        self,
        template: Path,
        *,
        directory: Path,
        stack_name: str = "streamwarden-local",
        parameters: Mapping[str, str] | None = None,
        endpoint: Endpoint | None = None,
        on_event: OnEvent = lambda event: None,  # noqa: ARG005  nobody listens
        settings: LambdaSettings | None = None,
        faults: FaultPlan | None = None,
        moderation: Declared | None = None,
        packages: Mapping[str, Path] | None = None,
    ) -> None:
        self.endpoint = endpoint or Endpoint(faults=faults)
        self._template = template
        self._directory = directory
        self._stack_name = stack_name
        self._parameters = dict(parameters or {})
        self._on_event = on_event
        self._settings = settings
        self._faults = faults
        self._packages = packages
        self.services = OwnServices(self.endpoint, moderation)
        self._exit = ExitStack()

    @property
    def invocations(self) -> Mapping[str, InvocationCounters]:
        """What each function has done so far, by logical id."""
        return self._lambda.invocations

    def faults(self) -> list[FaultCount]:
        """Count the injected faults so far, by function, place and kind."""
        counts = Counter[tuple[str, str, str]]()
        for function, kinds in self._lambda.faults().items():
            for kind, times in kinds.items():
                counts[function, "invocation", kind] += times
        for call in self.endpoint.faults():
            counts[call.caller, call.service, call.kind] += call.times
        return [FaultCount(*what, times) for what, times in sorted(counts.items())]

    def fire(self, logical_id: str, at: datetime | None = None) -> None:
        """Fire a schedule, or a rule that has one, at once.

        Args:
            logical_id: The schedule's or rule's.
            at: The time that the event tells, with a time zone; now without it.

        Raises:
            LookupError: There is no such schedule, or it is disabled.
        """
        moment = at or datetime.now(UTC)  # noqa: TID251  the present is what was asked for
        self._lambda.fire(logical_id, moment.timestamp())

    def is_drained(self) -> bool:
        """Whether all that is in the streams at this moment is settled, and nothing follows of it.

        Looks twice, so it takes about two polls.

        Raises:
            RunError: A source has stopped, so nothing will ever be drained.
        """
        before = self.services.activity
        if before.running or not self._lambda.is_drained():
            return False
        return self.services.activity == before

    def wait_until_drained(
        self, timeout_s: float, on_progress: Callable[[DrainProgress], None] | None = None
    ) -> None:
        """Wait until `is_drained`, calling `on_progress` after each look.

        Raises:
            DrainTimeoutError: It takes longer.
            RunError: A source has stopped.
        """
        deadline = time.monotonic() + timeout_s
        while not self.is_drained():
            progress = DrainProgress(self._lambda.fetched, self._lambda.pending())
            if on_progress:
                on_progress(progress)
            if time.monotonic() >= deadline:
                pending = "; ".join(progress.pending) or "records keep arriving"
                raise DrainTimeoutError(f"not drained after {timeout_s:.0f} s: {pending}")
            time.sleep(_DRAIN_CHECK_S)

    def __enter__(self) -> Self:
        """Start the endpoint, deploy the template, start the sources.

        Raises:
            RunError: Another run is in the directory.
            RuntimeUnavailableError: There are packages, and Lambda's client is not installed.
        """
        runtime = lambda_runtime(self._directory) if self._packages else None
        with ExitStack() as stack:
            stack.enter_context(_termination_unwinds())
            stack.enter_context(_alone_in(self._directory))
            stack.enter_context(self.endpoint)
            stack.enter_context(self.services)
            self.deployment = deploy(
                self._template,
                self.endpoint,
                stack_name=self._stack_name,
                parameters=self._parameters,
                on_services=self.services.start,
                packages=self._packages,
            )
            own = self.endpoint.is_embedded
            self._lambda = LambdaService(
                self.deployment,
                self.endpoint,
                directory=self._directory,
                checkpoints=Checkpoints(None if own else self._directory / "checkpoints.json"),
                on_event=self._on_event,
                settings=self._settings,
                faults=self._faults,
                runtime=runtime,
            )
            stack.callback(self._lambda.close)
            self._lambda.start()
            invoke_api = InvokeApi(self.deployment.functions, self._lambda.invoke)
            stack.callback(invoke_api.close)
            self.endpoint.add_service("lambda", invoke_api.url)
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop sources, workers and endpoint, in this order; a second Ctrl-C does not interrupt."""
        with _uninterrupted():
            self._exit.close()


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Keep other runs out of a directory; the system lets go of the lock when a process dies."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError(
                f"another run uses {directory}: end it first, or start this one elsewhere"
            ) from error
        yield


@contextmanager
def _termination_unwinds() -> Iterator[None]:
    """Let SIGTERM end the program as Ctrl-C does: through every `with` block."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers; its own ones stay
        return

    def unwind(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001  signal's signature
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
