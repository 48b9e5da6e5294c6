"""The threads that drive the asynchronous invocations of one function."""

import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.local.deployment import AsyncConfig, Function
from pipeline.local.execution.outcome import FunctionError, Outcome, Success, Throttled
from pipeline.local.execution.workers import ClosedError
from pipeline.local.semantics.async_invocation import (
    AsyncInvocations,
    AsyncPolicy,
    Deliver,
    Invoke,
    NotReached,
    Raised,
    Result,
    Returned,
    Wait,
)
from pipeline.local.semantics.async_record import (
    bus_entry,
    dead_letter,
    destination_record,
    object_key,
)
from pipeline.local.sources.source import Progress


class InvokeFunction(Protocol):
    """Invokes a function with an event, under a request id that stays for all attempts."""

    def __call__(self, event: bytes, request_id: str) -> Outcome:
        """Wait for the end of the invocation."""


@dataclass(frozen=True, slots=True)
class AsyncContext:
    """What the asynchronous invocations of one function need.

    `client` gives the boto3 client of a service, for destinations; `accept` hands an event to
    another function of the stack; `on_problem` is told, in words, what the user must know.
    """

    function: Function
    config: AsyncConfig
    wait_scale: float
    concurrency: int
    invoke: InvokeFunction
    accept: Callable[[str, bytes], None]
    client: Callable[[str], Any]
    on_problem: Callable[[str], None]
    clock: Callable[[], float]


class AsyncQueue:
    """Lambda's queue of a function's asynchronous events; a `Source`."""

    def __init__(self, context: AsyncContext) -> None:
        config = context.config
        self._context = context
        self._state = AsyncInvocations(
            AsyncPolicy(
                maximum_retry_attempts=config.maximum_retry_attempts,
                maximum_event_age_s=config.maximum_event_age_s,
                has_success_destination=config.on_success_arn is not None,
                has_no_concurrency=context.function.reserved_concurrency == 0,
                wait_scale=context.wait_scale,
            )
        )
        self._changed = threading.Condition()
        self._accepted = 0
        self._looks = 0
        self._is_stopped = False
        self._failure: Exception | None = None
        self._threads = [
            threading.Thread(target=self._run, name=f"{self.name} events {number}", daemon=True)
            for number in range(context.concurrency)
        ]

    @property
    def name(self) -> str:
        """The function's logical id."""
        return self._context.function.logical_id

    @property
    def function(self) -> str:
        """The function's logical id."""
        return self._context.function.logical_id

    @property
    def failure(self) -> Exception | None:
        """What has stopped a thread for good, None as long as nothing has."""
        return self._failure

    def accept(self, event: bytes) -> str:
        """Take an event, given as JSON text, and return the request id of its invocation.

        Raises:
            PayloadTooLargeError: It is larger than Lambda accepts.
        """
        request_id = str(uuid.uuid4())
        with self._changed:
            self._state.accept(request_id, event, self._context.clock())
            self._accepted += 1
            self._changed.notify()
        return request_id

    def start(self) -> None:
        """Begin to invoke the function with what is accepted."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask every thread to end, without waiting."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Wait for every thread's end, each so long at most; return whether all have ended."""
        for thread in self._threads:
            thread.join(timeout_s)
        return not any(thread.is_alive() for thread in self._threads)

    def refresh(self) -> None:
        """Do nothing: the queue is in memory, so there is nothing to look for."""

    def progress(self) -> dict[str, Progress]:
        """Return how far the queue is; an event that waits for its retry is unsettled."""
        with self._changed:
            self._looks += 1
            return {
                "events": Progress(
                    is_settled=self._state.is_settled,
                    has_ended=False,
                    fetched=self._accepted,
                    # Whoever looks sees all of the queue.
                    empty_polls=self._looks,
                )
            }

    def _run(self) -> None:
        try:
            while (step := self._next_step()) is not None:
                match step:
                    case Invoke():
                        self._invoke(step)
                    case Deliver():
                        self._deliver(step)
                        with self._changed:
                            self._state.delivered(step)
        except ClosedError:
            return  # the run ends, and its queue with it
        except Exception as error:  # noqa: BLE001  a thread's error has nowhere to go but here
            self._failure = error
            self._context.on_problem(f"asynchronous invocation has stopped: {error!r}")

    def _next_step(self) -> Invoke | Deliver | None:
        """Wait for something to do; None when there will be nothing any more."""
        with self._changed:
            while not self._is_stopped:
                now = self._context.clock()
                step = self._state.next_step(now)
                if not isinstance(step, Wait):
                    return step
                self._changed.wait(None if step.until is None else max(step.until - now, 0.001))
        return None

    def _invoke(self, step: Invoke) -> None:
        outcome = self._context.invoke(step.event.payload, step.event.request_id)
        with self._changed:
            self._state.finish(step, _result(outcome), self._context.clock())
            self._changed.notify_all()

    def _deliver(self, step: Deliver) -> None:
        """Tell an event's end; what cannot be told is lost, on AWS too, and so is reported."""
        config = self._context.config
        if step.condition == "Success":
            self._tell(step, config.on_success_arn, self._send_record)
            return
        told = [
            self._tell(step, config.on_failure_arn, self._send_record),
            self._tell(step, config.dead_letter_arn, self._send_dead_letter),
        ]
        places = " and ".join(place for place in told if place)
        self._context.on_problem(
            f"gave up event {step.event.request_id} after {step.invoke_count} attempts: "
            f"{step.condition}; {f'{places} has it' if places else 'it is lost'}"
        )

    def _tell(
        self, step: Deliver, arn: str | None, send: Callable[[str, Deliver], None]
    ) -> str | None:
        """Send an end to one place; return the place if it took it."""
        if arn is None:
            return None
        try:
            send(arn, step)
        except (BotoCoreError, ClientError, LookupError, ValueError) as error:
            # Lambda counts DestinationDeliveryFailures or DeadLetterErrors and goes on as well.
            self._context.on_problem(
                f"{arn} did not take the end ({step.condition}) of event "
                f"{step.event.request_id}: {error}"
            )
            return None
        return arn

    def _send_record(self, destination: str, step: Deliver) -> None:
        context = self._context
        now = context.clock()
        record = destination_record(step, context.function.arn, now)
        text = json.dumps(record)
        match service := destination.split(":")[2]:
            case "lambda":
                context.accept(destination, text.encode())
            case "sqs":
                sqs = context.client("sqs")
                sqs.send_message(QueueUrl=_queue_url(sqs, destination), MessageBody=text)
            case "sns":
                context.client("sns").publish(TopicArn=destination, Message=text)
            case "events":
                answer = context.client("events").put_events(
                    Entries=[bus_entry(record, destination)]
                )
                if answer["FailedEntryCount"]:
                    raise ValueError(f"{destination} said: {answer['Entries'][0]}")
            case "s3":
                key = object_key(context.function.name, now, str(uuid.uuid4()))
                context.client("s3").put_object(
                    Bucket=destination.rpartition(":")[2], Key=key, Body=text.encode()
                )
            case _:
                raise ValueError(f"{service} is no destination: {destination}")

    def _send_dead_letter(self, arn: str, step: Deliver) -> None:
        letter = dead_letter(step)
        if arn.split(":")[2] == "sns":
            self._context.client("sns").publish(
                TopicArn=arn, Message=letter.body, MessageAttributes=letter.attributes
            )
            return
        sqs = self._context.client("sqs")
        sqs.send_message(
            QueueUrl=_queue_url(sqs, arn),
            MessageBody=letter.body,
            MessageAttributes=letter.attributes,
        )


def _queue_url(sqs: Any, arn: str) -> str:  # noqa: ANN401 - boto3 client
    return str(sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"])


def _result(outcome: Outcome) -> Result:
    match outcome:
        case Success(_, payload):
            return Returned(payload)
        case FunctionError(_, _, error_type, message, answer=answer):
            document = {"errorMessage": message, "errorType": error_type}
            return Raised(answer or json.dumps(document).encode())
        case Throttled():
            return NotReached()
