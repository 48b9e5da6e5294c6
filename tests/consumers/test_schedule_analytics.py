"""The consumer of schedules with its real adapters, on moto and on the local Athena."""

from collections.abc import Iterator
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
    metric,
    set_environment,
    transaction,
)

CONTEXT: Any = None
NOW = "2026-03-02T12:10:05+00:00"


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW) as clock:
        yield clock


@pytest.fixture
def account(
    monkeypatch: pytest.MonkeyPatch,
    clock: time_machine.Traveller,  # noqa: ARG001  the account is of that time
) -> Iterator[Account]:
    set_environment(monkeypatch, "schedule_analytics")
    with analytics_account() as (account, url):
        monkeypatch.setenv("AWS_ENDPOINT_URL_ATHENA", url)
        yield account
    forget_environment()


def hourly(at: str = "2026-03-02T12:10:00Z") -> dict[str, Any]:
    return {"schedule": "hourly", "scheduled_time": at}


def daily(at: str = "2026-03-02T01:40:00Z") -> dict[str, Any]:
    return {"schedule": "daily", "scheduled_time": at}


def settle(account: Account) -> None:
    """Wait for the ends of all queries and hand them to the other consumer."""
    account.wait()
    while account.ended:
        athena_analytics.handler(account.ended.pop(0), CONTEXT)


def compacted_ids(account: Account) -> list[str]:
    return [row["event_id"] for row in account.query("SELECT event_id FROM compacted ORDER BY 1")]


def test_an_arrival_hour_that_is_over_is_compacted_by_type_and_day(account: Account) -> None:
    account.archive(
        [
            activity("a1", "2026-03-02T10:59:59Z"),
            transaction("t1", "2026-03-02T00:30:00+02:00"),
            metric("m1", "2026-03-02T10:00:00Z"),
        ],
        "2026-03-02T11:05:00Z",
    )

    schedule_analytics.handler(hourly(), CONTEXT)
    settle(account)

    assert account.folders("compacted/") == [
        "compacted/event_type=system_metric/day=2026-03-02/arrival=2026-03-02-11/",
        "compacted/event_type=transaction/day=2026-03-01/arrival=2026-03-02-11/",
        "compacted/event_type=user_activity/day=2026-03-02/arrival=2026-03-02-11/",
    ]
    job = account.job("compaction", "2026-03-02T11")
    assert (job["status"], job["attempt"]) == ("SUCCEEDED", 1)


def test_an_arrival_hour_that_is_not_over_is_left_alone(account: Account) -> None:
    account.archive([activity("a1", "2026-03-02T12:01:00Z")], "2026-03-02T12:05:00Z")

    schedule_analytics.handler(hourly(), CONTEXT)

    assert account.rows("jobs") == []


def test_values_survive_the_compaction_as_they_are(account: Account) -> None:
    account.archive(
        [
            transaction("t1", "2026-03-02 10:00:00z", amount="999999999999999999.125"),
            {**activity("a1", "2026-03-02T10:00:00.123456789Z"), "details": {"ä": [1, None, "x"]}},
        ],
        "2026-03-02T11:05:00Z",
    )

    schedule_analytics.handler(hourly(), CONTEXT)
    settle(account)

    first, second = account.query(
        "SELECT event_id, occurred_at, amount, details FROM compacted ORDER BY event_id"
    )
    assert first["details"] == '{"ä":[1,null,"x"]}'
    assert first["occurred_at"] == "2026-03-02 10:00:00.123"
    assert second["amount"] == "999999999999999999.12500000000000000000"
    assert second["occurred_at"] == "2026-03-02 10:00:00.000"


def test_a_line_that_lies_in_the_lake_twice_is_compacted_once(account: Account) -> None:
    events = [activity("a1", "2026-03-02T10:00:00Z"), activity("a2", "2026-03-02T10:00:00Z")]
    account.archive(events, "2026-03-02T11:05:00Z", number=1)
    account.archive(events[1:], "2026-03-02T11:05:01Z", number=2)

    schedule_analytics.handler(hourly(), CONTEXT)
    settle(account)

    assert compacted_ids(account) == ["a1", "a2"]


def test_a_schedule_that_fires_twice_starts_nothing_twice(account: Account) -> None:
    account.archive([activity("a1", "2026-03-02T10:00:00Z")], "2026-03-02T11:05:00Z")

    schedule_analytics.handler(hourly(), CONTEXT)
    schedule_analytics.handler(hourly(), CONTEXT)
    settle(account)
    schedule_analytics.handler(hourly(), CONTEXT)
    schedule_analytics.handler(hourly("2026-03-02T13:10:00Z"), CONTEXT)

    assert len(account.executions()) == 1
    assert compacted_ids(account) == ["a1"]


def test_late_objects_of_an_hour_make_it_compacted_again_without_doubles(account: Account) -> None:
    account.archive([activity("a1", "2026-03-02T10:00:00Z")], "2026-03-02T11:05:00Z", number=1)
    schedule_analytics.handler(hourly(), CONTEXT)
    settle(account)
    account.archive([activity("a2", "2026-03-02T10:01:00Z")], "2026-03-02T11:06:00Z", number=2)

    schedule_analytics.handler(hourly("2026-03-02T13:10:00Z"), CONTEXT)
    settle(account)

    assert compacted_ids(account) == ["a1", "a2"]
    assert len(account.keys("compacted/")) == 1


def test_events_of_twenty_five_days_ago_lie_with_the_oldest_day(account: Account) -> None:
    account.archive([activity("a1", "2026-02-05T10:00:00Z")], "2026-03-02T11:05:00Z")

    schedule_analytics.handler(hourly(), CONTEXT)
    settle(account)

    assert account.query("SELECT day, CAST(occurred_at AS date) AS own FROM compacted") == [
        {"day": "2026-02-10", "own": "2026-02-05"}
    ]


def test_the_figures_of_a_day_are_in_the_rows_of_its_jobs(account: Account) -> None:
    account.archive(
        [
            activity("a1", "2026-03-01T10:00:00Z", "u1", "s1"),
            activity("a2", "2026-03-01T10:10:00Z", "u1", "s1"),
            activity("a3", "2026-03-01T11:00:00Z", "u2", "s2"),
            activity("a4", "2026-03-01T11:02:00Z", "u2", "s2"),
            activity("a5", "2026-03-01T12:00:00Z", "u3"),
            activity("a6", "2026-02-28T23:59:59Z", "u4"),
            transaction("t1", "2026-03-01T10:00:00Z", amount="10.25"),
            {**transaction("t1", "2026-03-01T10:05:00Z", amount="10.25"), "event_id": "t1-settled"},
            transaction("t2", "2026-03-01T10:00:00Z", amount="0.10"),
            transaction("t3", "2026-03-01T10:00:00Z", amount="7", currency="EUR"),
            metric("m1", "2026-03-01T10:00:00Z", value=2.0),
            metric("m2", "2026-03-01T10:01:00Z", value=4.0),
        ],
        "2026-03-01T13:00:00Z",
    )
    # A producer that did not hear the answer put one again, an hour later.
    account.archive([activity("a5", "2026-03-01T12:00:00Z", "u3")], "2026-03-01T14:00:00Z", 50)
    schedule_analytics.handler(hourly("2026-03-02T01:10:00Z"), CONTEXT)
    settle(account)

    schedule_analytics.handler(daily(), CONTEXT)
    settle(account)

    assert account.job("daily_activity", "2026-03-01")["figures"] == {
        "events": 5,
        "unique_users": 3,
        "average_session_s": 360,
    }
    assert account.job("daily_transactions", "2026-03-01")["figures"] == {
        "transactions": 3,
        "unique_users": 1,
        "transactions of CHF": 2,
        "unique_users of CHF": 1,
        "amount of CHF": 10.35,
        "transactions of EUR": 1,
        "unique_users of EUR": 1,
        "amount of EUR": 7,
    }
    assert account.job("daily_metrics", "2026-03-01")["figures"] == {
        "points": 2,
        "sources": 1,
        "points of cpu_usage": 2,
        "sources of cpu_usage": 1,
        "average of cpu_usage": 3,
        "largest of cpu_usage": 4,
    }


def test_a_day_without_events_has_figures_too(account: Account) -> None:
    schedule_analytics.handler(daily(), CONTEXT)
    settle(account)

    assert account.job("daily_activity", "2026-03-01")["figures"] == {
        "events": 0,
        "unique_users": 0,
    }
    assert sorted(row["period"] for row in account.rows("jobs")) == [
        *["2026-02-27"] * 3,
        *["2026-02-28"] * 3,
        *["2026-03-01"] * 3,
    ]


def test_a_later_schedule_counts_what_came_late(account: Account) -> None:
    account.archive([activity("a1", "2026-03-01T10:00:00Z")], "2026-03-01T11:00:00Z", 1)
    schedule_analytics.handler(hourly("2026-03-02T01:10:00Z"), CONTEXT)
    settle(account)
    schedule_analytics.handler(daily(), CONTEXT)
    settle(account)
    account.archive([activity("a2", "2026-03-01T10:00:00Z")], "2026-03-02T11:00:00Z", 2)
    schedule_analytics.handler(hourly(), CONTEXT)
    settle(account)

    schedule_analytics.handler(daily("2026-03-03T01:40:00Z"), CONTEXT)
    settle(account)

    assert account.job("daily_activity", "2026-03-01")["figures"]["events"] == 2
    assert account.job("daily_activity", "2026-03-02")["figures"]["events"] == 0


def test_the_next_schedule_settles_a_query_whose_end_nobody_told(account: Account) -> None:
    schedule_analytics.handler(daily(), CONTEXT)
    account.wait()
    account.ended.clear()

    schedule_analytics.handler(hourly("2026-03-02T02:10:00Z"), CONTEXT)

    rows = account.rows("jobs")
    assert len(rows) == 9
    assert {row["status"] for row in rows} == {"SUCCEEDED"}


def test_a_failed_query_is_tried_again_by_the_next_schedule_and_then_given_up(
    account: Account,
) -> None:
    account.s3.put_object(
        Bucket="lake", Key="events/dt=2026-03-02/hour=11/x.jsonl.gz", Body=b"this is not gzip"
    )
    for hour in (12, 13, 14, 15, 16):
        schedule_analytics.handler(hourly(f"2026-03-02T{hour}:10:00Z"), CONTEXT)
        settle(account)

    job = account.job("compaction", "2026-03-02T11")
    assert (job["status"], job["attempt"]) == ("FAILED", 3)
    assert len(account.executions()) == 3


def test_a_claim_whose_maker_died_is_taken_over_once_it_is_old(
    account: Account, clock: time_machine.Traveller
) -> None:
    account.archive([activity("a1", "2026-03-02T10:00:00Z")], "2026-03-02T11:05:00Z")
    account.put_job(
        query="compaction",
        period="2026-03-02T11",
        scheduled_at="2026-03-02T12:10:00.000000Z",
        attempt=1,
        status="CLAIMED",
        version=1,
        since="2026-03-02T12:10:00.000000Z",
    )
    with pytest.raises(RetryableError, match="being started by somebody else"):
        schedule_analytics.handler(hourly(), CONTEXT)
    clock.move_to("2026-03-02T12:12:00+00:00")

    schedule_analytics.handler(hourly(), CONTEXT)
    settle(account)

    job = account.job("compaction", "2026-03-02T11")
    assert (job["status"], job["attempt"]) == ("SUCCEEDED", 2)
    assert compacted_ids(account) == ["a1"]


def test_what_is_no_schedule_is_refused(account: Account) -> None:
    with pytest.raises(InvalidRecordError, match="not the input of a schedule"):
        schedule_analytics.handler({"schedule": "weekly", "scheduled_time": NOW}, CONTEXT)

    assert account.rows("jobs") == []
