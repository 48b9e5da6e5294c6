"""What Lambda does with one shard of a mapping with tumbling windows, in virtual time.

The records of a window are invoked batch by batch, each invocation with the state that the last
one returned, and after them the function is invoked once more, without records, for the window's
result. The interface is that of `stream_mapping.ShardMapping`, with `shard.lanes` of one; only the
steps say more::

    Invoke(batch, window)           # window: start, end, state, is_final, is_terminated_early
    invocation_event(invoke, shard_id=..., source_arn=...)  # the event, as JSON text

Rules, on top of those of `stream_mapping`:

- A window lasts from a multiple of its length, in epoch seconds, to the next. A record belongs to
  the window in which it arrived in the stream; one out of order joins the open window.
- An answer without a `state` is a failed attempt. The state of an answer counts as far as the
  answer settles records: an attempt without progress leaves the state as it was.
- A window is over when a record of a later one has come, when the shard ends, or when nothing has
  followed for `window_grace_s`, counted from its end at the earliest: a shard that is behind is not
  idle. Then comes the final invocation, with no records.
- A final invocation that fails is repeated until it succeeds, and the shard waits.
- A state larger than 1 MB terminates the window early: the final invocation comes at once, and what
  is left of the window starts over with an empty state.
- The state does not outlive the machine, so the checkpoint moves when a window is finished and not
  before: a machine that starts behind it aggregates the whole window again.

Source: AWS Lambda Developer Guide, "Implementing stateful Kinesis Data Streams processing in
Lambda". Not documented and so ours: the multiples, what a partial success does to the state, that
the final invocation has no records, what the state of an early termination is, and the checkpoint.
"""

import json
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from pipeline.local.semantics.stream_mapping import ShardMapping, reported_failures
from pipeline.local.semantics.stream_types import (
    MAX_EVENT_BYTES,
    Batch,
    Invoke,
    MappingPolicy,
    Result,
    Returned,
    Step,
    StreamRecord,
    Unusable,
    Wait,
    Window,
)

MAX_STATE_BYTES: Final = 1024 * 1024
"""Largest state of a window. Source: as the module."""

_RESERVED_BYTES: Final = MAX_STATE_BYTES + 2048
"""Room for everything in an event but its records, so that it stays within 6 MB."""

_EMPTY_STATE: Final = b"{}"


class TumblingShardMapping:
    """The state of one mapping with tumbling windows on one shard; see the module."""

    def __init__(self, policy: MappingPolicy, *, started_at: float) -> None:
        self._policy = replace(policy, max_event_bytes=MAX_EVENT_BYTES - _RESERVED_BYTES)
        self._later: deque[StreamRecord] = deque()  # of windows behind the open one
        self._has_ended = False
        self._index: int | None = None  # of the open window, counted from the epoch
        self._batches = ShardMapping(self._policy, started_at=started_at)
        self._state = _EMPTY_STATE
        self._is_too_large = False
        self._final: Invoke | None = None
        self._failed_finals = 0
        self._not_before = started_at
        self._idle_since: float | None = None
        self._checkpoint: str | None = None

    @property
    def lanes(self) -> tuple["TumblingShardMapping", ...]:
        """The shard itself: it has one batch at a time."""
        return (self,)

    @property
    def checkpoint(self) -> str | None:
        """Sequence number of the last record of a finished window; None before the first."""
        return self._checkpoint

    @property
    def is_settled(self) -> bool:
        """Whether nothing that was added is still to be done and no window is open."""
        return self._index is None and not self._later

    @property
    def wants_records(self) -> bool:
        """Whether what is fetched may leave the next batch unfilled."""
        return self._batches.waiting + len(self._later) < self._policy.batch_size

    def add(self, records: Sequence[StreamRecord]) -> None:
        """Take fetched records, those behind the ones added before."""
        self._later.extend(records)
        self._fill_window()

    def end(self) -> None:
        """Take note that no record follows: the open window is over."""
        self._has_ended = True
        self._batches.end()

    def next_step(self, now: float) -> Step:
        """Say what to do; the same again until the step is finished or discarded."""
        if self._final is not None:
            return self._final
        if self._index is None and not self._open_window(now):
            return Wait(None)
        if not self._batches.is_settled and not self._is_too_large:
            step = self._batches.next_step(now)
            return Invoke(step.batch, self._window()) if isinstance(step, Invoke) else step
        due = max(self._over_at(now), self._not_before)
        if due > now:
            return Wait(due)
        self._final = Invoke(Batch(()), self._window(is_final=True))
        return self._final

    def finish(self, result: Result, now: float) -> None:
        """Take the result of the invocation that `next_step` asked for."""
        if self._final is not None:
            self._finish_window(result, now)
            return
        state = _returned_state(result)
        if isinstance(result, Returned) and state is None:
            result = Unusable(result.answer)
        before = self._batches.checkpoint
        self._batches.finish(result, now)
        if state is not None and self._batches.checkpoint != before:
            self._state = state
            self._is_too_large = len(state) > MAX_STATE_BYTES

    def discarded(self, now: float) -> None:
        """Take note that the records which `next_step` gave up have been delivered."""
        self._batches.discarded(now)

    def _open_window(self, now: float) -> bool:
        while self._later and self._later[0].event is None:
            self._checkpoint = self._later.popleft().sequence_number
        if not self._later:
            return False
        self._index = self._index_of(self._later[0])
        self._batches = ShardMapping(self._policy, started_at=now)
        self._not_before = now
        self._fill_window()
        return True

    def _fill_window(self) -> None:
        """Move what belongs to the open window into its batches."""
        if self._index is None:
            return
        records = []
        while self._later and self._index_of(self._later[0]) <= self._index:
            records.append(self._later.popleft())
        if records:
            self._idle_since = None
        self._batches.add(records)
        if self._later or self._has_ended:
            self._batches.end()

    def _over_at(self, now: float) -> float:
        if self._is_too_large or self._later or self._has_ended:
            return now
        if self._idle_since is None:
            self._idle_since = now
        return max(self._window().end, self._idle_since) + self._policy.window_grace_s

    def _finish_window(self, result: Result, now: float) -> None:
        self._final = None
        if not self._is_final_success(result):
            self._failed_finals += 1
            self._not_before = now + self._policy.backoff_s(self._failed_finals)
            return
        self._checkpoint = self._batches.checkpoint
        self._state, self._is_too_large, self._failed_finals = _EMPTY_STATE, False, 0
        if self._batches.is_settled:
            self._index = None

    def _is_final_success(self, result: Result) -> bool:
        if not isinstance(result, Returned) or _returned_state(result) is None:
            return False
        # Without records any reported item is an unknown one.
        is_report = self._policy.report_batch_item_failures
        return not is_report or reported_failures(result.answer) == set()

    def _index_of(self, record: StreamRecord) -> int:
        return math.floor(record.arrived_at / self._policy.tumbling_window_s)

    def _window(self, *, is_final: bool = False) -> Window:
        assert self._index is not None
        length_s = self._policy.tumbling_window_s
        start = float(self._index * length_s)
        is_early = is_final and self._is_too_large
        return Window(start, start + length_s, self._state, is_final, is_early)


def invocation_event(invoke: Invoke, *, shard_id: str, source_arn: str) -> bytes:
    """Return the event of an invocation as JSON text, with or without a tumbling window."""
    texts = [record.event for record in invoke.batch.records if record.event is not None]
    records = b'{"Records":[' + b",".join(texts) + b"]"
    window = invoke.window
    if window is None:
        return records + b"}"
    rest = {
        "window": {"start": _text(window.start), "end": _text(window.end)},
        "shardId": shard_id,
        "eventSourceARN": source_arn,
        "isFinalInvokeForWindow": window.is_final,
        "isWindowTerminatedEarly": window.is_terminated_early,
    }
    return records + b',"state":' + window.state + b"," + json.dumps(rest)[1:].encode()


def _returned_state(result: Result) -> bytes | None:
    """Read the state in an answer, None when there is none."""
    if not isinstance(result, Returned):
        return None
    try:
        state = json.loads(result.answer)["state"]
    except (KeyError, RecursionError, TypeError, ValueError):
        return None
    return json.dumps(state, separators=(",", ":")).encode()


def _text(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
