"""A schedule fires: settle what was left open, then start the queries that are due.

Nothing here counts on a schedule firing once, on time or at all. What is due follows from the
scheduled time, from the rows and from the lake, so a schedule that fires twice finds nothing left
to do, and the next one does what the last one missed.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal, NamedTuple

import msgspec

from pipeline.detection.anomaly import timestamp_text
from pipeline.errors import InvalidRecordError, RetryableError
from pipeline.flows.analytics.collecting import ENDED, NOTHING, Collected, Collector
from pipeline.flows.analytics.jobs import MAX_ATTEMPTS, Job, claimed
from pipeline.flows.analytics.ports import Jobs, Lake, QueryEngine
from pipeline.flows.analytics.queries import (
    COMPACTION,
    DAILY,
    closed_days,
    closed_hours,
    compacted_folders,
    parameters,
    sql,
)


class Schedule(msgspec.Struct, frozen=True):
    """What a schedule sends: which one it is, and when it was meant to fire."""

    schedule: Literal["hourly", "daily"]
    scheduled_time: datetime


class Started(NamedTuple):
    """What a schedule came to."""

    started: int
    settled: Collected
    postponed: int


class _Due(NamedTuple):
    query: str
    period: str
    source: str
    scheduled_at: str


def schedule_in(event: Mapping[str, object]) -> Schedule:
    """Read a schedule's input.

    Raises:
        InvalidRecordError: It is none.
    """
    try:
        return msgspec.convert(event, Schedule)
    except msgspec.ValidationError as error:
        raise InvalidRecordError(f"not the input of a schedule: {error}") from error


class Starter:
    """Starts queries.

    Args:
        engine: Where queries run.
        jobs: The rows.
        lake: What is compacted.
        collector: Settles what ended unheard.
    """

    def __init__(self, engine: QueryEngine, jobs: Jobs, lake: Lake, collector: Collector) -> None:
        self._engine = engine
        self._jobs = jobs
        self._lake = lake
        self._collector = collector

    def fire(self, schedule: Schedule, now: datetime) -> Started:
        """Do what a schedule asks for.

        Raises:
            RetryableError: Throttling or an outage; also when somebody else has just claimed a job,
                so that it is looked at again should he not come to an end.
        """
        at = schedule.scheduled_time.astimezone(UTC)
        settled = self._settle_open(at, now)
        started = busy = postponed = 0
        for due in self._due(schedule, at):
            match self._start(due, now):
                case "started":
                    started += 1
                case "busy":
                    busy += 1
                case "postponed":
                    postponed += 1
        if busy:
            raise RetryableError(f"{busy} queries are being started by somebody else")
        return Started(started, settled, postponed)

    def _settle_open(self, at: datetime, now: datetime) -> Collected:
        """Settle jobs whose query has ended though nobody told; events are a best effort."""
        settled = NOTHING
        for row in self._rows(at):
            if row.status != "RUNNING":
                continue
            execution = self._engine.look(row.query_execution_id)
            if execution.state in ENDED:
                settled += self._collector.settle(row, execution, now)
        return settled

    def _rows(self, at: datetime) -> Iterator[Job]:
        hours, days = closed_hours(at), closed_days(at)
        yield from self._jobs.between(COMPACTION, hours[0], hours[-1])
        for query in DAILY:
            yield from self._jobs.between(query, days[0], days[-1])

    def _due(self, schedule: Schedule, at: datetime) -> Iterator[_Due]:
        """Yield what should have been run by now, done or not."""
        scheduled_at = timestamp_text(at)
        if schedule.schedule == "daily":
            for query in DAILY:
                for day in closed_days(at):
                    yield _Due(query, day, "", scheduled_at)
            return
        for hour, digest in sorted(self._lake.inputs(closed_hours(at)).items()):
            yield _Due(COMPACTION, hour, digest, scheduled_at)
        for row in self._rows(at):  # a day's query that failed is tried again within the hour
            if row.query in DAILY and row.status in {"FAILED", "CANCELLED", "CLAIMED"}:
                yield _Due(row.query, row.period, "", row.scheduled_at)

    def _start(self, due: _Due, now: datetime) -> Literal["started", "done", "busy", "postponed"]:
        before = self._jobs.read(due.query, due.period)
        if before is not None:
            if before.status == "CLAIMED" and not before.is_stale(now):
                return "busy"
            if before.status == "RUNNING" and not before.is_stale(now):
                return "postponed"  # what it leaves undone the next schedule finds
            if _is_done(before, due):
                return "done"
            same = due.query == COMPACTION and before.input == due.source
            if same or before.scheduled_at > due.scheduled_at:  # another attempt at the same
                due = due._replace(scheduled_at=before.scheduled_at)
        job = claimed(before, due.query, due.period, due.scheduled_at, due.source, now)
        if not self._jobs.write(job):
            return "busy"
        if due.query == COMPACTION:
            self._lake.delete(compacted_folders(due.period))
        query_execution_id = self._engine.start(
            sql(due.query), parameters(due.query, due.period), job.token
        )
        running = msgspec.structs.replace(
            job,
            status="RUNNING",
            query_execution_id=query_execution_id,
            version=job.version + 1,
        )
        if not self._jobs.write(running):
            raise RetryableError(f"the claim of {job.query} of {job.period} was lost")
        return "started"


def _is_done(before: Job, due: _Due) -> bool:
    """Tell whether a row leaves nothing to do: done for this input, or given up for it."""
    same = before.input == due.source and (
        due.query == COMPACTION or before.scheduled_at >= due.scheduled_at
    )
    if before.status == "SUCCEEDED":
        return same
    return same and before.attempt >= MAX_ATTEMPTS and not before.is_open
