"""A queue in memory and a driver, which run a queue mapping in virtual time."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

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

DEDUPLICATION_S = 300


@dataclass
class StoredMessage:
    message_id: str
    body: bytes
    group: str | None
    visible_at: float
    receives: int = 0
    receipt_handle: str | None = None


@dataclass
class SimulatedQueue:
    """SQS as far as a mapping can see it.

    A received message is invisible until its visibility timeout has run out or it is deleted, and
    each receive gives it a new handle; only the newest one deletes. With `max_receive_count` the
    receive after so many goes to `dead` instead. On a FIFO queue an invisible message blocks its
    group, and a deduplication id counts for five minutes, even if its message is gone.
    """

    is_fifo: bool = False
    max_receive_count: int | None = None
    dead: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    received: dict[str, int] = field(default_factory=dict)
    messages: list[StoredMessage] = field(default_factory=list)
    _handles: "count[int]" = field(default_factory=count)
    _sent: dict[str, float] = field(default_factory=dict)

    def send(
        self,
        message_id: str,
        now: float = 0,
        *,
        body: bytes = b"{}",
        group: str | None = None,
        deduplication_id: str | None = None,
        delay_s: float = 0,
    ) -> None:
        if self.is_fifo:
            key = deduplication_id or message_id
            if now - self._sent.get(key, -DEDUPLICATION_S) < DEDUPLICATION_S:
                return
            self._sent[key] = now
        self.messages.append(StoredMessage(message_id, body, group, now + delay_s))

    def receive(self, max_messages: int, timeout_s: float, now: float) -> list[StoredMessage]:
        given: list[StoredMessage] = []
        blocked = {m.group for m in self.messages if m.visible_at > now and m.receives}
        for message in list(self.messages):
            if message.visible_at > now or (self.is_fifo and message.group in blocked):
                continue
            if message.receives == self.max_receive_count:
                self.messages.remove(message)
                self.dead.append(message.message_id)
                continue
            message.receives += 1
            self.received[message.message_id] = message.receives
            message.visible_at = now + timeout_s
            message.receipt_handle = f"handle-{next(self._handles)}"
            given.append(message)
            if len(given) == max_messages:
                break
        return given

    def delete(self, receipt_handle: str) -> None:
        for message in self.messages:
            if message.receipt_handle == receipt_handle:
                self.messages.remove(message)
                self.deleted.append(message.message_id)
                return


def policy(
    *,
    is_fifo: bool = False,
    batch_size: int = 10,
    window_s: float = 0,
    report: bool = True,
    concurrency: int | None = None,
    visibility_s: float = 30,
    timeout_s: float = 3,
) -> QueuePolicy:
    return QueuePolicy(
        is_fifo=is_fifo,
        batch_size=batch_size,
        batching_window_s=window_s,
        report_batch_item_failures=report,
        maximum_concurrency=concurrency,
        queue_visibility_timeout_s=visibility_s,
        function_timeout_s=timeout_s,
        idle_poll_s=1,
        backoff_s=lambda attempt: 2.0 ** min(attempt, 3),
    )


@dataclass(frozen=True)
class Invocation:
    """An invocation as the function sees it; `handles` are the receipt handles."""

    at: float
    ids: list[str]
    groups: list[str | None]
    handles: list[str]


Handler = Callable[[Invocation], Result]


@dataclass
class Drive:
    """Drives a mapping on a queue with a scripted handler whose every run takes `duration_s`.

    A body that starts with `-` is one that the mapping's filter keeps out.
    """

    queue: SimulatedQueue
    handler: Handler
    settings: QueuePolicy
    duration_s: Callable[[Invocation], float] = lambda _: 0
    now: float = 0
    invoked: list[Invocation] = field(default_factory=list)
    most_in_flight: int = 0
    group_overlaps: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    _running: list[tuple[float, int, QueueBatch, Result]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mapping = MappedQueue(self.settings)

    @property
    def batches(self) -> list[list[str]]:
        return [invocation.ids for invocation in self.invoked]

    def run(self, until: float = 1e6) -> "Drive":
        """Go on until the queue is empty and everything is settled, or time is up."""
        while self.now < until:
            while self._running and self._running[0][0] <= self.now:
                _, _, batch, result = heapq.heappop(self._running)
                left = self.mapping.finish(batch, result, self.now)
                self.left += [message.message_id for message in left]
            if self.mapping.is_settled and not self.queue.messages:
                break
            self._step(self.mapping.next_step(self.now), until)
        return self

    def _step(self, step: Receive | Invoke | Delete | Wait, until: float) -> None:
        match step:
            case Receive(max_messages, timeout_s):
                given = self.queue.receive(max_messages, timeout_s, self.now)
                self.mapping.received([_as_received(message) for message in given], self.now)
            case Delete(messages):
                for message in messages:
                    self.queue.delete(message.receipt_handle)
            case Invoke(batch):
                self._invoke(batch)
            case Wait(moment):
                ends = [self._running[0][0]] if self._running else []
                moments = [*ends, until] if moment is None else [*ends, moment, until]
                assert min(moments) > self.now, "the mapping says to wait for what is past"
                self.now = min(moments)

    def _invoke(self, batch: QueueBatch) -> None:
        messages = batch.messages
        groups = {message.group for message in messages if message.group}
        busy = {m.group for _, _, other, _ in self._running for m in other.messages if m.group}
        self.group_overlaps += sorted(groups & busy)
        invocation = Invocation(
            self.now,
            [message.message_id for message in messages],
            [message.group for message in messages],
            [message.receipt_handle for message in messages],
        )
        self.invoked.append(invocation)
        result = self.handler(invocation)
        end = self.now + self.duration_s(invocation)
        heapq.heappush(self._running, (end, len(self.invoked), batch, result))
        self.most_in_flight = max(self.most_in_flight, self.mapping.in_flight)


def _as_received(message: StoredMessage) -> QueueMessage:
    assert message.receipt_handle is not None
    event = None if message.body.startswith(b"-") else message.body
    return QueueMessage(message.message_id, message.receipt_handle, event, message.group)


def queue_of(ids: Sequence[str], **settings: int | None) -> SimulatedQueue:
    """Fill a standard queue."""
    queue = SimulatedQueue(max_receive_count=settings.get("max_receive_count"))
    for message_id in ids:
        queue.send(message_id)
    return queue


def fifo_of(ids: Sequence[str], **settings: int | None) -> SimulatedQueue:
    """Fill a FIFO queue; a message's group is the first letter of its id."""
    queue = SimulatedQueue(is_fifo=True, max_receive_count=settings.get("max_receive_count"))
    for message_id in ids:
        queue.send(message_id, group=message_id[0])
    return queue
