"""The threads that drive one shard of a stream mapping: poll, invoke, settle, store."""

import math
import queue
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.local.checkpoints import Checkpoints
from pipeline.local.deployment import EventSourceMapping, Function
from pipeline.local.execution.outcome import FunctionError, Outcome, Success, Throttled
from pipeline.local.execution.workers import ClosedError
from pipeline.local.on_failure import DiscardedBatch, deliver
from pipeline.local.semantics.stream_shard import stream_shard
from pipeline.local.semantics.stream_types import (
    Discard,
    Invoke,
    Lane,
    MappingPolicy,
    NotReached,
    Raised,
    Result,
    Returned,
    StreamRecord,
    Unusable,
    Wait,
)
from pipeline.local.semantics.tumbling_window import invocation_event
from pipeline.local.sources.source import Progress
from pipeline.local.sources.stream import Position, Shard, StreamReader

_FETCH_RECORDS: Final = 1000
_READ_RETRY_S: Final = 1.0
_READ_FAILURES_TO_REPORT: Final = 3

OnProblem = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class MappingContext:
    """What the shards of one mapping share.

    `client` gives the boto3 client of a service, for the on-failure destination; `on_problem` is
    told, in words, what the user must know.
    """

    mapping: EventSourceMapping
    function: Function
    policy: MappingPolicy
    reader: StreamReader
    stream_identity: str
    checkpoints: Checkpoints
    invoke: Callable[[bytes], Outcome]
    client: Callable[[str], Any]
    on_problem: OnProblem
    clock: Callable[[], float]
    poll_interval_s: float


class ShardPoller:
    """Drives one shard until it ends or is stopped.

    One thread polls, settles and stores; each invocation runs on a thread of its own, of which
    there are as many as the shard has lanes. So what is fetched next overlaps what is invoked.

    Args:
        context: What it shares with the mapping's other shards.
        shard: The shard; `shard` may be replaced when the stream lists it anew.
        position: Where to start when the shard has no checkpoint.
    """

    def __init__(self, context: MappingContext, shard: Shard, position: Position) -> None:
        self.shard = shard
        self.failure: Exception | None = None
        self._context = context
        self._position = position
        self._read_up_to = self._stored = context.checkpoints.get(
            context.mapping.uuid, context.stream_identity, shard.shard_id
        )
        self._iterator: str | None = None
        self._is_behind_last = False
        self._read_failures = 0
        self._fetched = self._empty_polls = 0
        self._next_poll = 0.0
        self._state = stream_shard(context.policy, started_at=context.clock())
        self._request_ids: dict[Lane, str] = {}
        self._running: set[Lane] = set()
        self._has_ended = False
        self._progress = Progress(is_settled=True, has_ended=False, fetched=0, empty_polls=0)
        self._stop = threading.Event()
        # What ends a wait: a finished invocation, or None for the wish to stop.
        self._inbox: queue.SimpleQueue[tuple[Lane, Future[Outcome]] | None] = queue.SimpleQueue()
        name = f"{context.mapping.logical_id} {shard.shard_id}"
        self._pool = ThreadPoolExecutor(len(self._state.lanes), thread_name_prefix=name)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def progress(self) -> Progress:
        """How far the shard was after the last step; safe to read from any thread."""
        return self._progress

    def start(self) -> None:
        """Take the position in the stream, then start polling."""
        if self._position.kind == "LATEST" and self._read_up_to is None:
            if self.shard.ending_sequence_number is not None:
                self._is_behind_last = True  # a closed shard gets no latest records
            else:
                self._iterator = self._new_iterator()
        self._thread.start()

    def stop(self) -> None:
        """Ask the threads to end; a running invocation is waited for by `join`."""
        self._stop.set()
        self._inbox.put(None)

    def join(self, timeout_s: float) -> bool:
        """Wait for the threads' end; return whether they have ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stop.is_set() and not self._has_ended:
                self._step()
            while self._running:
                self._settle_next(None)
                self._publish()
        except ClosedError:
            return  # the batch is not settled and comes again
        except Exception as error:  # noqa: BLE001  a thread's error has nowhere to go but here
            self.failure = error
            self._context.on_problem(f"{self._thread.name} has stopped: {error!r}")
        finally:
            self._pool.shutdown(wait=False)

    def _step(self) -> None:
        """Set going what can go, then fetch or wait for what comes first."""
        is_at_end = self._is_at_end()
        if is_at_end:
            self._state.end()
        until = min(map(self._set_going, self._state.lanes))
        self._has_ended = is_at_end and self._state.is_settled
        self._publish()
        if self._has_ended:
            return
        now = self._context.clock()
        if self._state.wants_records and not is_at_end:
            if now >= self._next_poll:
                self._poll()
                until = now  # what was fetched may set a lane going
            else:
                until = min(until, self._next_poll)
        self._settle_next(None if math.isinf(until) else max(until - now, 0))

    def _set_going(self, lane: Lane) -> float:
        """Begin what a lane has to do; return when it has something to do again."""
        while lane not in self._running:
            match lane.next_step(self._context.clock()):
                case Invoke() as invoke:
                    self._invoke(lane, invoke)
                case Discard() as discard:
                    self._discard(lane, discard)
                case Wait(until):
                    return math.inf if until is None else until
        return math.inf

    def _invoke(self, lane: Lane, invoke: Invoke) -> None:
        context = self._context
        event = invocation_event(
            invoke, shard_id=self.shard.shard_id, source_arn=context.mapping.source_arn
        )
        self._running.add(lane)
        invocation = self._pool.submit(context.invoke, event)
        invocation.add_done_callback(lambda done: self._inbox.put((lane, done)))

    def _settle_next(self, timeout_s: float | None) -> None:
        """Settle the finished invocations; without one wait, with None for as long as it takes."""
        try:
            finished = self._inbox.get(timeout=timeout_s)
            while True:
                if finished is not None:
                    self._settle(*finished)
                finished = self._inbox.get_nowait()
        except queue.Empty:
            return

    def _settle(self, lane: Lane, invocation: Future[Outcome]) -> None:
        self._running.remove(lane)
        result: Result
        match invocation.result():
            case Success(request_id, payload):
                self._request_ids[lane] = request_id
                result = Returned(payload)
            case FunctionError(request_id):
                self._request_ids[lane] = request_id
                result = Raised()
            case Throttled():
                result = NotReached()
        lane.finish(result, self._context.clock())

    def _discard(self, lane: Lane, discard: Discard) -> None:
        context, mapping, records = self._context, self._context.mapping, discard.batch.records
        what = (
            f"{mapping.logical_id} gave up {len(records)} records of {self.shard.shard_id} from "
            f"{records[0].sequence_number} to {records[-1].sequence_number}: {discard.condition}"
        )
        if mapping.on_failure_arn is None:
            context.on_problem(f"{what}; they are lost, the mapping has no on-failure destination")
        else:
            was_tried = isinstance(discard.last, Returned | Raised | Unusable)
            batch = DiscardedBatch(
                discard,
                mapping,
                context.function.arn,
                self.shard.shard_id,
                self._request_ids[lane] if was_tried else str(uuid.uuid4()),
                context.reader.batch_info_key,
                context.reader.arrival_unit,
                context.clock(),
            )
            try:
                deliver(batch, context.client)
            except (BotoCoreError, ClientError) as error:
                # Lambda counts DestinationDeliveryFailures and goes on as well.
                context.on_problem(f"{what}; they are lost, {mapping.on_failure_arn} said: {error}")
            else:
                context.on_problem(f"{what}; {mapping.on_failure_arn} has them")
        lane.discarded(context.clock())

    def _poll(self) -> None:
        context = self._context
        size = context.policy.batch_size
        limit = max(_FETCH_RECORDS // size, 1) * size
        try:
            if self._iterator is None:
                self._iterator = self._new_iterator()
            fetched = context.reader.fetch(self.shard.shard_id, self._iterator, limit)
        except (BotoCoreError, ClientError) as error:
            self._read_failed(error)
            return
        self._read_failures = 0
        self._iterator = fetched.next_iterator
        self._is_behind_last = self._iterator is None
        end = self.shard.ending_sequence_number
        records = fetched.records
        if end is not None:  # moto goes on filling shards that are closed
            records = [record for record in records if int(record.sequence_number) <= int(end)]
        if records:
            self._read_up_to = records[-1].sequence_number
            self._state.add(self._behind_timestamp(records))
            self._fetched += len(records) - fetched.unchanged
        else:
            # With nothing read since LATEST, no number tells the end of a closed shard.
            self._is_behind_last |= end is not None and self._read_up_to is None
            self._empty_polls += 1
            self._next_poll = context.clock() + context.poll_interval_s

    def _behind_timestamp(self, records: list[StreamRecord]) -> list[StreamRecord]:
        """Leave out what arrived before the starting position, where the stream cannot."""
        if self._position.kind != "AT_TIMESTAMP":
            return records
        since = self._position.timestamp
        return [record for record in records if record.arrived_at >= since]

    def _read_failed(self, error: Exception) -> None:
        # An iterator lives five minutes, and any answer but records may have cost us this one.
        self._iterator = None
        self._next_poll = self._context.clock() + _READ_RETRY_S
        self._read_failures += 1
        if self._read_failures == _READ_FAILURES_TO_REPORT:
            self._context.on_problem(f"{self._thread.name} cannot be read, trying on: {error}")

    def _new_iterator(self) -> str:
        return self._context.reader.iterator(self.shard.shard_id, self._read_up_to, self._position)

    def _is_at_end(self) -> bool:
        end = self.shard.ending_sequence_number
        is_read = end is not None and int(self._read_up_to or 0) >= int(end)
        return self._is_behind_last or is_read

    def _publish(self) -> None:
        """Store the checkpoint, then say how far the shard is."""
        checkpoint, context = self._state.checkpoint, self._context
        if checkpoint is not None and checkpoint != self._stored:
            context.checkpoints.put(
                context.mapping.uuid, context.stream_identity, self.shard.shard_id, checkpoint
            )
            self._stored = checkpoint
        self._progress = Progress(
            self._state.is_settled, self._has_ended, self._fetched, self._empty_polls
        )
