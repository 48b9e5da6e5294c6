"""The demo's report on the terminal."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from pipeline.cli.demo.costs import Cost, list_prices
from pipeline.cli.demo.faults import fault_table
from pipeline.cli.demo.findings import Finding, Findings
from pipeline.cli.demo.inbox import Notification
from pipeline.cli.demo.ledgers.events import LedgerLine
from pipeline.cli.demo.product_report import analytics_table, product_tables
from pipeline.cli.demo.result import DemoResult, Effort, problems
from pipeline.cli.demo.samples import samples
from pipeline.cli.tables import Column, figures, table, verdict

_ID_DIGITS: Final = 8
"""Enough for the commands that take an alert id."""


def print_report(console: Console, result: DemoResult) -> None:
    """Print the ledger, the page, the incidents, the timings and the verdict."""
    console.print(ledger_table(result.ledger))
    for one in product_tables(result.product):
        console.print(one)
    if result.analytics.rows:
        console.print(analytics_table(result.analytics))
    planted = [finding.incident.dedup_key for finding in result.findings.planted]
    for what, page in samples(result.pages, planted):
        print_page(console, page, what)
    console.print("all messages on OnCallTopic, as they came:")
    for page in result.pages:
        console.print(Text(f"  {page.published_at:%H:%M:%S}  {page.subject}"), soft_wrap=True)
    console.print()
    console.print(incident_table(result.findings))
    if result.findings.others:
        console.print(others_table(result.findings))
    if result.faults is not None:
        console.print(fault_table(result.faults))
        console.print(f"{result.findings.copies} messages came a second time, under the same id.\n")
    console.print(_measured(result), soft_wrap=True)
    prices = list_prices()
    source = f"list prices of {prices.region}, {prices.as_of}"
    console.print(Text(f"On AWS, at {source}, without free tiers:\n"))
    if result.costs:
        console.print(cost_table("A million such events", result.costs))
    console.print(cost_table("A month without events", result.idle_costs))
    console.print(
        "The stack is gone with the run: `streamwarden local` keeps one up, for the commands that "
        "pages name.\n",
        soft_wrap=True,
    )
    wrong = problems(result)
    for problem in wrong:
        console.print(Text(f"wrong: {problem}", style="red"), soft_wrap=True)
    if not wrong:
        count = len(result.findings.planted)
        console.print(
            Text(
                f"The ledgers balance; each of {count} planted incidents has exactly one alert.",
                style="green",
            )
        )


def ledger_table(ledger: tuple[LedgerLine, ...]) -> Table:
    """Lay out the fates of all records, with their sums."""
    fates = figures("put", "stored", "collapsed", "quarantined", "lost", "in lake")
    rows = [
        (line.event_type, *map(str, _fates(line)), verdict(is_good=line.balances))
        for line in ledger
    ]
    sums = [sum(column) for column in zip(*map(_fates, ledger), strict=True)]
    is_good = all(line.balances for line in ledger)
    return table(
        "Events, read back from tables and bucket",
        (Column("event type"), *fates, Column("balance")),
        rows,
        ("all", *map(str, sums), verdict(is_good=is_good)),
    )


def print_page(console: Console, page: Notification, what: str = "a page") -> None:
    """Show a page as its receiver reads it, long lines uncut."""
    console.print(Rule(f"{what}, as OnCallTopic delivers it", align="left", characters="-"))
    console.print(Text(page.subject, style="bold"), soft_wrap=True)
    console.print()
    console.print(Text(page.body.rstrip()), soft_wrap=True)
    console.print(Rule(characters="-"))
    console.print()


def incident_table(findings: Findings) -> Table:
    """Lay out the planted incidents with what was found."""
    columns = (
        Column("incident", is_whole=False),
        Column("dedup key", is_whole=False),
        Column("severity"),
        Column("alert id"),
        Column("found", is_whole=False),
    )
    groups = groupby(findings.planted, key=lambda finding: finding.incident.title)
    rows = [(title, *_incident_cells(list(group))) for title, group in groups]
    return table("Planted incidents", columns, rows)


def others_table(findings: Findings) -> Table:
    """Lay out the alerts that nobody planted, such as those about this machine."""
    columns = (
        Column("title", is_whole=False),
        Column("dedup key", is_whole=False),
        Column("severity"),
        Column("alert id"),
    )
    rows = [
        (other.title, other.dedup_key, other.severity, other.alert_id[:_ID_DIGITS])
        for other in findings.others
    ]
    return table("Other alerts, such as this machine's own", columns, rows)


def cost_table(title: str, costs: Sequence[Cost]) -> Table:
    """Lay out priced counts with their sum."""
    columns = (Column("service"), Column("counted"), *figures("US dollars"))
    rows = [(cost.service, cost.counted, f"{cost.dollars:.3f}") for cost in costs]
    total = ("all", "", f"{sum(cost.dollars for cost in costs):.3f}")
    return table(title, columns, rows, total)


def _incident_cells(found: Sequence[Finding]) -> tuple[str, ...]:
    """Return the cells of incidents with one title: of a storm the first, and how many more."""
    first, others = found[0], len(found) - 1
    key, alert_id = first.incident.dedup_key, first.alert_id[:_ID_DIGITS]
    verdicts = Counter(map(_found, found))
    if not others:
        return key, first.severity, alert_id, _found(first)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    return f"{key} and {others} more", first.severity, alert_id, counts


def _found(finding: Finding) -> str:
    return finding.problem or ("with others" if finding.is_held_back else "once")


def _fates(line: LedgerLine) -> tuple[int, ...]:
    fates = (line.stored, line.collapsed, line.quarantined)
    return (line.put, *fates, len(line.lost), line.in_lake)


def _measured(result: DemoResult) -> Text:
    timings = result.timings
    return Text(
        f"{result.user_records} user records in {result.stream_records} Kinesis records. "
        f"Deployed in {timings.deploy_s:.1f} s, put in {timings.put_s:.1f} s, "
        f"drained {timings.drain_s:.1f} s after the last put: "
        f"{result.records_per_s:.0f} records/s.\n"
        f"Users removed after that were erased within {timings.erase_s:.1f} s.\n"
        f"{len(result.messages)} messages on AlertsTopic, {len(result.pages)} on OnCallTopic"
        f"{_latency(result.latencies_s, result.alerting_s)}.\n"
        f"{_effort(result.effort)}"
    )


def _latency(latencies_s: Sequence[float], alerting_s: Sequence[float]) -> str:
    """Return how long pages took, and how much of that was not waiting behind other events."""
    if not latencies_s:
        return ""
    whole = (
        f"; from the put of an alert's event to its page {_percentiles(latencies_s)}, "
        "everything put at once"
    )
    if not alerting_s:
        return whole
    return (
        f"{whole}: the alert flow took {_percentiles(alerting_s)} of it, "
        "the rest is waiting behind the other events"
    )


def _percentiles(seconds: Sequence[float]) -> str:
    """Return the median and the 99th percentile, which of few alerts is the slowest one."""
    ordered = sorted(seconds)
    p50, p99 = (ordered[int(share * (len(ordered) - 1) + 0.5)] for share in (0.5, 0.99))
    return f"{p50:.1f} s (p50), {p99:.1f} s (p99)"


def _effort(effort: Effort) -> str:
    if not effort.requests:
        return ""  # the endpoint is the user's, and counts nothing for us
    return (
        f"kinesis_events took {effort.batches} batches with "
        f"{effort.requests / effort.batches:.1f} AWS calls and "
        f"{effort.write_units / effort.batches:.0f} DynamoDB write units each.\n"
    )
