"""Queries that ended: figures to their rows, and what is wrong to anomalies.

Facts are written before the row says that the job is done: a crash in between repeats both.
"""

from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from pipeline.detection.anomaly import Anomaly, timestamp_text
from pipeline.detection.health import query_failed
from pipeline.detection.kpis import drifts
from pipeline.detection.rules import Rules
from pipeline.errors import RetryableError
from pipeline.flows.analytics.jobs import Job
from pipeline.flows.analytics.ports import Execution, Jobs, QueryEngine
from pipeline.flows.analytics.queries import DAILY, figures, identity
from pipeline.ports import FactSink

MAX_REASON_CHARS: Final = 300
ENDED: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


class Collected(NamedTuple):
    """What one query's end came to; zeros for one that is not ours, or was settled before."""

    succeeded: int = 0
    failed: int = 0
    figures: int = 0
    anomalies: int = 0

    def __add__(self, other: object) -> "Collected":
        """Add two, number by number."""
        assert isinstance(other, Collected)
        return Collected(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


NOTHING: Final = Collected()


class Collector:
    """Settles jobs whose query has ended.

    Args:
        engine: Where queries run.
        jobs: The rows.
        facts: Where anomalies go.
        rules: What is worth one.
    """

    def __init__(self, engine: QueryEngine, jobs: Jobs, facts: FactSink, rules: Rules) -> None:
        self._engine = engine
        self._jobs = jobs
        self._facts = facts
        self._rules = rules

    def collect(self, query_execution_id: str, now: datetime) -> Collected:
        """Settle the job of a query that is said to have ended.

        Raises:
            RetryableError: Its starter has not written the query's id yet, or somebody else wrote
                the row at the same time.
        """
        execution = self._engine.look(query_execution_id)
        known = identity(execution.sql, execution.parameters)
        job = self._jobs.read(*known) if known else None
        if job is None or execution.state not in ENDED:
            return NOTHING
        if job.status == "CLAIMED":
            raise RetryableError(f"{job.query} of {job.period} is being started")
        if job.query_execution_id != query_execution_id or job.status != "RUNNING":
            return NOTHING
        return self.settle(job, execution, now)

    def settle(self, job: Job, execution: Execution, now: datetime) -> Collected:
        """Write what a job's query has come to.

        Raises:
            RetryableError: Somebody else wrote the row at the same time.
        """
        done = msgspec.structs.replace(
            job,
            status=execution.state,
            reason=execution.reason,
            scanned_bytes=execution.scanned_bytes,
            since=timestamp_text(now),
            version=job.version + 1,
        )
        if execution.state != "SUCCEEDED":
            asked = datetime.fromisoformat(job.scheduled_at).timestamp()
            ended = f"{job.period}: {execution.state}, {execution.reason}"[:MAX_REASON_CHARS]
            fact = query_failed(self._rules.health, job.query, asked, job.attempt, ended)
            self._facts.write([fact])
            self._write(done)
            return Collected(failed=1, anomalies=1)
        if job.query not in DAILY:
            self._write(done)
            return Collected(succeeded=1)
        found = figures(job.query, self._engine.rows(execution.query_execution_id))
        facts = self._drifts(job, found)
        self._facts.write(facts)
        self._write(msgspec.structs.replace(done, figures=found))
        return Collected(succeeded=1, figures=len(found), anomalies=len(facts))

    def _drifts(self, job: Job, found: dict[str, float]) -> list[Anomaly]:
        rule = self._rules.kpi_drift
        day = date.fromisoformat(job.period)
        first, last = day - timedelta(days=rule.history_days), day - timedelta(days=1)
        before = self._jobs.between(job.query, first.isoformat(), last.isoformat())
        history = {date.fromisoformat(row.period): row.figures for row in before if row.figures}
        return list(drifts(rule, job.query, day, found, history))

    def _write(self, job: Job) -> None:
        if not self._jobs.write(job):
            raise RetryableError(f"{job.query} of {job.period} was written by somebody else")
