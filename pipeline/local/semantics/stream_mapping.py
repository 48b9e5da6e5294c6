"""What Lambda does with one shard of a stream event source mapping, as a pure state machine.

It knows no stream, function, thread or clock; whoever drives it brings those. The interface::

    shard = ShardMapping(policy, started_at=now)
    shard.add(records)              # fetched records, in shard order, each once
    step = shard.next_step(now)     # what to do now, one of
        Invoke(batch)               # invoke the function, then shard.finish(result, now)
        Discard(batch, ...)         # deliver to the destination, then shard.discarded(now)
        Wait(until)                 # nothing before `until`, or before more records if None
    shard.checkpoint                # store it whenever it has changed, after the step is settled
    shard.is_settled                # nothing is left of what was added

`result` is `Returned(answer)`, `Raised()` or `NotReached()`. Time is any number of seconds that is
comparable with `StreamRecord.arrived_at`, so hours of retries run in milliseconds. A step that is
neither finished nor discarded (the driver died) leaves the checkpoint where it was: a new machine
that starts behind that checkpoint gets the same records again.

Rules, for a batch and its number of failed attempts n:

- Success settles the batch. So does any answer when the mapping does not report item failures.
- A report of failed items settles what is before the lowest of them (compared as integers); the
  rest becomes a new batch with a new retry budget. When the first record failed there is no
  progress and n grows by one. A malformed report fails the whole batch.
- An error with bisection splits a batch of several records into two new batches at no cost;
  otherwise n grows by one.
- A function that was not reached costs nothing.
- n beyond the maximum of retries discards the batch.
- Before each attempt the expired head of the batch is discarded; only that head.
- A filtered record is in no batch, and settles with what comes before it.

Source: AWS Lambda Developer Guide, "Using Lambda with Kinesis", error handling and batching, and
results recorded against AWS: a record that is always reported failed in a batch of three with three
retries is seen five times, because the budget restarts when the checkpoint moves.
"""

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

MAX_EVENT_BYTES: Final = 6 * 1024 * 1024
"""Largest event of an invocation, as JSON. Source: AWS Lambda quotas."""

_ENVELOPE_BYTES = len('{"Records":[]}')

Condition = Literal["RetryAttemptsExhausted", "RecordAgeExceeded", "RecordTooLarge"]


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A record as far as the mapping looks at it.

    `sequence_number` is what item failures name; `event` the record in Lambda's event, as JSON
    text, or None when the mapping's filter keeps it out. `arrived_at` is in seconds.
    """

    sequence_number: str
    arrived_at: float
    event: bytes | None


@dataclass(frozen=True, slots=True)
class MappingPolicy:
    """The settings of a mapping that bear on one shard; -1 means infinite.

    `backoff_s` gives the wait after the n-th attempt in a row without progress, n from 1. Lambda
    does not publish its own.
    """

    batch_size: int
    batching_window_s: float
    maximum_retry_attempts: int
    maximum_record_age_s: float
    bisect_on_error: bool
    report_batch_item_failures: bool
    backoff_s: Callable[[int], float]


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that are invoked together, and how often that has failed."""

    records: tuple[StreamRecord, ...]
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Returned:
    """The function returned; `answer` is its JSON text."""

    answer: bytes


@dataclass(frozen=True, slots=True)
class Raised:
    """The function raised, timed out or crashed."""


@dataclass(frozen=True, slots=True)
class NotReached:
    """The function was throttled or not to be had; nothing was executed."""


Result = Returned | Raised | NotReached


@dataclass(frozen=True, slots=True)
class Invoke:
    """Invoke the function with this batch, then call `finish`."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Discard:
    """Give these records up, then call `discarded`.

    `invoke_count` is what the payload calls approximateInvokeCount, never less than 1. `last` is
    the result of the batch's last attempt, None when it was never tried. `RecordTooLarge` is our
    word: AWS does not document its own for a record that no event can hold.
    """

    batch: Batch
    condition: Condition
    invoke_count: int
    last: Result | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until`; with None, before more records come."""

    until: float | None


Step = Invoke | Discard | Wait


class ShardMapping:
    """The state of one mapping on one shard; see the module."""

    def __init__(self, policy: MappingPolicy, *, started_at: float) -> None:
        self._policy = policy
        self._fetched: deque[StreamRecord] = deque()
        self._batches: deque[Batch] = deque()
        self._step: Invoke | Discard | None = None
        self._last: Result | None = None
        self._window_began = started_at
        self._not_before = started_at
        self._in_a_row = 0
        self._checkpoint: str | None = None

    @property
    def checkpoint(self) -> str | None:
        """Sequence number of the last record that is settled; None as long as none is."""
        return self._checkpoint

    @property
    def is_settled(self) -> bool:
        """Whether nothing that was added is still to be done."""
        return not self._fetched and not self._batches

    @property
    def waiting(self) -> int:
        """How many records are fetched and in no batch yet; a driver fetches while it is low."""
        return len(self._fetched)

    def add(self, records: Sequence[StreamRecord]) -> None:
        """Take fetched records, those behind the ones added before."""
        self._fetched.extend(records)
        self._settle_filtered()

    def next_step(self, now: float) -> Step:
        """Say what to do; the same again until the step is finished or discarded."""
        if self._step is None:
            step = self._decide(now)
            if isinstance(step, Wait):
                return step
            self._step = step
        return self._step

    def finish(self, result: Result, now: float) -> None:
        """Take the result of the invocation that `next_step` asked for."""
        if not isinstance(self._step, Invoke):
            raise RuntimeError(  # noqa: TRY004  a call out of turn
                "no invocation was asked for"
            )
        batch, self._step, self._last = self._step.batch, None, result
        self._window_began = now
        settled = 0
        match result:
            case Returned(answer):
                settled = self._settled_by(answer, batch)
                if not settled:
                    self._batches[0] = replace(batch, failures=batch.failures + 1)
            case Raised() if self._policy.bisect_on_error and len(batch.records) > 1:
                middle = len(batch.records) // 2
                self._batches[0] = Batch(batch.records[middle:])
                self._batches.appendleft(Batch(batch.records[:middle]))
            case Raised():
                self._batches[0] = replace(batch, failures=batch.failures + 1)
            case NotReached():
                pass
        if settled:
            self._settle_head(settled)
        if settled < len(batch.records):
            self._in_a_row += 1
            self._not_before = now + self._policy.backoff_s(self._in_a_row)

    def discarded(self, now: float) -> None:
        """Take note that the records which `next_step` gave up have been delivered."""
        if not isinstance(self._step, Discard):
            raise RuntimeError(  # noqa: TRY004  a call out of turn
                "no discard was asked for"
            )
        count, self._step = len(self._step.batch.records), None
        self._window_began = self._not_before = now
        self._settle_head(count)

    def _decide(self, now: float) -> Step:
        if not self._batches:
            due = self._window_end(now)
            if due is None or due > now:
                return Wait(due)
            self._batches.append(self._take_batch())
        batch = self._batches[0]
        if _event_bytes(batch.records) > MAX_EVENT_BYTES:
            return Discard(batch, "RecordTooLarge", 1, None)
        if 0 <= self._policy.maximum_retry_attempts < batch.failures:
            return Discard(batch, "RetryAttemptsExhausted", batch.failures, self._last)
        expired = self._expired_head(batch, now)
        if expired:
            head = Batch(batch.records[:expired], batch.failures)
            return Discard(head, "RecordAgeExceeded", max(batch.failures, 1), self._last)
        return Wait(self._not_before) if self._not_before > now else Invoke(batch)

    def _window_end(self, now: float) -> float | None:
        """Return when the fetched records are due, None as long as there are none."""
        window_s = self._policy.batching_window_s
        if not self._fetched:
            if now >= self._window_began + window_s:
                self._window_began = now  # an empty window is followed by another
            return None
        _, is_full = self._cut()
        return now if is_full else self._window_began + window_s

    def _cut(self) -> tuple[list[StreamRecord], bool]:
        """Return the fetched records that fit into one batch, and whether no more would fit."""
        cut: list[StreamRecord] = []
        size = _ENVELOPE_BYTES
        for record in self._fetched:
            if record.event is None:
                continue
            size += len(record.event) + 1
            if cut and size > MAX_EVENT_BYTES:
                return cut, True
            cut.append(record)
            if len(cut) == self._policy.batch_size:
                return cut, True
        return cut, False

    def _take_batch(self) -> Batch:
        cut, _ = self._cut()
        # Filtered records before the batch's last one go with it.
        while self._fetched.popleft() is not cut[-1]:
            pass
        return Batch(tuple(cut))

    def _expired_head(self, batch: Batch, now: float) -> int:
        age_s = self._policy.maximum_record_age_s
        if age_s < 0:
            return 0
        fresh = (i for i, record in enumerate(batch.records) if now - record.arrived_at < age_s)
        return next(fresh, len(batch.records))

    def _settled_by(self, answer: bytes, batch: Batch) -> int:
        """Return how many records at a batch's head an answer settles; malformed, none."""
        if not self._policy.report_batch_item_failures:
            return len(batch.records)
        failed = _reported_failures(answer)
        numbers = [record.sequence_number for record in batch.records]
        if failed is None or not failed <= set(numbers):
            return 0
        return numbers.index(min(failed, key=int)) if failed else len(numbers)

    def _settle_head(self, count: int) -> None:
        batch = self._batches.popleft()
        self._checkpoint = batch.records[count - 1].sequence_number
        self._in_a_row = 0
        self._last = None
        if count < len(batch.records):
            self._batches.appendleft(Batch(batch.records[count:]))
        self._settle_filtered()

    def _settle_filtered(self) -> None:
        while not self._batches and self._fetched and self._fetched[0].event is None:
            self._checkpoint = self._fetched.popleft().sequence_number


def _event_bytes(records: Sequence[StreamRecord]) -> int:
    return _ENVELOPE_BYTES + sum(len(record.event or b"") + 1 for record in records) - 1


def _reported_failures(answer: bytes) -> set[str] | None:
    """Read a batch item failure report: the failed items, or None when it is malformed."""
    try:
        report = json.loads(answer)
        if not report:
            return set()
        failures = report.get("batchItemFailures") or []
        failed = {failure["itemIdentifier"] for failure in failures}
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return failed if all(isinstance(item, str) and item for item in failed) else None
