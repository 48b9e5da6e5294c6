"""An SQS event source mapping at work: moves messages from its queue to its function."""

import math
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.local.deployment import QueueMapping
from pipeline.local.execution.outcome import FunctionError, Outcome, Success, Throttled
from pipeline.local.execution.workers import ClosedError
from pipeline.local.semantics.queue_mapping import (
    Delete,
    Invoke,
    MappedQueue,
    QueueBatch,
    QueueMessage,
    QueuePolicy,
    Receive,
    Result,
    Wait,
)
from pipeline.local.semantics.stream_types import NotReached, Raised, Returned
from pipeline.local.sources.queue_event import BodyFilter, queue_event
from pipeline.local.sources.source import Progress
from pipeline.local.sources.stream import event_text

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_RETRY_S: Final = 1.0
_FAILURES_TO_REPORT: Final = 3
_DELETE_ATTEMPTS: Final = 3
_ENTRIES: Final = 10
"""Most entries of a batch request. Source: Amazon SQS quotas."""

_COUNTS: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
)


@dataclass(frozen=True, slots=True)
class QueueContext:
    """What a queue source works with.

    `invocations_at_once` bounds its threads. Messages that a batch leaves to the queue come back
    after `visibility_scale` times what is left of their visibility timeout, at least a second.
    """

    mapping: QueueMapping
    policy: QueuePolicy
    client: Any
    invoke: Callable[[bytes], Outcome]
    on_problem: Callable[[str], None]
    clock: Callable[[], float]
    invocations_at_once: int
    visibility_scale: float


@dataclass(frozen=True, slots=True)
class _End:
    """An invocation came to its end; without a result and an error its worker was closed."""

    batch: QueueBatch
    result: Result | None
    error: Exception | None = None


class QueueSource:
    """Drives a mapping's state machine on one thread, and its invocations on some more."""

    def __init__(self, context: QueueContext) -> None:
        self._context = context
        self._client: SQSClient = context.client
        self._url = context.mapping.queue_url
        self._filter = BodyFilter(context.mapping.filters)
        self._state = MappedQueue(context.policy)
        self._ends: queue.SimpleQueue[_End | None] = queue.SimpleQueue()
        self._invoked = 0
        self._failures = 0
        self._fetched = self._empty_polls = 0
        self._queue_is_empty = False
        self._progress = Progress(is_settled=False, has_ended=False, fetched=0, empty_polls=0)
        self._failure: Exception | None = None
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(context.invocations_at_once, self.name)
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    @property
    def name(self) -> str:
        """The mapping's logical id."""
        return self._context.mapping.logical_id

    @property
    def function(self) -> str:
        """The logical id of the function that the mapping feeds."""
        return self._context.mapping.function

    @property
    def failure(self) -> Exception | None:
        """What has stopped it for good, None as long as nothing has."""
        return self._failure

    def start(self) -> None:
        """Begin; a queue has no starting position."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; running invocations are waited for by `join`."""
        self._stop.set()
        self._ends.put(None)

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread's end; return whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def refresh(self) -> None:
        """Do nothing: a queue has one part."""

    def progress(self) -> dict[str, Progress]:
        """Return how far the queue is.

        It is settled when nothing is in flight and the queue has no message left, be it visible,
        delayed or invisible.
        """
        return {self._context.mapping.source_arn.rsplit(":", 1)[-1]: self._progress}

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._step()
            while self._invoked:
                if end := self._ends.get():
                    self._finish(end)
            self._delete_the_last()
        except Exception as error:  # noqa: BLE001  a thread's error has nowhere to go but here
            self._failure = error
            self._context.on_problem(f"{self.name} has stopped: {error!r}")
        finally:
            self._pool.shutdown(wait=False)

    def _step(self) -> None:
        match self._state.next_step(self._context.clock()):
            case Receive(max_messages, timeout_s):
                self._receive(max_messages, timeout_s)
            case Delete(messages):
                self._delete(messages)
            case Invoke(batch):
                self._invoked += 1
                self._pool.submit(self._invoke, batch)
            case Wait(until):
                self._wait(until)
        self._progress = Progress(
            is_settled=self._state.is_settled and self._queue_is_empty,
            has_ended=False,
            fetched=self._fetched,
            empty_polls=self._empty_polls,
        )

    def _wait(self, until: float | None) -> None:
        wait_s = None if until is None else max(until - self._context.clock(), 0.001)
        try:
            end = self._ends.get(timeout=wait_s)
        except queue.Empty:
            return
        if end:
            self._finish(end)

    def _receive(self, max_messages: int, timeout_s: float) -> None:
        try:
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=max_messages,
                VisibilityTimeout=math.ceil(timeout_s),
                # A wait on the endpoint would hold up deletes and the run's end.
                WaitTimeSeconds=0,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
            messages = [self._message(message) for message in answer.get("Messages", [])]
            if not messages:
                self._queue_is_empty = self._count() == 0
        except (BotoCoreError, ClientError) as error:
            self._failures += 1
            if self._failures == _FAILURES_TO_REPORT:
                self._context.on_problem(f"{self._url} cannot be read, trying on: {error}")
            self._stop.wait(_RETRY_S)
            self._state.received([], self._context.clock())
            return
        self._failures = 0
        if messages:
            self._queue_is_empty = False
            self._fetched += len(messages)
        else:
            self._empty_polls += 1
        self._state.received(messages, self._context.clock())

    def _message(self, message: Any) -> QueueMessage:  # noqa: ANN401  boto3
        passes = self._filter.passes(message["Body"])
        event = queue_event(message, queue_arn=self._context.mapping.source_arn)
        return QueueMessage(
            message["MessageId"],
            message["ReceiptHandle"],
            event_text(event) if passes else None,
            message["Attributes"].get("MessageGroupId") if self._context.policy.is_fifo else None,
        )

    def _count(self) -> int:
        """Return how many messages the queue has, whatever their state."""
        answer = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=_COUNTS)
        return sum(int(answer["Attributes"][name]) for name in _COUNTS)

    def _invoke(self, batch: QueueBatch) -> None:
        """Invoke the function on a thread of the pool."""
        records = b",".join(message.event for message in batch.messages if message.event)
        try:
            outcome = self._context.invoke(b'{"Records":[' + records + b"]}")
        except ClosedError:
            end = _End(batch, None)  # the run ends; the messages come again
        except Exception as error:  # noqa: BLE001  the source's thread raises it
            end = _End(batch, None, error)
        else:
            end = _End(batch, _result(outcome))
        self._ends.put(end)

    def _finish(self, end: _End) -> None:
        self._invoked -= 1
        if end.error:
            raise end.error
        if end.result is None:
            return
        left = self._state.finish(end.batch, end.result, self._context.clock())
        left_s = end.batch.visible_at - self._context.clock()
        shorter_s = max(math.ceil(left_s * self._context.visibility_scale), 1)
        if shorter_s < left_s:
            self._shorten(left, shorter_s)

    def _shorten(self, messages: Sequence[QueueMessage], timeout_s: int) -> None:
        for some in _chunks(messages):
            try:
                self._client.change_message_visibility_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {
                            "Id": str(number),
                            "ReceiptHandle": message.receipt_handle,
                            "VisibilityTimeout": timeout_s,
                        }
                        for number, message in enumerate(some)
                    ],
                )
            except (BotoCoreError, ClientError) as error:
                self._context.on_problem(
                    f"{len(some)} messages of {self._url} wait for their whole visibility "
                    f"timeout: {error}"
                )

    def _delete_the_last(self) -> None:
        """Delete what invocations that ended after the stop have settled."""
        while isinstance(step := self._state.next_step(self._context.clock()), Delete):
            self._delete(step.messages)

    def _delete(self, messages: Sequence[QueueMessage]) -> None:
        for some in _chunks(messages):
            reason = self._delete_some(some)
            if reason:
                self._context.on_problem(
                    f"messages of {self._url} could not be deleted and come again: {reason}"
                )

    def _delete_some(self, messages: Sequence[QueueMessage]) -> str | None:
        """Delete up to ten messages; return why some of them are still there."""
        reason = None
        for _ in range(_DELETE_ATTEMPTS):
            try:
                answer = self._client.delete_message_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {"Id": str(number), "ReceiptHandle": message.receipt_handle}
                        for number, message in enumerate(messages)
                    ],
                )
            except (BotoCoreError, ClientError) as error:
                reason = str(error)
                self._stop.wait(_RETRY_S)
                continue
            failed = answer.get("Failed") or []
            return "; ".join(entry["Code"] for entry in failed) or None
        return reason


def queue_policy(
    mapping: QueueMapping,
    *,
    function_timeout_s: int,
    invocations_at_once: int,
    backoff_scale: float,
    poll_interval_s: float,
) -> QueuePolicy:
    """Return what a mapping's settings mean; Lambda does not publish its backoff."""
    return QueuePolicy(
        is_fifo=mapping.source_arn.endswith(".fifo"),
        batch_size=mapping.batch_size,
        batching_window_s=mapping.batching_window_s,
        report_batch_item_failures=mapping.report_batch_item_failures,
        maximum_concurrency=min(
            mapping.maximum_concurrency or invocations_at_once, invocations_at_once
        ),
        queue_visibility_timeout_s=mapping.visibility_timeout_s,
        function_timeout_s=function_timeout_s,
        idle_poll_s=poll_interval_s,
        backoff_s=lambda attempt: backoff_scale * min(0.5 * 2 ** min(attempt - 1, 10), 10.0),
    )


def _result(outcome: Outcome) -> Result:
    match outcome:
        case Success(_, payload):
            return Returned(payload)
        case FunctionError():
            return Raised()
        case Throttled():
            return NotReached()


def _chunks(messages: Sequence[QueueMessage]) -> Iterator[list[QueueMessage]]:
    rest = iter(messages)
    while some := list(islice(rest, _ENTRIES)):
        yield some
