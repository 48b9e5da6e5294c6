"""`streamwarden demo`: seeded traffic through the local run, and what came of it."""

import platform
import random
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from rich.console import Console

from pipeline.cli.console import make_console
from pipeline.cli.demo.artifact_option import artifact_option, built_packages
from pipeline.cli.demo.costs import (
    Standing,
    Work,
    alarm_metrics,
    idle_costs,
    list_prices,
    put_units,
    traffic_costs,
)
from pipeline.cli.demo.faults import faults_option
from pipeline.cli.demo.findings import first_copies, judge, message, read_alerts
from pipeline.cli.demo.held_back import read_windows
from pipeline.cli.demo.inbox import Inbox
from pipeline.cli.demo.latency import PutLog, alerting_s, latencies_s
from pipeline.cli.demo.ledgers.analytics import (
    QueryRow,
    draw_up_analytics,
    fire_schedules,
    read_queries,
)
from pipeline.cli.demo.ledgers.events import draw_up, read_stored
from pipeline.cli.demo.local import open_local_run, plain_words, print_unhandled, template_option
from pipeline.cli.demo.moderation import moderation_option
from pipeline.cli.demo.product import Product
from pipeline.cli.demo.progress import DemoProgress
from pipeline.cli.demo.report import print_report
from pipeline.cli.demo.result import DemoResult, Effort, Timings, problems
from pipeline.cli.producers.host import HostSampler
from pipeline.cli.producers.producer import Producer
from pipeline.cli.traffic.past_days import PAST_DAYS, VISITORS, past_days
from pipeline.cli.traffic.records import MIN_RECORDS, Traffic, make_traffic
from pipeline.local.deployment import Function
from pipeline.local.execution.workers import InvocationCounters
from pipeline.local.faults import FaultPlan
from pipeline.local.lambda_service import LambdaSettings
from pipeline.local.rekognition import Declared
from pipeline.local.run import DrainProgress, LocalRun
from pipeline.local.server.usage import Usage

DRAIN_TIMEOUT_S: Final = 300.0

_JOBS_TABLE = "AnalyticsJobsTable"
_EVENT_TABLES = ("ActivitiesTable", "MetricsTable", "TransactionsTable")
_EVENT_CONSUMER = "KinesisEventsFunction"
_EVENT_FUNCTIONS = (_EVENT_CONSUMER, "DynamodbAlertsFunction")
"""What a million events are billed for; the other sources have functions of their own."""

_PEOPLE = 60
_SETTINGS = LambdaSettings(visibility_scale=0.003)
"""Poison comes back each second, so that its five attempts do not hold up the demo."""

_SHORT_RETENTION_HOURS = 24


@click.command()
@click.option(
    "--records",
    type=click.IntRange(min=MIN_RECORDS),
    default=20_000,
    show_default=True,
    help="User records of the seeded traffic; this machine's own metrics come on top.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="Chooses the traffic.")
@faults_option
@moderation_option
@artifact_option
@template_option
def demo(
    records: int,
    seed: int,
    faults: FaultPlan | None,
    moderation: Declared | None,
    template: Path,
    *,
    artifact: bool,
) -> None:
    """Run seeded traffic through the local run, and report on it.

    All sources are fed. It ends with exit code 0 only if the ledgers balance and each planted
    incident has exactly one alert.
    """
    console = make_console()
    host = HostSampler(platform.node() or "this-machine", _now, random.Random())
    product = Product.seeded(_PEOPLE, seed, _now, moderation)
    started = time.monotonic()
    with (
        plain_words(),
        open_local_run(
            template,
            "demo",
            console,
            faults=faults,
            moderation=product.declared,
            settings=_SETTINGS,
            packages=built_packages(template) if artifact else None,
        ) as run,
    ):
        deploy_s = time.monotonic() - started
        console.print(f"{template} runs on {run.endpoint.url}")
        print_unhandled(console, run)
        until = _now()
        traffic = make_traffic(records=records, seed=seed, until=until)
        console.print(
            f"putting {VISITORS} clicks of each of the last {PAST_DAYS} days and "
            f"{traffic.user_records} records of the last hours, all simulated, with "
            f"{len(traffic.incidents)} incidents in them, and this machine's own metrics; "
            f"{product.words}\n",
            soft_wrap=True,
        )
        sources = Sources(traffic.after(past_days(seed, until)), product, host)
        result = play(run, sources, deploy_s, console, plan=faults)
    print_report(console, result)
    if problems(result):
        raise SystemExit(1)


class Sources(NamedTuple):
    """What is fed: the stream, everything else, and this machine's metrics onto the stream."""

    traffic: Traffic
    product: Product
    host: HostSampler


def play(
    run: LocalRun,
    sources: Sources,
    deploy_s: float,
    console: Console,
    *,
    plan: FaultPlan | None = None,
) -> DemoResult:
    """Feed all sources, wait until all is processed, and read it back.

    Args:
        run: The local run, on which nothing else puts records.
        sources: What to feed; the host is sampled for as long as the run takes.
        deploy_s: How long the deployment took, for the report.
        console: Where the progress is shown.
        plan: What the run lets go wrong; a message may then come twice.
    """
    names = run.deployment.physical_ids
    sns, sqs = run.endpoint.client("sns"), run.endpoint.client("sqs")
    alerts_inbox = Inbox(sns, sqs, names["AlertsTopic"], "streamwarden-demo-alerts")
    pages_inbox = Inbox(sns, sqs, names["OnCallTopic"], "streamwarden-demo-pages")
    log = PutLog(Producer(run.endpoint.client("kinesis"), names["EventStream"]), _now)
    product = sources.product
    product.subscribe(run)
    timings = _feed_and_drain(run, sources, log, deploy_s, console, plan)

    notifications = tuple(alerts_inbox.read())
    messages = [message(item) for item in notifications]
    pages = tuple(pages_inbox.read())
    dynamodb = run.endpoint.client("dynamodb")
    usage = _usage_of_functions(run)
    tables = [names[table] for table in _EVENT_TABLES]
    stored = read_stored(dynamodb, run.endpoint.client("s3"), tables, names["LakeBucket"])
    ledgers = product.read_back(run, list(stored.quarantine), things_go_wrong=plan is not None)
    incidents = (*sources.traffic.incidents, *product.incidents(run))
    alerts = tuple(read_alerts(dynamodb, names["AlertsTable"]))
    windows = tuple(read_windows(dynamodb, names["AlertsTable"]))
    user_records = sum(len(receipt.put.user_records) for receipt in log.receipts)
    sizes_bytes = (len(r.put.data) + len(r.put.partition_key.encode()) for r in log.receipts)
    work = [
        Work(counters.invocations, counters.duration_s * function.memory_mb / 1024)
        for function, counters in _functions(run)
        if function.logical_id in _EVENT_FUNCTIONS
    ]
    prices = list_prices()
    ledger = tuple(draw_up(log.receipts, stored))
    return DemoResult(
        ledger=ledger,
        product=ledgers,
        analytics=draw_up_analytics(read_queries(dynamodb, names[_JOBS_TABLE]), ledger),
        findings=judge(
            incidents, alerts, messages, pages, windows, copies_allowed=plan is not None
        ),
        pages=pages,
        messages=notifications,
        stream_records=len(log.receipts),
        user_records=user_records,
        timings=timings,
        latencies_s=latencies_s(log, first_copies(notifications)),
        # Skewed clocks are among the faults, and the figure is between two functions' clocks.
        alerting_s=() if plan else alerting_s(first_copies(notifications)),
        effort=_effort(run, usage),
        costs=tuple(
            traffic_costs(prices, usage, work, put_units(sizes_bytes), user_records)
            if usage
            else ()
        ),
        idle_costs=tuple(idle_costs(prices, _standing(run))),
        faults=tuple(run.faults()) if plan else None,
    )


def _feed_and_drain(
    run: LocalRun,
    sources: Sources,
    log: PutLog,
    deploy_s: float,
    console: Console,
    plan: FaultPlan | None,
) -> Timings:
    traffic, product, host = sources
    dynamodb, jobs = run.endpoint.client("dynamodb"), run.deployment.physical_ids[_JOBS_TABLE]

    def fire(logical_id: str, at: datetime) -> None:
        run.fire(logical_id, at)
        run.wait_until_drained(DRAIN_TIMEOUT_S)

    def unsettled() -> list[QueryRow]:
        """Return what the next hour has to take up: nothing, unless things go wrong on purpose."""
        return [row for row in read_queries(dynamodb, jobs) if plan and not row.is_settled]

    with DemoProgress(console, len(traffic.puts) + product.steps) as progress:
        for steps in product.feed(run):
            progress.put(steps)
        started = time.monotonic()
        for sent in log.send([*host.sample(), *traffic.puts]):
            progress.put(product.steps + sent)
        put = time.monotonic()

        def drain(drained: DrainProgress) -> None:
            _exhaust(log.send(host.sample()))
            progress.drain(drained, sum(count.times for count in run.faults()))

        run.wait_until_drained(DRAIN_TIMEOUT_S, on_progress=drain)
        drained = time.monotonic()
        product.leave(run)
        run.wait_until_drained(DRAIN_TIMEOUT_S, on_progress=drain)
        erased = time.monotonic()
        # What this machine says from here on would be in no query.
        fire_schedules(fire, _now(), unsettled)
        return Timings(deploy_s, put - started, drained - put, erased - drained)


def _exhaust(sent: Iterable[int]) -> None:
    for _ in sent:
        pass


def _usage_of_functions(run: LocalRun) -> list[Usage]:
    """Return what the event flow asked of the run's own server; a user's one counts nothing."""
    if not run.endpoint.is_embedded:
        return []
    return [one for one in run.endpoint.usage() if one.caller in _EVENT_FUNCTIONS]


def _functions(run: LocalRun) -> list[tuple[Function, InvocationCounters]]:
    counters = run.invocations
    return [(function, counters[name]) for name, function in run.deployment.functions.items()]


def _effort(run: LocalRun, usage: Sequence[Usage]) -> Effort:
    own = [one for one in usage if one.caller == _EVENT_CONSUMER]
    return Effort(
        batches=run.invocations[_EVENT_CONSUMER].invocations,
        requests=sum(one.requests for one in own),
        write_units=sum(one.write_units for one in own),
    )


def _standing(run: LocalRun) -> Standing:
    """Count what the deployed stack keeps, whatever happens."""
    names = run.deployment.physical_ids
    kinesis, cloudwatch = run.endpoint.client("kinesis"), run.endpoint.client("cloudwatch")
    stream = kinesis.describe_stream_summary(StreamName=names["EventStream"])
    summary = stream["StreamDescriptionSummary"]
    shards = int(summary["OpenShardCount"])
    keeps_long = int(summary["RetentionPeriodHours"]) > _SHORT_RETENTION_HOURS
    alarms = [alarm for page in _alarm_pages(cloudwatch) for alarm in page["MetricAlarms"]]
    keys = sum(name.endswith("Key") for name in names)
    return Standing(shards, shards if keeps_long else 0, keys, alarm_metrics(alarms))


def _alarm_pages(cloudwatch: Any) -> Iterable[Any]:  # noqa: ANN401  boto3's paginator
    pages: Iterable[Any] = cloudwatch.get_paginator("describe_alarms").paginate()
    return pages


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  the command is where a clock comes from
