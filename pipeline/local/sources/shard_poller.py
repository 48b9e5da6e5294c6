"""The thread that drives one shard of a stream mapping: polls, invokes, settles, stores."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.local.checkpoints import Checkpoints
from pipeline.local.deployment import EventSourceMapping, Function
from pipeline.local.execution.outcome import FunctionError, Outcome, Success, Throttled
from pipeline.local.execution.workers import ClosedError
from pipeline.local.on_failure import DiscardedBatch, deliver
from pipeline.local.semantics.stream_mapping import (
    Batch,
    Discard,
    Invoke,
    MappingPolicy,
    NotReached,
    Raised,
    Returned,
    ShardMapping,
    Wait,
)
from pipeline.local.sources.source import Progress
from pipeline.local.sources.stream import Shard, StreamReader

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

    Args:
        context: What it shares with the mapping's other shards.
        shard: The shard; `shard` may be replaced when the stream lists it anew.
        position: Where to start when the shard has no checkpoint.
    """

    def __init__(self, context: MappingContext, shard: Shard, position: str) -> None:
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
        self._state = ShardMapping(context.policy, started_at=context.clock())
        self._last_request_id = ""
        self._has_ended = False
        self._progress = Progress(is_settled=True, has_ended=False, fetched=0, empty_polls=0)
        self._stop = threading.Event()
        name = f"{context.mapping.logical_id} {shard.shard_id}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def progress(self) -> Progress:
        """How far the shard was after the last step; safe to read from any thread."""
        return self._progress

    def start(self) -> None:
        """Take the position in the stream, then start polling."""
        if self._position == "LATEST" and self._read_up_to is None:
            if self.shard.ending_sequence_number is not None:
                self._is_behind_last = True  # a closed shard gets no latest records
            else:
                self._iterator = self._new_iterator()
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; a running invocation is waited for by `join`."""
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread's end; return whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stop.is_set() and not self._has_ended:
                self._step()
        except ClosedError:
            return  # the batch is not settled and comes again
        except Exception as error:  # noqa: BLE001  a thread's error has nowhere to go but here
            self.failure = error
            self._context.on_problem(f"{self._thread.name} has stopped: {error!r}")

    def _step(self) -> None:
        match self._state.next_step(self._context.clock()):
            case Invoke(batch):
                self._invoke(batch)
            case Discard() as discard:
                self._discard(discard)
            case Wait(until):
                self._poll_or_wait(until)
        self._store_checkpoint()
        self._progress = Progress(
            self._state.is_settled, self._has_ended, self._fetched, self._empty_polls
        )

    def _invoke(self, batch: Batch) -> None:
        context = self._context
        records = b",".join(record.event for record in batch.records if record.event is not None)
        outcome = context.invoke(b'{"Records":[' + records + b"]}")
        match outcome:
            case Success(request_id, payload):
                self._last_request_id = request_id
                self._state.finish(Returned(payload), context.clock())
            case FunctionError(request_id):
                self._last_request_id = request_id
                self._state.finish(Raised(), context.clock())
            case Throttled():
                self._state.finish(NotReached(), context.clock())

    def _discard(self, discard: Discard) -> None:
        context, mapping, records = self._context, self._context.mapping, discard.batch.records
        what = (
            f"{mapping.logical_id} gave up {len(records)} records of {self.shard.shard_id} from "
            f"{records[0].sequence_number} to {records[-1].sequence_number}: {discard.condition}"
        )
        if mapping.on_failure_arn is None:
            context.on_problem(f"{what}; they are lost, the mapping has no on-failure destination")
        else:
            batch = DiscardedBatch(
                discard,
                mapping,
                context.function.arn,
                self.shard.shard_id,
                self._last_request_id or str(uuid.uuid4()),
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
        self._state.discarded(context.clock())

    def _poll_or_wait(self, until: float | None) -> None:
        now = self._context.clock()
        wants_records = self._state.waiting < self._context.policy.batch_size
        if self._is_at_end():
            if self._state.is_settled:
                self._has_ended = True
                return
            wake = until
        elif wants_records:
            if now >= self._next_poll:
                self._poll()
                return
            wake = self._next_poll if until is None else min(until, self._next_poll)
        else:
            wake = until
        assert wake is not None  # records that wait for nothing would be due now
        self._stop.wait(max(wake - now, 0.001))

    def _poll(self) -> None:
        context = self._context
        size = context.policy.batch_size
        limit = max(_FETCH_RECORDS // size, 1) * size
        try:
            if self._iterator is None:
                self._iterator = self._new_iterator()
            records, self._iterator = context.reader.fetch(
                self.shard.shard_id, self._iterator, limit
            )
        except (BotoCoreError, ClientError) as error:
            self._read_failed(error)
            return
        self._read_failures = 0
        self._is_behind_last = self._iterator is None
        end = self.shard.ending_sequence_number
        if end is not None:  # moto goes on filling shards that are closed
            records = [record for record in records if int(record.sequence_number) <= int(end)]
        if records:
            self._read_up_to = records[-1].sequence_number
            self._state.add(records)
            self._fetched += len(records)
        else:
            # With nothing read since LATEST, no number tells the end of a closed shard.
            self._is_behind_last |= end is not None and self._read_up_to is None
            self._empty_polls += 1
            self._next_poll = context.clock() + context.poll_interval_s

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

    def _store_checkpoint(self) -> None:
        checkpoint, context = self._state.checkpoint, self._context
        if checkpoint is not None and checkpoint != self._stored:
            context.checkpoints.put(
                context.mapping.uuid, context.stream_identity, self.shard.shard_id, checkpoint
            )
            self._stored = checkpoint
