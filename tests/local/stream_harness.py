"""Drives the machine of a stream shard with a scripted function, in virtual time.

For anybody who wants to know what Lambda does with a shard. It works like this::

    run = StreamRun(policy, records, handler).run()
    run.invocations     # what was invoked, when, with which result
    run.discards        # what was given up, when and why
    run.checkpoints     # the stored checkpoint after each of those

`handler` gets the `Invoke` step and says the result; `duration_s` says how long that takes, so that
batches of several lanes overlap. Records are fetched when they have arrived and the machine wants
them. `run(until)` stops the clock, `kill` loses the machine and whatever is in flight; the next
`run` starts a new machine behind the stored checkpoint. Hours cost milliseconds: the clock jumps
from one event to the next.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pipeline.local.semantics.stream_shard import stream_shard
from pipeline.local.semantics.stream_types import (
    Batch,
    Condition,
    Discard,
    Invoke,
    Lane,
    MappingPolicy,
    Result,
    Returned,
    StreamRecord,
    StreamShard,
    Wait,
    Window,
)

Handler = Callable[[Invoke], Result]

SUCCESS = Returned(b"null")


def record(
    number: int | str,
    arrived_at: float = 0,
    *,
    size: int = 100,
    is_filtered: bool = False,
    key: str = "",
) -> StreamRecord:
    """Make a record of a size in bytes."""
    return StreamRecord(str(number), arrived_at, None if is_filtered else b"x" * size, key)


def records(*numbers: int) -> list[StreamRecord]:
    """Make records that are there from the beginning."""
    return [record(number) for number in numbers]


def policy(
    *,
    batch_size: int = 3,
    window_s: float = 0,
    retries: int = -1,
    age_s: float = -1,
    bisect: bool = False,
    report: bool = True,
    factor: int = 1,
    tumbling_s: int = 0,
    retention_s: float = -1,
) -> MappingPolicy:
    """Make a policy that waits 2, 4, 8, 8, ... seconds between attempts."""
    return MappingPolicy(
        batch_size=batch_size,
        batching_window_s=window_s,
        maximum_retry_attempts=retries,
        maximum_record_age_s=age_s,
        bisect_on_error=bisect,
        report_batch_item_failures=report,
        backoff_s=lambda attempt: 2.0 ** min(attempt, 3),
        retention_s=retention_s,
        parallelization_factor=factor,
        tumbling_window_s=tumbling_s,
    )


def failing(*items: object) -> Returned:
    """Make a report of failed items."""
    failures = [{"itemIdentifier": item} for item in items]
    return Returned(json.dumps({"batchItemFailures": failures}).encode())


def scripted(*results: Result) -> Handler:
    """Make a function with these results, one after another."""
    left = iter(results)
    return lambda _: next(left)


def numbers(batch: Batch) -> list[str]:
    """Name the records of a batch."""
    return [record.sequence_number for record in batch.records]


@dataclass(frozen=True)
class Invocation:
    """One invocation; `ended_at` is infinite when the machine was killed before."""

    started_at: float
    ended_at: float
    lane: int
    batch: Batch
    window: Window | None
    result: Result


@dataclass(frozen=True)
class Discarded:
    """Records that were given up."""

    at: float
    numbers: list[str]
    condition: Condition
    invoke_count: int
    last: Result | None


@dataclass
class StreamRun:
    """One shard of a mapping and the function behind it; see the module."""

    policy: MappingPolicy
    records: Sequence[StreamRecord]
    handler: Handler
    duration_s: Callable[[Invoke], float] = lambda _: 0.0
    is_closed: bool = False
    now: float = 0.0
    invocations: list[Invocation] = field(default_factory=list)
    discards: list[Discarded] = field(default_factory=list)
    checkpoints: list[str | None] = field(default_factory=list)
    shard: StreamShard = field(init=False)
    _fetched: int = 0
    _running: dict[Lane, Invocation] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shard = stream_shard(self.policy, started_at=self.now)

    @property
    def invoked(self) -> list[list[str]]:
        """The records of each invocation, in the order of their starts."""
        return [numbers(invocation.batch) for invocation in self.invocations]

    def run(self, until: float = math.inf) -> "StreamRun":
        """Go on until everything is settled or the time has come."""
        while self.now <= until:
            waits = self._set_going()
            if self._is_done():
                return self
            upcoming = min([*waits, *(one.ended_at for one in self._running.values())])
            if upcoming > until:
                self.now = until
                return self
            assert upcoming < math.inf, "the machine waits for nothing"
            assert upcoming > self.now or self._running, "the machine waits for the past"
            self.now = max(self.now, upcoming)
            self._finish_due()
        return self

    def kill(self) -> None:
        """Lose the machine and what is in flight, as in a crash."""
        for lost in self._running.values():
            place = self.invocations.index(lost)
            self.invocations[place] = Invocation(
                lost.started_at, math.inf, lost.lane, lost.batch, lost.window, lost.result
            )
        self._running.clear()
        self._note_checkpoint()
        stored = self.checkpoints[-1]
        settled = -1 if stored is None else int(stored)
        unsettled = (i for i, r in enumerate(self.records) if int(r.sequence_number) > settled)
        self._fetched = next(unsettled, len(self.records))
        self.shard = stream_shard(self.policy, started_at=self.now)

    def _set_going(self) -> list[float]:
        """Begin everything that is due; return when something is due again."""
        while True:
            self._fetch()
            waits = [self._drive(*each) for each in enumerate(self.shard.lanes)]
            next_arrival = self._next_arrival()
            if next_arrival > self.now:  # steps that cost no time may have made room for more
                return [next_arrival, *waits]

    def _drive(self, index: int, lane: Lane) -> float:
        while lane not in self._running:
            match lane.next_step(self.now):
                case Invoke() as invoke:
                    self._start(index, lane, invoke)
                case Discard(batch, condition, count, last):
                    what = Discarded(self.now, numbers(batch), condition, count, last)
                    self.discards.append(what)
                    lane.discarded(self.now)
                    self._note_checkpoint()
                case Wait(until):
                    return math.inf if until is None else until
        return math.inf

    def _fetch(self) -> None:
        """Add what has arrived and is wanted."""
        while self._next_arrival() <= self.now:
            self.shard.add([self.records[self._fetched]])
            self._fetched += 1
        if self._fetched == len(self.records) and self.is_closed:
            self.shard.end()

    def _next_arrival(self) -> float:
        """Return when there is more to fetch, if it is wanted."""
        if self._fetched == len(self.records) or not self.shard.wants_records:
            return math.inf
        return self.records[self._fetched].arrived_at

    def _start(self, index: int, lane: Lane, invoke: Invoke) -> None:
        ends_at = self.now + self.duration_s(invoke)
        result = self.handler(invoke)
        invocation = Invocation(self.now, ends_at, index, invoke.batch, invoke.window, result)
        self.invocations.append(invocation)
        self._running[lane] = invocation
        if ends_at == self.now:
            self._finish_due()

    def _finish_due(self) -> None:
        due = [(lane, one) for lane, one in self._running.items() if one.ended_at <= self.now]
        for lane, invocation in due:
            del self._running[lane]
            lane.finish(invocation.result, self.now)
            self._note_checkpoint()

    def _note_checkpoint(self) -> None:
        self.checkpoints.append(self._stored())

    def _stored(self) -> str | None:
        """Return the checkpoint, of an earlier machine as long as this one has none."""
        if self.shard.checkpoint is None and self.checkpoints:
            return self.checkpoints[-1]
        return self.shard.checkpoint

    def _is_done(self) -> bool:
        return self._fetched == len(self.records) and self.shard.is_settled and not self._running
