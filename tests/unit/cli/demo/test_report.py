import io
from datetime import UTC, datetime

from rich.console import Console

from pipeline.cli.demo.costs import Cost
from pipeline.cli.demo.findings import Finding, Findings, Message
from pipeline.cli.demo.inbox import Notification
from pipeline.cli.demo.ledgers.events import LedgerLine
from pipeline.cli.demo.product import ProductResult
from pipeline.cli.demo.report import incident_table, print_report
from pipeline.cli.demo.result import DemoResult, Effort, Timings
from pipeline.cli.traffic.incidents import PlantedIncident
from pipeline.local.rekognition import Declared
from pipeline.local.run import FaultCount

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
INCIDENT = PlantedIncident("CPU of web-7", "static_limit#web-7/cpu_usage", AT, AT)
PAGE_ATTRIBUTES = {"dedup_key": INCIDENT.dedup_key, "status": "firing"}


def _printed(
    problem: str = "",
    faults: tuple[FaultCount, ...] | None = None,
    alerting_s: tuple[float, ...] = (0.1, 0.4, 0.2),
) -> str:
    finding = Finding(INCIDENT, "0123456789abcdef", "high", problem)
    disk = Message(
        "n", "fedcba9876543210", "static_limit#laptop/disk_usage", "first", "high", "disk"
    )
    result = DemoResult(
        ledger=(
            LedgerLine("transaction", put=30, stored=29, collapsed=1, in_lake=29),
            LedgerLine("poison", put=4, quarantined=4),
        ),
        product=ProductResult((), (), (), Declared()),
        findings=Findings((finding,), (disk,), copies=2),
        pages=(
            Notification(
                "[FIRING:1][HIGH] cpu",
                "CPU is [bold]high[/bold]\n",
                PAGE_ATTRIBUTES,
                AT,
            ),
        ),
        messages=(),
        stream_records=30,
        user_records=34,
        timings=Timings(deploy_s=4.0, put_s=1.0, drain_s=2.4, erase_s=3.5),
        latencies_s=(0.5, 4.0, 1.5),
        alerting_s=alerting_s,
        effort=Effort(batches=2, requests=50, write_units=1000),
        costs=(Cost("DynamoDB", "1,000,000 write units", 0.625), Cost("S3", "2,000 puts", 0.01)),
        idle_costs=(Cost("KMS", "1 keys", 1.0),),
        faults=faults,
    )
    console = Console(width=108, record=True, file=io.StringIO())
    print_report(console, result)
    return console.export_text()


def test_the_ledger_has_a_line_per_event_type_and_a_sum() -> None:
    lines = [line.split() for line in _printed().splitlines()]

    assert ["transaction", "30", "29", "1", "0", "0", "29", "ok"] in lines
    assert ["poison", "4", "0", "0", "4", "0", "0", "ok"] in lines
    assert ["all", "34", "29", "1", "4", "0", "29", "ok"] in lines


def test_the_page_stands_as_it_was_received() -> None:
    text = _printed()

    assert "[FIRING:1][HIGH] cpu" in text
    assert "CPU is [bold]high[/bold]" in text


def test_each_message_stands_with_its_time_and_subject() -> None:
    lines = _printed().splitlines()

    assert "  09:30:00  [FIRING:1][HIGH] cpu" in lines


def test_incidents_and_other_alerts_stand_with_their_alert_ids() -> None:
    text = _printed()

    assert "01234567" in text
    assert "static_limit#laptop/disk_usage" in text
    assert "fedcba98" in text


def test_throughput_and_timings_stand_at_the_end() -> None:
    assert (
        "34 user records in 30 Kinesis records. Deployed in 4.0 s, put in 1.0 s, "
        "drained 2.4 s after the last put: 10 records/s.\n"
        "Users removed after that were erased within 3.5 s." in _printed()
    )


def test_latency_effort_and_costs_are_told() -> None:
    text = _printed()
    lines = [line.split() for line in text.splitlines()]

    assert "to its page 1.5 s (p50), 4.0 s (p99), everything put at once" in text
    assert "the alert flow took 0.2 s (p50), 0.4 s (p99) of it" in text
    assert "2 batches with 25.0 AWS calls and 500 DynamoDB write units each." in text
    assert ["DynamoDB", "1,000,000", "write", "units", "0.625"] in lines
    assert ["all", "0.635"] in lines
    assert ["KMS", "1", "keys", "1.000"] in lines


def test_where_clocks_are_skewed_no_share_of_the_alert_flow_is_told() -> None:
    text = _printed(alerting_s=())

    assert "to its page 1.5 s (p50), 4.0 s (p99), everything put at once.\n" in text
    assert "the alert flow took" not in text


def test_injected_faults_and_copies_are_told_only_when_faults_were_wanted() -> None:
    text = _printed(faults=(FaultCount("Events", "invocation", "crash", 3),))
    lines = [line.split() for line in text.splitlines()]

    assert ["Events", "invocation", "crash", "3"] in lines
    assert "2 messages came a second time, under the same id." in text
    assert "Injected faults" not in _printed()
    assert "second time" not in _printed()


def test_a_good_run_says_so() -> None:
    hint, verdict = (line for line in _printed().splitlines()[-3:] if line.strip())

    assert verdict == "The ledgers balance; each of 1 planted incidents has exactly one alert."
    assert "`streamwarden local` keeps one up" in hint


def test_a_bad_run_says_why_and_does_not_praise_itself() -> None:
    text = _printed(problem="no page")

    assert "wrong: CPU of web-7 (static_limit#web-7/cpu_usage): no page" in text
    assert "The ledgers balance" not in text


def test_incidents_of_one_title_stand_in_one_row_with_what_became_of_them() -> None:
    hosts = [
        PlantedIncident("full disks", f"static_limit#rack-{number}/disk_usage", AT, AT)
        for number in (1, 2, 3)
    ]
    found = tuple(
        Finding(host, f"{number}123456789abcdef", "high", "", is_held_back=number > 0)
        for number, host in enumerate(hosts)
    )
    console = Console(width=140, record=True, file=io.StringIO())

    console.print(incident_table(Findings(found, ())))

    (row,) = [line for line in console.export_text().splitlines() if "full disks" in line]
    assert " ".join(row.split()) == (
        "full disks static_limit#rack-1/disk_usage and 2 more high 01234567 1 once, 2 with others"
    )
