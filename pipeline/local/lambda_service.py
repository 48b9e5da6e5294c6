"""Plays Lambda for a deployment: its functions' workers and its event source mappings."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pipeline.local.checkpoints import Checkpoints
from pipeline.local.deployment import Deployment, EventSourceMapping, Function, QueueMapping
from pipeline.local.endpoint import Endpoint
from pipeline.local.execution.faults import FaultKind, InvocationFaults
from pipeline.local.execution.outcome import FunctionError, Outcome
from pipeline.local.execution.runtimes import Runtime
from pipeline.local.execution.workers import (
    MAX_CONCURRENCY,
    UNRESERVED_CONCURRENCY,
    FunctionWorkers,
    InvocationCounters,
)
from pipeline.local.faults import FaultPlan
from pipeline.local.semantics.stream_types import MappingPolicy
from pipeline.local.sources.async_events import AsyncEvents, AsyncSettings
from pipeline.local.sources.dynamodb import DynamodbReader
from pipeline.local.sources.kinesis import KinesisReader
from pipeline.local.sources.mapping_source import MappingSource
from pipeline.local.sources.queue import QueueContext, QueueSource, queue_policy
from pipeline.local.sources.shard_poller import MappingContext
from pipeline.local.sources.source import Progress, Source
from pipeline.local.sources.stream import StreamReader
from pipeline.local.sources.ttl import TimeToLive

_THREAD_END_S: Final = 5.0
_QUIET_TIMEOUT_S: Final = 10.0
_QUIET_CHECK_S: Final = 0.02
_QUEUE_INVOCATIONS: Final = 16
"""Most batches of a queue in flight where the function throttles what it cannot run."""

AllProgress = dict[tuple[str, str], Progress]
"""Progress by source and its part."""


@dataclass(frozen=True, slots=True)
class RunEvent:
    """Something that happened in the run, for the user's eyes.

    A `log` is a line of a function's output; a `failure` is an invocation that failed, with the
    worker's last lines; a `fault` is one that the user has asked for; a `note` tells where the run
    differs from the template; a `problem` is anything else the user must know. `subject` is the
    logical id of the function or mapping.
    """

    kind: Literal["log", "failure", "fault", "note", "problem"]
    subject: str
    message: str
    lines: tuple[str, ...] = ()


OnEvent = Callable[[RunEvent], None]


@dataclass(frozen=True, slots=True)
class LambdaSettings:
    """How the local Lambda differs from the real one.

    The waits are shorter: `poll_interval_s` between polls of an idle shard or queue, and
    `backoff_scale` times Lambda's own between attempts. A message that failed comes back after
    `visibility_scale` times what is left of its visibility timeout, at least a second. A function
    runs at most `max_concurrency` invocations at once; `seed` decides which worker gets which of
    them. At the end, invocations in flight get `stop_grace_s` to finish.

    An asynchronous event waits `async_wait_scale` times the minutes that Lambda lets it wait for a
    retry; what is left out counts for its age. Schedules fire by themselves only if
    `fires_schedules`; `LocalRun.fire` always does.
    """

    poll_interval_s: float = 0.1
    backoff_scale: float = 0.2
    visibility_scale: float = 0.01
    async_wait_scale: float = 1 / 60
    fires_schedules: bool = False
    max_concurrency: int = MAX_CONCURRENCY
    seed: int = 0
    stop_grace_s: float = 2.0


class RunError(Exception):
    """The local run cannot go on."""


class LambdaService:
    """Workers and sources of a deployment.

    Args:
        deployment: What to run.
        endpoint: The started endpoint that it stands on.
        directory: The run's directory, for the logs.
        checkpoints: Where the mappings resume.
        on_event: Called from several threads.
        settings: The differences from the real Lambda.
        faults: What is to go wrong with invocations.
        runtime: What the workers run; our own client without it.
        clock: Seconds since the epoch.
    """

    def __init__(  # noqa: PLR0913  the docstring says what each is for
        self,
        deployment: Deployment,
        endpoint: Endpoint,
        *,
        directory: Path,
        checkpoints: Checkpoints,
        on_event: OnEvent,
        settings: LambdaSettings | None = None,
        faults: FaultPlan | None = None,
        runtime: Runtime | None = None,
        clock: Callable[[], float] = time.time,  # noqa: TID251  the clock is given here
    ) -> None:
        self._deployment = deployment
        self._endpoint = endpoint
        self._checkpoints = checkpoints
        self._on_event = on_event
        self._settings = settings or LambdaSettings()
        self._clock = clock
        self._last_failure: dict[str, str] = {}
        self._time_to_live: dict[str, TimeToLive] = {}
        self._faults: dict[str, InvocationFaults] = {}
        if faults:
            self._faults = {name: InvocationFaults(faults, name) for name in deployment.functions}
        self._workers = {
            logical_id: FunctionWorkers(
                function,
                aws_environment=endpoint.environment(caller=logical_id),
                directory=directory,
                on_log=self._log,
                on_failure=self._failed,
                on_fault=self._struck,
                max_concurrency=self._settings.max_concurrency,
                seed=self._settings.seed,
                faults=self._faults.get(logical_id),
                runtime=runtime,
                clock=clock,
            )
            for logical_id, function in deployment.functions.items()
        }
        self._async = AsyncEvents(
            deployment,
            {name: workers.invoke for name, workers in self._workers.items()},
            endpoint.client,
            AsyncSettings(
                journal_url=endpoint.url if endpoint.is_embedded else None,
                wait_scale=self._settings.async_wait_scale,
                poll_interval_s=self._settings.poll_interval_s,
                fires_schedules=self._settings.fires_schedules,
            ),
            lambda subject, text: self._on_event(RunEvent("problem", subject, text)),
            clock,
        )
        self._sources: tuple[Source, ...] = ()

    @property
    def invocations(self) -> Mapping[str, InvocationCounters]:
        """What each function has done so far, by logical id."""
        return {name: workers.counters for name, workers in self._workers.items()}

    def faults(self) -> dict[str, dict[str, int]]:
        """Count the faults of invocations that have struck: function, kind, number."""
        return {name: faults.counts() for name, faults in self._faults.items()}

    def start(self) -> None:
        """Take the starting position of every mapping, then start polling.

        Raises:
            ValueError: A mapping needs what the local run cannot do; nothing has been started.
        """
        self._sources = tuple(
            MappingSource(self._context(mapping)) for mapping in self._deployment.mappings
        )
        self._sources += tuple(
            QueueSource(self._queue_context(mapping)) for mapping in self._deployment.queue_mappings
        )
        self._sources += tuple(self._async.sources)
        for name, workers in self._workers.items():
            if workers.cut_to is not None:
                reserved = workers.function.reserved_concurrency
                text = f"{reserved} invocations at once are reserved, {workers.cut_to} run here"
                self._on_event(RunEvent("note", name, text))
        for source in self._sources:
            source.start()

    def close(self) -> None:
        """Stop sources, then workers; what is in flight comes again in the next run."""
        for source in self._sources:
            source.stop()
        deadline = time.monotonic() + self._settings.stop_grace_s
        for source in self._sources:
            source.join(max(deadline - time.monotonic(), 0))
        with ThreadPoolExecutor(max(len(self._workers), 1)) as pool:
            list(pool.map(FunctionWorkers.close, self._workers.values()))
        for source in self._sources:
            if not source.join(_THREAD_END_S):
                self._on_event(RunEvent("problem", source.name, "a thread does not end"))

    def invoke(self, logical_id: str, event: bytes) -> Outcome:
        """Invoke a function synchronously with an event as JSON text."""
        return self._workers[logical_id].invoke(event)

    def fire(self, logical_id: str, moment: float) -> None:
        """Fire a schedule or a scheduled rule at once, as if a time in epoch seconds had come.

        Raises:
            LookupError: There is no such schedule.
        """
        self._async.fire(logical_id, moment)

    def is_drained(self) -> bool:
        """Whether all that is in the streams at this moment is settled, and nothing follows of it.

        Two looks at every shard, with two empty polls of each in between: nothing was in flight at
        the first, nothing was read until the second, so no function ran that could have written to
        another stream behind its poll.

        Raises:
            RunError: A poller has stopped, so nothing will ever be drained.
        """
        for source in self._sources:
            source.refresh()
        before = self._progress()
        deadline = time.monotonic() + _QUIET_TIMEOUT_S
        while time.monotonic() < deadline:
            now = self._progress()
            if _has_activity(before, now):
                return False
            if all(_is_read_since(before[shard], now[shard]) for shard in before):
                return True
            time.sleep(_QUIET_CHECK_S)
        return False

    def pending(self) -> tuple[str, ...]:
        """Name, in words, the shards that have something to settle."""
        return tuple(
            f"{source.name} {shard_id}{self._why(source)}"
            for source in self._sources
            for shard_id, progress in source.progress().items()
            if not progress.is_settled
        )

    @property
    def fetched(self) -> int:
        """How many records the sources have read so far."""
        return sum(progress.fetched for progress in self._progress().values())

    def _why(self, source: Source) -> str:
        failure = self._last_failure.get(source.function)
        return f" ({source.function} last failed with {failure})" if failure else ""

    def _progress(self) -> AllProgress:
        for source in self._sources:
            if source.failure is not None:
                raise RunError(f"{source.name} has stopped") from source.failure
        return {
            (source.name, shard_id): progress
            for source in self._sources
            for shard_id, progress in source.progress().items()
        }

    def _context(self, mapping: EventSourceMapping) -> MappingContext:
        function = self._deployment.functions[mapping.function]
        reader = self._reader(mapping, function)
        return MappingContext(
            mapping=mapping,
            function=function,
            policy=mapping_policy(
                mapping, self._settings.backoff_scale, retention_s=reader.retention_s()
            ),
            reader=reader,
            stream_identity=reader.identity(),
            checkpoints=self._checkpoints,
            invoke=self._workers[mapping.function].invoke,
            client=self._endpoint.client,
            on_problem=lambda text: self._on_event(RunEvent("problem", mapping.logical_id, text)),
            clock=self._clock,
            poll_interval_s=self._settings.poll_interval_s,
        )

    def _queue_context(self, mapping: QueueMapping) -> QueueContext:
        workers, settings = self._workers[mapping.function], self._settings
        # Where an invocation waits for the laptop, more in flight would only age in the queue.
        runs_at_once = (
            min(UNRESERVED_CONCURRENCY, settings.max_concurrency)
            if workers.function.reserved_concurrency is None
            else workers.cut_to
        )
        at_once = runs_at_once or _QUEUE_INVOCATIONS
        return QueueContext(
            mapping=mapping,
            policy=queue_policy(
                mapping,
                function_timeout_s=workers.function.timeout_s,
                invocations_at_once=at_once,
                backoff_scale=settings.backoff_scale,
                poll_interval_s=settings.poll_interval_s,
            ),
            client=self._endpoint.client("sqs"),
            invoke=workers.invoke,
            on_problem=lambda text: self._on_event(RunEvent("problem", mapping.logical_id, text)),
            clock=self._clock,
            invocations_at_once=at_once,
            visibility_scale=settings.visibility_scale,
        )

    def _time_to_live_of(self, mapping: EventSourceMapping) -> TimeToLive | None:
        """Return what deletes a table's expired items, the same one for all of its mappings."""
        if not self._endpoint.is_embedded:
            return None  # an endpoint of the user's own does so or not, as it likes
        table = mapping.source_arn.split("/")[1]
        client = self._endpoint.client("dynamodb")
        return self._time_to_live.setdefault(table, TimeToLive(client, table, self._clock))

    def _reader(self, mapping: EventSourceMapping, function: Function) -> StreamReader:
        match mapping.source_arn.split(":")[2]:
            case "kinesis":
                client = self._endpoint.client("kinesis")
                return KinesisReader(client, mapping, function.role_arn)
            case "dynamodb":
                client = self._endpoint.client("dynamodbstreams")
                return DynamodbReader(client, mapping, self._time_to_live_of(mapping))
            case service:
                raise ValueError(
                    f"{mapping.logical_id}: the local run has no event source for {service}"
                )

    def _log(self, function: Function, line: str) -> None:
        self._on_event(RunEvent("log", function.logical_id, line))

    def _struck(self, function: Function, kind: FaultKind) -> None:
        self._on_event(RunEvent("fault", function.logical_id, f"injected: {kind}"))

    def _failed(self, function: Function, error: FunctionError, tail: tuple[str, ...]) -> None:
        message = f"{error.error_type}: {error.message}"
        self._last_failure[function.logical_id] = message
        self._on_event(RunEvent("failure", function.logical_id, message, tail))


def mapping_policy(
    mapping: EventSourceMapping, backoff_scale: float, *, retention_s: float
) -> MappingPolicy:
    """Return what a mapping's settings mean for each of its shards.

    Lambda does not publish its backoff: 8 attempts within a minute have been recorded. It waits up
    to two minutes for the late records of a tumbling window.
    """
    return MappingPolicy(
        batch_size=mapping.batch_size,
        batching_window_s=mapping.batching_window_s,
        maximum_retry_attempts=mapping.maximum_retry_attempts,
        maximum_record_age_s=mapping.maximum_record_age_s,
        bisect_on_error=mapping.bisect_on_error,
        report_batch_item_failures=mapping.report_batch_item_failures,
        backoff_s=lambda attempt: backoff_scale * min(0.5 * 2 ** min(attempt - 1, 10), 10.0),
        retention_s=retention_s,
        parallelization_factor=mapping.parallelization_factor,
        tumbling_window_s=mapping.tumbling_window_s,
        window_grace_s=backoff_scale * 120.0,
    )


def _has_activity(before: AllProgress, now: AllProgress) -> bool:
    return before.keys() != now.keys() or any(
        not before[shard].is_settled
        or not now[shard].is_settled
        or before[shard].fetched != now[shard].fetched
        for shard in before
    )


def _is_read_since(before: Progress, now: Progress) -> bool:
    # The first of two polls may have begun before.
    return now.has_ended or now.empty_polls >= before.empty_polls + 2
