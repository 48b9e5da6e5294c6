"""What goes into the state machines of a stream shard and what comes out of them.

The machines are `stream_mapping.ShardMapping`, `parallel_mapping.ParallelShardMapping` and
`tumbling_window.TumblingShardMapping`; their common interface, `StreamShard`, is told there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

MAX_EVENT_BYTES: Final = 6 * 1024 * 1024
"""Largest event of an invocation, as JSON. Source: AWS Lambda quotas."""

Condition = Literal["RetryAttemptsExhausted", "RecordAgeExceeded", "RecordTooLarge"]


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A record as far as the mapping looks at it.

    `sequence_number` is what item failures name; `event` the record in Lambda's event, as JSON
    text, or None when the mapping's filter keeps it out. `arrived_at` is in seconds. Records of one
    `key`, the partition key or the item's key, keep their order when batches run at once.
    """

    sequence_number: str
    arrived_at: float
    event: bytes | None
    key: str = ""


@dataclass(frozen=True, slots=True)
class MappingPolicy:
    """The settings of a mapping that bear on one shard; -1 means infinite.

    `backoff_s` gives the wait after the n-th attempt in a row without progress, n from 1. Lambda
    does not publish its own. `retention_s` is the stream's. `tumbling_window_s` of 0 means none;
    `window_grace_s` is how long after its end a tumbling window waits for late records.
    """

    batch_size: int
    batching_window_s: float
    maximum_retry_attempts: int
    maximum_record_age_s: float
    bisect_on_error: bool
    report_batch_item_failures: bool
    backoff_s: Callable[[int], float]
    retention_s: float = -1
    parallelization_factor: int = 1
    tumbling_window_s: int = 0
    window_grace_s: float = 120.0
    max_event_bytes: int = MAX_EVENT_BYTES


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


@dataclass(frozen=True, slots=True)
class Unusable:
    """The function returned what a tumbling window cannot go on with; no driver says this."""

    answer: bytes


Result = Returned | Raised | NotReached | Unusable


@dataclass(frozen=True, slots=True)
class Window:
    """The tumbling window of an invocation: from `start` up to `end`, in seconds.

    `state` is the JSON text that the last invocation returned, `{}` at first.
    """

    start: float
    end: float
    state: bytes
    is_final: bool
    is_terminated_early: bool


@dataclass(frozen=True, slots=True)
class Invoke:
    """Invoke the function with this batch, then call `finish`."""

    batch: Batch
    window: Window | None = None


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


class Lane(Protocol):
    """What has one step at a time."""

    def next_step(self, now: float) -> Step:
        """Say what to do; the same again until the step is finished or discarded."""

    def finish(self, result: Result, now: float) -> None:
        """Take the result of the invocation that `next_step` asked for."""

    def discarded(self, now: float) -> None:
        """Take note that the records which `next_step` gave up have been delivered."""


class StreamShard(Protocol):
    """What a driver needs of a shard, whatever the mapping's settings."""

    @property
    def lanes(self) -> Sequence[Lane]:
        """What can have a step in flight at the same time; always the same ones."""

    @property
    def checkpoint(self) -> str | None:
        """Sequence number up to which everything is settled; None as long as nothing is."""

    @property
    def is_settled(self) -> bool:
        """Whether nothing that was added is still to be done."""

    @property
    def wants_records(self) -> bool:
        """Whether the driver should fetch more."""

    def add(self, records: Sequence[StreamRecord]) -> None:
        """Take fetched records, those behind the ones added before."""

    def end(self) -> None:
        """Take note that no record follows, since the shard is closed and read."""
