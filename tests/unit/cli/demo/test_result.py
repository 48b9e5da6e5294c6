from datetime import UTC, datetime

from pipeline.cli.demo.findings import Finding, Findings
from pipeline.cli.demo.ledgers.events import LedgerLine
from pipeline.cli.demo.ledgers.jobs import ONBOARDING, JobsLine
from pipeline.cli.demo.ledgers.users import UsersLine
from pipeline.cli.demo.product import ProductResult
from pipeline.cli.demo.result import DemoResult, Effort, Timings, problems
from pipeline.cli.traffic.incidents import PlantedIncident
from pipeline.local.rekognition import Declared

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
INCIDENT = PlantedIncident("CPU of web-7", "static_limit#web-7/cpu_usage", AT, AT)
BALANCED = LedgerLine("transaction", put=3, stored=2, collapsed=1, in_lake=2)


NOTHING = ProductResult((), (), (), Declared())


def _result(line: LedgerLine, problem: str = "", product: ProductResult = NOTHING) -> DemoResult:
    finding = Finding(INCIDENT, "a-1", "high", problem)
    return DemoResult(
        ledger=(line,),
        product=product,
        findings=Findings((finding,), ()),
        pages=(),
        messages=(),
        stream_records=3,
        user_records=3,
        timings=Timings(deploy_s=4.0, put_s=1.0, drain_s=2.0, erase_s=1.0),
        latencies_s=(),
        effort=Effort(batches=1, requests=10, write_units=3),
        costs=(),
        idle_costs=(),
    )


def test_a_balanced_ledger_with_every_incident_found_has_no_problem() -> None:
    assert problems(_result(BALANCED)) == []


def test_lost_records_are_named() -> None:
    line = LedgerLine("transaction", put=3, stored=2, in_lake=2, lost=["tx-1 b'...'"])

    assert problems(_result(line)) == [
        "1 of 3 transaction records are nowhere, the first is tx-1 b'...'"
    ]


def test_records_with_a_wrong_fate_are_named() -> None:
    line = LedgerLine("transaction", put=2, stored=2, in_lake=2, wrong=["tx-1 has 2 rows"])

    assert problems(_result(line)) == ["transaction: 1 with a wrong fate, tx-1 has 2 rows"]


def test_events_that_the_lake_lacks_are_counted() -> None:
    line = LedgerLine("transaction", put=2, stored=2, in_lake=1)

    assert problems(_result(line)) == ["transaction: 2 events have rows, 1 of them are in the lake"]


def test_an_incident_that_was_missed_is_named() -> None:
    assert problems(_result(BALANCED, "no alert")) == [
        "CPU of web-7 (static_limit#web-7/cpu_usage): no alert"
    ]


def test_throughput_counts_from_the_first_put_until_drained() -> None:
    assert _result(BALANCED).records_per_s == 1.0


def test_what_is_wrong_with_users_and_jobs_is_named_by_its_first() -> None:
    users = UsersLine("staying", users=2, wrong=["ada is gone", "ben is gone"])
    jobs = JobsLine(ONBOARDING, "poison", sent=1, wrong=["'x' is 0 times among the dead letters"])

    found = problems(_result(BALANCED, product=ProductResult((users,), (), (jobs,), Declared())))

    assert found == [
        "staying users: ada is gone, and 1 more",
        "OnboardingQueue: 'x' is 0 times among the dead letters",
    ]
