"""A job: one named query about one period, the row that says how far it is, and its identity."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Literal

import msgspec

from pipeline.detection.anomaly import timestamp_text

JobStatus = Literal["CLAIMED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"]
"""`CLAIMED` is ours: somebody is about to start the query. The others are Athena's."""

MAX_ATTEMPTS: Final = 3
"""Times that a query is run for one schedule before it is left to people."""

CLAIM: Final = timedelta(seconds=90)
"""How long a claim holds: somewhat longer than the function may run."""

LOST_AFTER: Final = timedelta(minutes=35)
"""Athena ends a query after 30 minutes; one that runs longer has ended, and we did not hear."""


class Job(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A row of AnalyticsJobsTable.

    `period` is the day, or the hour of arrival, that the query is about. `scheduled_at` is the
    schedule that asked for this run; `attempt` counts the queries that were started for it.
    `input` tells what the query reads, as far as that can change, so that late data are noticed.
    `figures` are those of the last run that succeeded. `version` is of the row.
    """

    query: str
    period: str
    scheduled_at: str
    attempt: int
    status: JobStatus
    version: int
    since: str
    input: str = ""
    query_execution_id: str = ""
    reason: str = ""
    scanned_bytes: int = 0
    figures: dict[str, float] = {}

    @property
    def token(self) -> str:
        """The ClientRequestToken: Athena starts one query for it, however often it is asked."""
        content = f"{self.query}#{self.period}#{self.scheduled_at}#{self.attempt}"
        return sha256(content.encode()).hexdigest()

    @property
    def is_open(self) -> bool:
        """Whether somebody is at it."""
        return self.status in {"CLAIMED", "RUNNING"}

    def is_stale(self, now: datetime) -> bool:
        """Tell whether whoever is at it should have been done by now."""
        patience = CLAIM if self.status == "CLAIMED" else LOST_AFTER
        return self.is_open and self.since < timestamp_text(now - patience)


def claimed(
    before: Job | None, query: str, period: str, scheduled_at: str, source: str, now: datetime
) -> Job:
    """Return the row that claims the next run of a job."""
    repeats = before is not None and before.scheduled_at == scheduled_at
    return Job(
        query=query,
        period=period,
        scheduled_at=scheduled_at,
        attempt=before.attempt + 1 if before is not None and repeats else 1,
        status="CLAIMED",
        version=before.version + 1 if before is not None else 1,
        since=timestamp_text(now),
        input=source,
        figures=before.figures if before is not None else {},
    )
