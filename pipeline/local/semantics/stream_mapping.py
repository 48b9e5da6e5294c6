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
    shard.wants_records             # fetch more now; a driver that fetches on fills its memory
    shard.end()                     # the shard is closed and read: no record follows

Several batches of a shard at once are `parallel_mapping.ParallelShardMapping`, tumbling windows
`tumbling_window.TumblingShardMapping`. All three have the interface of `StreamShard`: a driver
calls `next_step`, `finish` and `discarded` on each of `shard.lanes`, of which here is one, the
shard itself.

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
- Before each attempt the expired head of the batch is discarded; only that head. A record expires
  at the maximum age, and in any case when the stream no longer retains it.
- A batch begins at the first of: the end of the batching window, the batch size, 6 MB of event, the
  end of the shard. The next window begins when the invocation ends. No record fits into an event
  alone that is larger than 6 MB: it is discarded.
- A filtered record is in no batch, and settles with what comes before it.

Source: AWS Lambda Developer Guide, "Using Lambda with Kinesis", error handling and batching, and
results recorded against AWS: a record that is always reported failed in a batch of three with three
retries is seen five times, because the budget restarts when the checkpoint moves.
"""

import json
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pipeline.local.semantics.stream_types import (
    Batch,
    Discard,
    Invoke,
    MappingPolicy,
    NotReached,
    Raised,
    Result,
    Returned,
    Step,
    StreamRecord,
    Unusable,
    Wait,
)

_ENVELOPE_BYTES: Final = len('{"Records":[]}')


class ShardMapping:
    """The state of one mapping on one shard; see the module."""

    def __init__(self, policy: MappingPolicy, *, started_at: float) -> None:
        self._policy = policy
        ages_s = (policy.maximum_record_age_s, policy.retention_s)
        self._expires_s = min((age_s for age_s in ages_s if age_s >= 0), default=math.inf)
        self._fetched: deque[StreamRecord] = deque()
        self._waiting = 0
        self._has_ended = False
        self._batches: deque[Batch] = deque()
        self._step: Invoke | Discard | None = None
        self._last: Result | None = None
        self._window_began = started_at
        self._not_before = started_at
        self._in_a_row = 0
        self._checkpoint: str | None = None

    @property
    def lanes(self) -> tuple["ShardMapping", ...]:
        """The shard itself: it has one batch at a time."""
        return (self,)

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
        """How many records are fetched, pass the filter and are in no batch yet."""
        return self._waiting

    @property
    def wants_records(self) -> bool:
        """Whether what is fetched may leave the next batch unfilled."""
        return self._waiting < self._policy.batch_size

    def add(self, records: Sequence[StreamRecord]) -> None:
        """Take fetched records, those behind the ones added before."""
        fetched = self._fetched
        for record in records:
            if record.event is not None:
                self._waiting += 1
            elif fetched and fetched[-1].event is None:
                fetched.pop()  # only the last filtered one in a row bears on the checkpoint
            fetched.append(record)
        self._settle_filtered()

    def end(self) -> None:
        """Take note that no record follows: what is there waits for no window."""
        self._has_ended = True

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
                    self._fail_head()
            case Raised() if self._policy.bisect_on_error and len(batch.records) > 1:
                middle = len(batch.records) // 2
                self._batches[0] = Batch(batch.records[middle:])
                self._batches.appendleft(Batch(batch.records[:middle]))
            case Raised() | Unusable():
                self._fail_head()
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
        if _event_bytes(batch.records) > self._policy.max_event_bytes:
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
        if self._has_ended:
            return now
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
            if cut and size - 1 > self._policy.max_event_bytes:  # the last one has no comma
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
        self._waiting -= len(cut)
        return Batch(tuple(cut))

    def _expired_head(self, batch: Batch, now: float) -> int:
        expires_s, records = self._expires_s, batch.records
        fresh = (i for i, record in enumerate(records) if now - record.arrived_at < expires_s)
        return next(fresh, len(records))

    def _settled_by(self, answer: bytes, batch: Batch) -> int:
        """Return how many records at a batch's head an answer settles; malformed, none."""
        if not self._policy.report_batch_item_failures:
            return len(batch.records)
        failed = reported_failures(answer)
        numbers = [record.sequence_number for record in batch.records]
        if failed is None or not failed <= set(numbers):
            return 0
        return numbers.index(min(failed, key=int)) if failed else len(numbers)

    def _fail_head(self) -> None:
        batch = self._batches[0]
        self._batches[0] = replace(batch, failures=batch.failures + 1)

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


def reported_failures(answer: bytes) -> set[str] | None:
    """Read a batch item failure report: the failed items, or None when it is malformed."""
    try:
        report = json.loads(answer)
        if not report:
            return set()
        failures = report.get("batchItemFailures") or []
        failed = {failure["itemIdentifier"] for failure in failures}
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return None
    return failed if all(isinstance(item, str) and item for item in failed) else None
