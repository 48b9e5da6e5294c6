"""One event source mapping at work: finds the stream's shards and runs a poller on each."""

import math
import threading
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.local.checkpoints import Start
from pipeline.local.sources.shard_poller import MappingContext, ShardPoller
from pipeline.local.sources.source import Progress
from pipeline.local.sources.stream import TRIM_HORIZON, Position

_LISTING_INTERVAL_S: Final = 1.0


class MappingSource:
    """The pollers of a mapping.

    A shard is polled once all of its parents have ended, so that the records of one partition key
    stay in order across a reshard. Parents that the stream no longer lists have been trimmed.
    Source: Amazon Kinesis Data Streams Developer Guide, "Resharding".

    The starting position is for the shards that are there when the mapping starts for the first
    time. A later run resumes at the checkpoints.
    """

    def __init__(self, context: MappingContext) -> None:
        mapping = context.mapping
        if (mapping.starting_timestamp or 0) > context.clock():
            raise ValueError(f"{mapping.logical_id}: StartingPositionTimestamp is in the future")
        self._context = context
        self._pollers: dict[str, ShardPoller] = {}
        self._unstarted: tuple[str, ...] = ()
        self._listing = threading.Lock()
        self._began: Start | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._list_on, name=f"{context.mapping.logical_id} shards", daemon=True
        )

    @property
    def name(self) -> str:
        """The mapping's logical id."""
        return self._context.mapping.logical_id

    @property
    def function(self) -> str:
        """The logical id of the function that the mapping feeds."""
        return self._context.mapping.function

    @property
    def failure(self) -> Exception | None:
        """What has stopped a poller for good, None as long as nothing has."""
        return next((p.failure for p in self._pollers.copy().values() if p.failure), None)

    def start(self) -> None:
        """Take the starting position in every shard, then poll; returns when that is done."""
        self.refresh()
        self._thread.start()

    def stop(self) -> None:
        """Ask every thread to end, without waiting."""
        self._stop.set()
        for poller in self._pollers.copy().values():
            poller.stop()

    def join(self, timeout_s: float) -> bool:
        """Wait for every thread's end, each so long at most; return whether all have ended."""
        self._thread.join(timeout_s)
        # A listing in progress may have started one more.
        with self._listing:
            pollers = list(self._pollers.values())
        for poller in pollers:
            poller.stop()
        ended = [poller.join(timeout_s) for poller in pollers]
        return all(ended)

    def refresh(self) -> None:
        """List the shards and start polling those whose time has come."""
        with self._listing:
            if self._stop.is_set():
                return
            shards = {shard.shard_id: shard for shard in self._context.reader.shards()}
            if self._began is None:
                context = self._context
                self._began = context.checkpoints.start(
                    context.mapping.uuid, context.stream_identity, shards, context.clock()
                )
            unstarted = []
            for shard_id, shard in shards.items():
                poller = self._pollers.get(shard_id)
                if poller and (
                    not poller.progress.has_ended
                    or poller.shard.ending_sequence_number == shard.ending_sequence_number
                ):
                    poller.shard = shard
                elif all(self._has_ended(p) for p in shard.parents if p in shards):
                    position = self._position(shard_id, self._began)
                    self._pollers[shard_id] = ShardPoller(self._context, shard, position)
                    self._pollers[shard_id].start()
                else:
                    unstarted.append(shard_id)
            self._unstarted = tuple(unstarted)

    def progress(self) -> dict[str, Progress]:
        """Return how far each shard is; one that waits for its parents is unsettled."""
        waiting = Progress(is_settled=False, has_ended=False, fetched=0, empty_polls=0)
        return {
            **dict.fromkeys(self._unstarted, waiting),
            **{shard_id: p.progress for shard_id, p in self._pollers.copy().items()},
        }

    def _position(self, shard_id: str, began: Start) -> Position:
        """Return where a shard without a checkpoint is read from."""
        mapping = self._context.mapping
        if mapping.starting_position == "TRIM_HORIZON" or shard_id not in began.shard_ids:
            return TRIM_HORIZON
        if mapping.starting_position == "AT_TIMESTAMP":
            assert mapping.starting_timestamp is not None
            return Position("AT_TIMESTAMP", mapping.starting_timestamp)
        if began.is_first:
            return Position("LATEST")
        # What was the latest is long past; arrival times of tables are in whole seconds.
        return Position("AT_TIMESTAMP", math.floor(began.moment))

    def _has_ended(self, shard_id: str) -> bool:
        poller = self._pollers.get(shard_id)
        return poller is not None and poller.progress.has_ended

    def _list_on(self) -> None:
        failures = 0
        while not self._stop.wait(_LISTING_INTERVAL_S):
            try:
                self.refresh()
                failures = 0
            except (BotoCoreError, ClientError) as error:
                failures += 1
                if failures == 1:
                    self._context.on_problem(f"{self.name}: cannot list the shards: {error}")
