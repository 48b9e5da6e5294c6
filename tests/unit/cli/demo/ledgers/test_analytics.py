from datetime import UTC, datetime

from pipeline.cli.demo.ledgers.analytics import (
    AnalyticsResult,
    QueryRow,
    draw_up_analytics,
    fire_schedules,
)
from pipeline.cli.demo.ledgers.events import LedgerLine

LEDGER = (
    LedgerLine("user_activity", put=5, stored=5, in_lake=5),
    LedgerLine("system_metric", put=3, stored=3, in_lake=3),
)
ROWS = (
    QueryRow("daily_activity", "2026-11-20", "SUCCEEDED", 10, {"events": 2.0}),
    QueryRow("daily_activity", "2026-11-21", "SUCCEEDED", 10, {"events": 3.0}),
    QueryRow("daily_metrics", "2026-11-21", "SUCCEEDED", 10, {"points": 3.0}),
)

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
HOURLY, DAILY = "ScheduleAnalyticsFunctionHourly", "ScheduleAnalyticsFunctionDaily"
SWEEP = "ScheduleAlertsFunctionEveryMinute"


def test_figures_that_count_what_is_stored_are_right() -> None:
    assert draw_up_analytics(ROWS, LEDGER) == AnalyticsResult(ROWS)


def test_figures_that_miss_events_are_wrong() -> None:
    found = draw_up_analytics(ROWS[1:], LEDGER)

    assert found.wrong == ("daily_activity: 3 events, 5 are stored",)


def test_a_query_that_failed_is_wrong_and_its_figures_are_not_missed_as_well() -> None:
    rows = (*ROWS[1:], ROWS[0]._replace(status="FAILED", figures={}))

    assert draw_up_analytics(rows, LEDGER).wrong == ("daily_activity of 2026-11-20 is FAILED",)


def test_the_next_hour_and_four_nights_come_and_last_the_sweep() -> None:
    fired: list[tuple[str, str]] = []

    fire_schedules(lambda name, at: fired.append((name, f"{at:%d %H:%M}")), NOW, unsettled=list)

    assert fired == [
        (HOURLY, "21 10:10"),
        (DAILY, "13 01:40"),
        (DAILY, "16 01:40"),
        (DAILY, "19 01:40"),
        (DAILY, "22 01:40"),
        (SWEEP, "21 09:30"),
    ]


def test_what_a_night_leaves_claimed_the_hour_after_it_takes_up_once_the_claim_has_lapsed() -> None:
    happened: list[str] = []
    left = [ROWS[0]._replace(status="CLAIMED")]

    def unsettled() -> list[QueryRow]:
        return left.copy() if happened[-1] == f"{DAILY} 22 01:40" else []

    fire_schedules(
        lambda name, at: happened.append(f"{name} {at:%d %H:%M}"),
        NOW,
        unsettled,
        lambda seconds: happened.append(f"{seconds:.0f} s later"),
    )

    assert happened[4:] == [
        f"{DAILY} 22 01:40",
        "100 s later",
        f"{HOURLY} 22 02:40",
        f"{SWEEP} 21 09:30",
    ]


def test_what_stays_unsettled_is_left_after_three_hours() -> None:
    fired: list[str] = []
    failed = ROWS[0]._replace(status="FAILED")

    fire_schedules(lambda name, _: fired.append(name), NOW, lambda: [failed])

    assert fired == [*[HOURLY] * 4, *[DAILY, HOURLY, HOURLY, HOURLY] * 4, SWEEP]
