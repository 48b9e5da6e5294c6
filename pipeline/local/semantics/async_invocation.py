"""What Lambda does with the events of asynchronous invocations, as a pure state machine.

It knows no function, queue, thread or clock; whoever drives it brings those. The interface::

    queue = AsyncInvocations(policy)
    queue.accept(request_id, payload, now)   # raises PayloadTooLargeError
    step = queue.next_step(now)              # what to do now, one of
        Invoke(event, attempt)               # invoke, then queue.finish(step, result, now)
        Deliver(event, condition, ...)       # tell its end, then queue.delivered(step)
        Wait(until)                          # nothing before `until`, or before more if None
    queue.is_settled                         # every accepted event has come to its end

`result` is `Returned(answer)`, `Raised(error)` or `NotReached()`. An `Invoke` or `Deliver` is given
out once and is then the driver's: it may have as many at a time as it likes, and what waits does
not hold back the rest. Events come in no order, and the same request id may be accepted twice, as
Lambda says that an event can be. Time is any number of seconds, so six hours of throttling run in
milliseconds.

Rules, for an event and its number of failed attempts n:

- Success ends it. It is told to the OnSuccess destination if there is one.
- An error is tried again a minute after the first attempt and two minutes after the second, until
  n is above the maximum of retries: RetriesExhausted.
- A function that was not reached (throttled, 5xx) costs no attempt. The waits grow from 1 s to
  5 minutes.
- If the next try would begin when the event is too old, the event ends at once, without waiting:
  EventAgeExceeded. So does an event that is too old when its turn comes.
- Without any reserved concurrency an event ends before its first attempt: ZeroReservedConcurrency.

Source: AWS Lambda Developer Guide, "How Lambda handles errors and retries with asynchronous
invocation", and results recorded against AWS: the event that may be 60 s old fails with one
attempt, the one that may be 90 s old with two.
"""

import heapq
import itertools
from dataclasses import dataclass, field
from typing import Final, Literal

MAX_PAYLOAD_BYTES: Final = 1024 * 1024
"""Largest event of an asynchronous invocation. Source: AWS Lambda quotas, since January 2026."""

RETRY_WAITS_S: Final = (60.0, 120.0)
"""Waits after the first and the second failed attempt."""

_THROTTLE_WAIT_S: Final = 1.0
_MAX_THROTTLE_WAIT_S: Final = 300.0

Condition = Literal["Success", "RetriesExhausted", "EventAgeExceeded", "ZeroReservedConcurrency"]


class PayloadTooLargeError(ValueError):
    """Lambda accepts no event of this size."""


@dataclass(frozen=True, slots=True)
class AsyncPolicy:
    """The settings of a function that bear on its asynchronous invocations.

    `wait_scale` is the part of each wait that is really waited; the rest counts for the age all the
    same, so a laptop need not wait minutes and every rule holds.
    """

    maximum_retry_attempts: int = 2
    maximum_event_age_s: float = 21_600
    has_success_destination: bool = False
    has_no_concurrency: bool = False
    wait_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Event:
    """An accepted event: `payload` is its JSON text, the request id stays for all attempts."""

    request_id: str
    payload: bytes
    accepted_at: float


@dataclass(frozen=True, slots=True)
class Returned:
    """The function returned; `answer` is its JSON text."""

    answer: bytes


@dataclass(frozen=True, slots=True)
class Raised:
    """The function raised, timed out or crashed; `error` is what Lambda answers, as JSON text."""

    error: bytes


@dataclass(frozen=True, slots=True)
class NotReached:
    """The function was throttled or not to be had; nothing was executed."""


Result = Returned | Raised | NotReached


@dataclass(eq=False, slots=True)
class _Pending:
    """Where an event stands; `skipped_s` is the part of its waits that was not waited."""

    event: Event
    failures: int = 0
    throttles_in_a_row: int = 0
    skipped_s: float = 0.0
    last: Returned | Raised | None = None


@dataclass(frozen=True, slots=True)
class Invoke:
    """Invoke the function with this event, then call `finish`; `attempt` counts from 1."""

    event: Event
    attempt: int
    _pending: _Pending = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Deliver:
    """Tell the function's destination, its dead-letter queue or both of the event's end.

    `invoke_count` is what the record calls approximateInvokeCount. `last` is the result of the last
    attempt that was executed, None when there was none.
    """

    event: Event
    condition: Condition
    invoke_count: int
    last: Returned | Raised | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until`; with None, before an event comes or a step is finished."""

    until: float | None


Step = Invoke | Deliver | Wait


class AsyncInvocations:
    """The events of one function; see the module."""

    def __init__(self, policy: AsyncPolicy) -> None:
        self._policy = policy
        self._due: list[tuple[float, int, _Pending]] = []
        self._ended: list[Deliver] = []
        self._numbers = itertools.count()
        self._running: set[_Pending] = set()
        self._unsettled = 0

    @property
    def is_settled(self) -> bool:
        """Whether every accepted event has come to its end, deliveries included."""
        return self._unsettled == 0

    def accept(self, request_id: str, payload: bytes, now: float) -> Event:
        """Take an event into the queue.

        Raises:
            PayloadTooLargeError: It is larger than Lambda accepts.
        """
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise PayloadTooLargeError(
                f"{len(payload)} byte payload is too large for the Event invocation type "
                f"(limit {MAX_PAYLOAD_BYTES} bytes)"
            )
        event = Event(request_id, payload, now)
        self._unsettled += 1
        self._put(_Pending(event), now)
        return event

    def next_step(self, now: float) -> Step:
        """Say what to do and leave it to the caller."""
        while not self._ended and self._due and self._due[0][0] <= now:
            _, _, pending = heapq.heappop(self._due)
            if self._policy.has_no_concurrency:
                self._end(pending, "ZeroReservedConcurrency")
            elif self._age_s(pending, now) >= self._policy.maximum_event_age_s:
                self._end(pending, "EventAgeExceeded")
            else:
                self._running.add(pending)
                return Invoke(pending.event, pending.failures + 1, pending)
        if self._ended:
            return self._ended.pop(0)
        return Wait(self._due[0][0] if self._due else None)

    def finish(self, step: Invoke, result: Result, now: float) -> None:
        """Take the result of an invocation that `next_step` asked for."""
        pending = step._pending  # noqa: SLF001  the step's own machine
        if pending not in self._running:
            raise RuntimeError("this invocation is finished")
        self._running.remove(pending)
        match result:
            case Returned():
                pending.last = result
                if self._policy.has_success_destination:
                    self._end(pending, "Success")
                else:
                    self._unsettled -= 1
            case Raised():
                pending.last = result
                pending.failures += 1
                pending.throttles_in_a_row = 0
                if pending.failures > self._policy.maximum_retry_attempts:
                    self._end(pending, "RetriesExhausted")
                else:
                    index = min(pending.failures, len(RETRY_WAITS_S)) - 1
                    self._try_again(pending, RETRY_WAITS_S[index], now)
            case NotReached():
                wait_s = _THROTTLE_WAIT_S * 2 ** min(pending.throttles_in_a_row, 10)
                pending.throttles_in_a_row += 1
                self._try_again(pending, min(wait_s, _MAX_THROTTLE_WAIT_S), now)

    def delivered(self, step: Deliver) -> None:
        """Take note that the event's end has been told, or cannot be."""
        del step  # an end is told once, whosever it is
        self._unsettled -= 1

    def _try_again(self, pending: _Pending, wait_s: float, now: float) -> None:
        if self._age_s(pending, now) + wait_s >= self._policy.maximum_event_age_s:
            self._end(pending, "EventAgeExceeded")
            return
        waited_s = wait_s * self._policy.wait_scale
        pending.skipped_s += wait_s - waited_s
        self._put(pending, now + waited_s)

    def _age_s(self, pending: _Pending, now: float) -> float:
        return now - pending.event.accepted_at + pending.skipped_s

    def _put(self, pending: _Pending, due: float) -> None:
        heapq.heappush(self._due, (due, next(self._numbers), pending))

    def _end(self, pending: _Pending, condition: Condition) -> None:
        count = pending.failures + (condition == "Success")
        self._ended.append(Deliver(pending.event, condition, count, pending.last))
