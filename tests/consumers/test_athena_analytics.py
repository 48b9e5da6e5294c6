"""The consumer of Athena's state changes with its real adapters, on moto and the local Athena."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine

from consumers import athena_analytics, schedule_analytics
from pipeline.errors import InvalidRecordError, RetryableError
from tests.fakes.analytics_account import (
    Account,
    activity,
    analytics_account,
    forget_environment,
    set_environment,
)
from tests.recorded_calls import recording

CONTEXT: Any = None
NOW = "2026-03-02T01:40:05+00:00"
DAILY = {"schedule": "daily", "scheduled_time": "2026-03-02T01:40:00Z"}
HOURLY = {"schedule": "hourly", "scheduled_time": "2026-03-02T01:10:00Z"}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    set_environment(monkeypatch, "athena_analytics")
    with time_machine.travel(NOW), analytics_account() as (account, url):
        monkeypatch.setenv("AWS_ENDPOINT_URL_ATHENA", url)
        yield account
    forget_environment()


def fire(account: Account, schedule: dict[str, Any]) -> list[dict[str, Any]]:
    """Let the other consumer start queries, and return the events of their ends."""
    with recording("schedule_analytics"):
        schedule_analytics.handler(schedule, CONTEXT)
    account.wait()
    ended = list(account.ended)
    account.ended.clear()
    return ended


def collect(events: list[dict[str, Any]]) -> None:
    for event in events:
        athena_analytics.handler(event, CONTEXT)


def history(account: Account, users: int) -> None:
    """Write the figures of eight weeks, each day alike."""
    for back in range(1, 57):
        account.put_job(
            query="daily_activity",
            period=(date(2026, 3, 1) - timedelta(days=back)).isoformat(),
            scheduled_at="2026-03-01T01:40:00.000000Z",
            attempt=1,
            status="SUCCEEDED",
            version=1,
            since="2026-03-01T01:41:00.000000Z",
            figures={"unique_users": users},
        )


def test_a_figure_unlike_its_history_is_a_fact(account: Account) -> None:
    history(account, users=100)
    account.archive([activity("a1", "2026-03-01T10:00:00Z")], "2026-03-01T11:00:00Z")
    collect(fire(account, HOURLY))

    collect(fire(account, DAILY))

    facts = [fact for fact in account.rows("anomalies") if fact["rule_id"] == "kpi_drift"]
    assert {fact["dedup_key"] for fact in facts} == {"kpi_drift#daily_activity.unique_users"}
    assert sorted(fact["fact_key"] for fact in facts) == [
        "2026-02-27T00:00:00.000000Z#2026-02-27#opened",
        "2026-02-28T00:00:00.000000Z#2026-02-28#opened",
        "2026-03-01T00:00:00.000000Z#2026-03-01#opened",
    ]


def test_a_figure_like_its_history_is_none(account: Account) -> None:
    history(account, users=1)
    days = ("2026-02-27", "2026-02-28", "2026-03-01")
    account.archive([activity(day, f"{day}T10:00:00Z") for day in days], "2026-03-01T11:00:00Z")
    collect(fire(account, HOURLY))

    collect(fire(account, DAILY))

    assert account.job("daily_activity", "2026-03-01")["figures"]["unique_users"] == 1
    assert account.rows("anomalies") == []


def test_an_event_that_comes_again_changes_nothing(account: Account) -> None:
    history(account, users=100)
    events = fire(account, DAILY)
    collect(events)
    before = account.rows("jobs"), account.rows("anomalies")

    collect([*events[::-1], *events])

    assert (account.rows("jobs"), account.rows("anomalies")) == before


def test_a_failed_query_is_a_fact_and_visible_in_its_row(account: Account) -> None:
    account.s3.put_object(
        Bucket="lake", Key="events/dt=2026-03-02/hour=00/x.jsonl.gz", Body=b"this is not gzip"
    )

    collect(fire(account, HOURLY))

    job = account.job("compaction", "2026-03-02T00")
    (fact,) = account.rows("anomalies")
    assert job["status"] == "FAILED"
    assert job["reason"].startswith("GENERIC_USER_ERROR: ")
    assert fact["dedup_key"] == "pipeline_query_failed#compaction"
    assert fact["fact_key"] == "2026-03-02T01:00:00.000000Z#compaction#opened"


def test_a_query_over_its_bytes_cut_off_is_cancelled_and_told(account: Account) -> None:
    key = "events/dt=2026-03-02/hour=00/x.jsonl"
    account.s3.put_object(Bucket="lake", Key=key, Body=b" " * 10_000_001)
    account.limit_scans(10_000_000)

    collect(fire(account, HOURLY))

    job = account.job("compaction", "2026-03-02T00")
    assert job["status"] == "CANCELLED"
    assert job["reason"] == "Query cancelled! : Bytes scanned limit was exceeded"
    assert [fact["rule_id"] for fact in account.rows("anomalies")] == ["pipeline_query_failed"]


def test_a_query_of_somebody_else_in_the_workgroup_is_left_alone(account: Account) -> None:
    account.query("SELECT count(*) AS n FROM events")

    collect(account.ended)

    assert account.rows("jobs") == []


def test_an_end_that_overtakes_the_row_of_its_query_comes_again(account: Account) -> None:
    (event, *_) = fire(account, DAILY)
    started = [row for row in account.rows("jobs") if row["status"] == "RUNNING"]
    query = event["detail"]["queryExecutionId"]
    (row,) = [row for row in started if row["query_execution_id"] == query]
    account.put_job(**{**row, "status": "CLAIMED"})

    with pytest.raises(RetryableError, match="is being started"):
        athena_analytics.handler(event, CONTEXT)


def test_an_end_of_an_earlier_attempt_is_ignored(account: Account) -> None:
    (event, *_) = fire(account, DAILY)
    query = event["detail"]["queryExecutionId"]
    (row,) = [row for row in account.rows("jobs") if row["query_execution_id"] == query]
    account.put_job(**{**row, "query_execution_id": "a-later-one"})

    athena_analytics.handler(event, CONTEXT)

    assert account.job(row["query"], row["period"])["status"] == "RUNNING"


def test_what_is_no_state_change_is_refused(account: Account) -> None:
    with pytest.raises(InvalidRecordError, match="not a state change of a query"):
        athena_analytics.handler({"detail-type": "Scheduled Event"}, CONTEXT)

    assert account.rows("jobs") == []
