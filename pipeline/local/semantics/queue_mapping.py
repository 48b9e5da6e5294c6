"""What Lambda does with an SQS queue that is mapped to a function, as a pure state machine.

It knows no queue, function, thread or clock; whoever drives it brings those. The interface::

    mapping = MappedQueue(policy)
    step = mapping.next_step(now)     # what to do now; each step is given out once. One of
        Receive(max_messages, ...)    # ask the queue, then mapping.received(messages, now)
        Invoke(batch)                 # invoke the function, then mapping.finish(batch, result, now)
        Delete(messages)              # delete them from the queue
        Wait(until)                   # nothing before `until`; None: before an invocation ends
    mapping.is_settled                # nothing that was received is still to be done

`result` is `Returned(answer)`, `Raised()` or `NotReached()`. Several invocations are in flight at
once and finish in any order; of `Receive` there is one at a time. `finish` returns the messages
that are left to the queue. Time is any number of seconds, so hours of retries run in milliseconds.

Rules:

- A message that the filter keeps out is deleted at once, without an invocation.
- A batch is invoked when it is full, by count or by the 6 MB of an event, or when its window ends.
  The window begins with its first message; without a window it takes what one receive brought.
- Success deletes the batch. So does any answer when the mapping does not report item failures.
- A report of failed messages deletes exactly those that it does not name, on FIFO queues too, even
  later ones of the same group. A malformed report, an unknown id or an error deletes nothing.
- What is not deleted comes back by the queue's own visibility timeout, which a mapping never
  changes; the queue counts its receives and moves it to the dead-letter queue.
- A function that was not reached gets the same batch again until the first of its messages is
  about to be visible; then the batch is given up to the queue.
- A standard queue has five batches in flight at first, 300 more a minute while messages keep
  coming; a FIFO queue never has one group in two of them. A batch may hold several groups.

Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS": processing and scaling, error
handling, filtering. The steady growth within a minute, the window's beginning and the end of
the retries are inferred.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pipeline.local.semantics.stream_mapping import reported_failures
from pipeline.local.semantics.stream_types import (
    MAX_EVENT_BYTES,
    NotReached,
    Raised,
    Returned,
)

MAX_RECEIVED: Final = 10
"""Most messages of one ReceiveMessage. Source: Amazon SQS quotas."""

MAX_CONCURRENCY: Final = 1250
"""Most batches of a mapping in flight by default. Source: AWS Lambda, "SQS scaling behavior"."""

_FIRST_CONCURRENCY: Final = 5
_MORE_EACH_S: Final = 300 / 60
_WINDOW_MARGIN_S: Final = 30
_ENVELOPE_BYTES = len('{"Records":[]}') - 1  # the last record has no comma


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """A received message as far as the mapping looks at it.

    `message_id` is what item failures name; `event` the record in Lambda's event, as JSON text, or
    None when the mapping's filter keeps it out. Messages of a FIFO queue have a `group`.
    """

    message_id: str
    receipt_handle: str
    event: bytes | None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """The settings of a mapping, its queue and its function that bear on the mapping.

    `maximum_concurrency` is None without a setting. `backoff_s` gives the wait after the n-th
    attempt that did not reach the function, n from 1, and `idle_poll_s` the wait after a receive
    that brought nothing; Lambda publishes neither.
    """

    is_fifo: bool
    batch_size: int
    batching_window_s: float
    report_batch_item_failures: bool
    maximum_concurrency: int | None
    queue_visibility_timeout_s: float
    function_timeout_s: float
    idle_poll_s: float
    backoff_s: Callable[[int], float]

    @property
    def visibility_timeout_s(self) -> float:
        """How long a received message stays invisible.

        It is the queue's own unless that would not outlast window and function. Source: AWS
        Lambda Developer Guide, "Configuring a queue to use with Lambda".
        """
        needed_s = self.batching_window_s + self.function_timeout_s
        if self.batching_window_s and needed_s > self.queue_visibility_timeout_s:
            return needed_s + _WINDOW_MARGIN_S
        return self.queue_visibility_timeout_s


@dataclass(frozen=True, slots=True)
class QueueBatch:
    """Messages that are invoked together, and how often the function was not reached with them.

    `number` tells batches apart; the first of the messages is visible again at `visible_at`.
    """

    number: int
    messages: tuple[QueueMessage, ...]
    visible_at: float
    misses: int = 0


@dataclass(frozen=True, slots=True)
class Receive:
    """Ask the queue for so many messages, invisible for so long, then call `received`."""

    max_messages: int
    visibility_timeout_s: float


@dataclass(frozen=True, slots=True)
class Invoke:
    """Invoke the function with this batch, then call `finish`, however long it takes."""

    batch: QueueBatch


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete these messages from the queue."""

    messages: tuple[QueueMessage, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until`; with None, before an invocation ends."""

    until: float | None


Step = Receive | Invoke | Delete | Wait
Result = Returned | Raised | NotReached


@dataclass(frozen=True, slots=True)
class _Gathered:
    message: QueueMessage
    event_bytes: int
    received_at: float


class MappedQueue:
    """The state of one mapping; see the module."""

    def __init__(self, policy: QueuePolicy) -> None:
        self._policy = policy
        self._cap = policy.maximum_concurrency or MAX_CONCURRENCY
        self._gathered: deque[_Gathered] = deque()
        self._gathered_bytes = 0
        self._invoked: dict[int, QueueBatch] = {}
        self._unreached: list[tuple[float, QueueBatch]] = []
        self._deletes: deque[Delete] = deque()
        self._groups: set[str] = set()
        self._is_receiving = False
        self._next_receive = -math.inf
        self._busy_since: float | None = None
        self._batches = 0

    @property
    def is_settled(self) -> bool:
        """Whether nothing that was received is still to be done."""
        return not (self._gathered or self._invoked or self._unreached or self._deletes)

    @property
    def in_flight(self) -> int:
        """How many batches are being invoked or wait for another attempt."""
        return len(self._invoked) + len(self._unreached)

    def next_step(self, now: float) -> Step:
        """Say what to do; call it again at once unless it says to wait."""
        if self._deletes:
            return self._deletes.popleft()
        self._drop_visible(now)
        batch = self._due_again(now) or self._due(now)
        if batch:
            self._invoked[batch.number] = batch
            return Invoke(batch)
        room = self._policy.batch_size - len(self._gathered)
        has_slot = self.in_flight < self._limit(now)
        if room > 0 and has_slot and now >= self._next_receive and not self._is_receiving:
            self._is_receiving = True
            return Receive(min(room, MAX_RECEIVED), self._policy.visibility_timeout_s)
        return Wait(min(self._moments(now), default=None))

    def received(self, messages: Sequence[QueueMessage], now: float) -> None:
        """Take what the queue gave, in its order; nothing if it had nothing or did not answer."""
        if not self._is_receiving:
            raise RuntimeError("no receive was asked for")
        self._is_receiving = False
        if not messages:
            self._busy_since = None
            self._next_receive = now + self._policy.idle_poll_s
            return
        self._busy_since = now if self._busy_since is None else self._busy_since
        if filtered := tuple(message for message in messages if message.event is None):
            self._deletes.append(Delete(filtered))
        for message in messages:
            if message.event is not None:
                size = len(message.event) + 1
                self._gathered.append(_Gathered(message, size, now))
                self._gathered_bytes += size

    def finish(self, batch: QueueBatch, result: Result, now: float) -> tuple[QueueMessage, ...]:
        """Take the result of an invocation; return the messages that are left to the queue."""
        if self._invoked.pop(batch.number, None) is None:
            raise RuntimeError(f"batch {batch.number} is not being invoked")
        match result:
            case NotReached():
                misses = batch.misses + 1
                again_at = now + self._policy.backoff_s(misses)
                if again_at < batch.visible_at:
                    self._unreached.append((again_at, replace(batch, misses=misses)))
                    return ()
                deleted = set[str]()
            case Raised():
                deleted = set()
            case Returned(answer):
                deleted = self._deleted_by(answer, batch)
        self._release(batch)
        if done := tuple(each for each in batch.messages if each.message_id in deleted):
            self._deletes.append(Delete(done))
        return tuple(each for each in batch.messages if each.message_id not in deleted)

    def _deleted_by(self, answer: bytes, batch: QueueBatch) -> set[str]:
        """Return the ids of the messages that an answer settles; malformed, none."""
        ids = {message.message_id for message in batch.messages}
        if not self._policy.report_batch_item_failures:
            return ids
        failed = reported_failures(answer)
        return set() if failed is None or not failed <= ids else ids - failed

    def _due_again(self, now: float) -> QueueBatch | None:
        """Return an unreached batch whose next attempt is due."""
        for entry in self._unreached:
            if entry[0] <= now:
                self._unreached.remove(entry)
                return entry[1]
        return None

    def _due(self, now: float) -> QueueBatch | None:
        """Return a new batch of the gathered messages if it is due and may run."""
        if not self._gathered or self.in_flight >= self._limit(now):
            return None
        if not self._is_full() and now < self._window_end():
            return None
        chosen = self._take()
        if not chosen:
            return None  # every group is in flight
        self._batches += 1
        messages = tuple(each.message for each in chosen)
        self._groups.update(each.group for each in messages if each.group is not None)
        visible_at = chosen[0].received_at + self._policy.visibility_timeout_s
        return QueueBatch(self._batches, messages, visible_at)

    def _is_full(self) -> bool:
        return (
            len(self._gathered) >= self._policy.batch_size
            or _ENVELOPE_BYTES + self._gathered_bytes > MAX_EVENT_BYTES
        )

    def _window_end(self) -> float:
        return self._gathered[0].received_at + self._policy.batching_window_s

    def _take(self) -> list[_Gathered]:
        """Take the messages of a batch out of the gathered ones, those of busy groups excepted."""
        chosen: list[_Gathered] = []
        left: deque[_Gathered] = deque()
        size = _ENVELOPE_BYTES
        while self._gathered and len(chosen) < self._policy.batch_size:
            each = self._gathered.popleft()
            if each.message.group in self._groups:
                left.append(each)
                continue
            if chosen and size + each.event_bytes > MAX_EVENT_BYTES:
                self._gathered.appendleft(each)
                break
            size += each.event_bytes
            chosen.append(each)
        self._gathered.extendleft(reversed(left))
        self._gathered_bytes -= size - _ENVELOPE_BYTES
        return chosen

    def _drop_visible(self, now: float) -> None:
        """Forget what is visible again by now: the queue gives it out anew."""
        timeout_s = self._policy.visibility_timeout_s
        while self._gathered and self._gathered[0].received_at + timeout_s <= now:
            self._gathered_bytes -= self._gathered.popleft().event_bytes
        for entry in [entry for entry in self._unreached if entry[1].visible_at <= now]:
            self._unreached.remove(entry)
            self._release(entry[1])

    def _release(self, batch: QueueBatch) -> None:
        self._groups.difference_update(
            each.group for each in batch.messages if each.group is not None
        )

    def _limit(self, now: float) -> int:
        if self._policy.is_fifo:
            return self._cap  # the groups are its bound
        grown = 0.0 if self._busy_since is None else (now - self._busy_since) * _MORE_EACH_S
        # The moment of growth is a sum of fractions, and must count as reached when it is.
        return min(self._cap, _FIRST_CONCURRENCY + int(grown + 1e-6))

    def _moments(self, now: float) -> Iterator[float]:
        """Give every later moment at which there may be something to do."""
        yield from (again_at for again_at, _ in self._unreached)
        if self._gathered:
            yield self._gathered[0].received_at + self._policy.visibility_timeout_s
        limit = self._limit(now)
        if self.in_flight < limit:
            ends = [self._window_end()] if self._gathered else []
            yield from (moment for moment in (*ends, self._next_receive) if moment > now)
        elif limit < self._cap and self._busy_since is not None:
            yield self._busy_since + (limit + 1 - _FIRST_CONCURRENCY) / _MORE_EACH_S
