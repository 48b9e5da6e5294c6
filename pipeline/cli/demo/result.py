"""What a run of the demo came to, and whether it may call itself good."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.cli.demo.costs import Cost
from pipeline.cli.demo.findings import Findings
from pipeline.cli.demo.inbox import Notification
from pipeline.cli.demo.ledgers.analytics import AnalyticsResult
from pipeline.cli.demo.ledgers.events import LedgerLine
from pipeline.cli.demo.product import ProductResult
from pipeline.cli.demo.product_report import product_problems
from pipeline.local.run import FaultCount


@dataclass(frozen=True, slots=True)
class Timings:
    """Wall-clock seconds: the deployment, all puts, from the last put until drained, and erasures.

    `erase_s` is the time from the first look at the results, over the removal of users, until all
    that follows from it was drained too.
    """

    deploy_s: float
    put_s: float
    drain_s: float
    erase_s: float


@dataclass(frozen=True, slots=True)
class Effort:
    """What the event consumer asked of AWS for all of its batches together."""

    batches: int
    requests: int
    write_units: int


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The ledger, the findings and what was measured on the way to them.

    `stream_records` counts Kinesis records, `user_records` what they carried; `pages` and
    `messages` arrived from OnCallTopic and AlertsTopic. `latencies_s` are the seconds from the put
    of the event that opened an alert to its first page, one per alert, `alerting_s` those of them
    that the alert flow took, empty when clocks were skewed. `costs` are those of a million such
    events, `idle_costs` those of a month without any, both on AWS. `faults` are those that were
    injected, None if none were to be. `product` has the ledgers of the other sources, `analytics`
    the queries over the lake.
    """

    ledger: tuple[LedgerLine, ...]
    product: ProductResult
    findings: Findings
    pages: tuple[Notification, ...]
    messages: tuple[Notification, ...]
    stream_records: int
    user_records: int
    timings: Timings
    latencies_s: tuple[float, ...]
    effort: Effort
    costs: tuple[Cost, ...]
    idle_costs: tuple[Cost, ...]
    faults: tuple[FaultCount, ...] | None = None
    analytics: AnalyticsResult = field(default_factory=AnalyticsResult)
    alerting_s: tuple[float, ...] = ()

    @property
    def records_per_s(self) -> float:
        """User records from the first put until everything was drained, by second."""
        return self.user_records / (self.timings.put_s + self.timings.drain_s)


def problems(result: DemoResult) -> list[str]:
    """Say in plain words what is wrong; empty when the run is good."""
    return [
        *_ledger_problems(result.ledger),
        *product_problems(result.product),
        *result.analytics.wrong,
        *_incident_problems(result.findings),
    ]


def _ledger_problems(ledger: tuple[LedgerLine, ...]) -> Iterator[str]:
    for line in ledger:
        if line.lost:
            yield (
                f"{len(line.lost)} of {line.put} {line.event_type} records are nowhere, "
                f"the first is {line.lost[0]}"
            )
        if line.wrong:
            yield f"{line.event_type}: {len(line.wrong)} with a wrong fate, {line.wrong[0]}"
        if line.in_lake != line.stored:
            yield (
                f"{line.event_type}: {line.stored} events have rows, {line.in_lake} of them "
                "are in the lake"
            )


def _incident_problems(findings: Findings) -> Iterator[str]:
    for finding in findings.planted:
        if finding.problem:
            yield f"{finding.incident.title} ({finding.incident.dedup_key}): {finding.problem}"
