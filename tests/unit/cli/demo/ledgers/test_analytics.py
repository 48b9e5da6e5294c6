from pipeline.cli.demo.ledgers.analytics import AnalyticsResult, QueryRow, draw_up_analytics
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


def test_figures_that_count_what_is_stored_are_right() -> None:
    assert draw_up_analytics(ROWS, LEDGER, excused=False) == AnalyticsResult(ROWS)


def test_figures_that_miss_events_are_wrong() -> None:
    found = draw_up_analytics(ROWS[1:], LEDGER, excused=False)

    assert found.wrong == ("daily_activity: 3 events, 5 are stored",)


def test_a_query_that_failed_is_wrong_unless_faults_excuse_it() -> None:
    rows = (*ROWS[1:], ROWS[0]._replace(status="FAILED", figures={}))

    assert draw_up_analytics(rows, LEDGER, excused=False).wrong == (
        "daily_activity of 2026-11-20 is FAILED",
    )
    assert draw_up_analytics(rows, LEDGER, excused=True).wrong == ()
