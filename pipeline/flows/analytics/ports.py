"""What the analytics flow needs from outside.

Every method raises `RetryableError` for throttling and outage, after its own bounded retries.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from pipeline.flows.analytics.jobs import Job

QueryState = Literal["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"]


class Execution(NamedTuple):
    """How far a query is, and what was asked."""

    query_execution_id: str
    sql: str
    parameters: tuple[str, ...]
    state: QueryState
    reason: str
    scanned_bytes: int


class QueryEngine(Protocol):
    """Athena."""

    def start(self, sql: str, parameters: Sequence[str], token: str) -> str:
        """Start a query and return its id, the same for the same token."""

    def look(self, query_execution_id: str) -> Execution:
        """Return how far a query is."""

    def rows(self, query_execution_id: str) -> Sequence[Mapping[str, str | None]]:
        """Return all rows of a query that succeeded, by column."""


class Lake(Protocol):
    """The objects of the lake."""

    def inputs(self, hours: Sequence[str]) -> Mapping[str, str]:
        """Return a digest of the objects of each arrival hour that has any."""

    def delete(self, prefixes: Sequence[str]) -> int:
        """Delete every object under the prefixes and return how many there were."""


class Jobs(Protocol):
    """The rows of the jobs."""

    def read(self, query: str, period: str) -> Job | None:
        """Read a row consistently."""

    def write(self, job: Job) -> bool:
        """Write a row over the version before its own; False when somebody else was first."""

    def between(self, query: str, first: str, last: str) -> Sequence[Job]:
        """Return the rows of a query with `first <= period <= last`, by period, consistently."""
