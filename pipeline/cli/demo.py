"""`streamwarden demo`: seeded traffic through the local run, and what came of it."""

import platform
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from pipeline.cli.findings import judge, message, read_alerts
from pipeline.cli.host import HostSampler
from pipeline.cli.inbox import Inbox
from pipeline.cli.ledger import draw_up, read_stored
from pipeline.cli.local import open_local_run, plain_words, print_unhandled, template_option
from pipeline.cli.producer import Producer, Receipt
from pipeline.cli.puts import StreamPut
from pipeline.cli.report import make_console, print_report
from pipeline.cli.result import DemoResult, Timings, problems
from pipeline.cli.traffic import MIN_RECORDS, Traffic, make_traffic
from pipeline.local.run import LocalRun

DRAIN_TIMEOUT_S = 300.0

_EVENT_TABLES = ("ActivitiesTable", "MetricsTable", "TransactionsTable")


@click.command()
@click.option(
    "--records",
    type=click.IntRange(min=MIN_RECORDS),
    default=3000,
    show_default=True,
    help="User records of the seeded traffic; this machine's own metrics come on top.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="Chooses the traffic.")
@template_option
def demo(records: int, seed: int, template: Path) -> None:
    """Run seeded traffic through the local run and report what came of it.

    Ends with exit code 0 only if the ledger balances and each planted incident has exactly one
    alert.
    """
    console = make_console()
    host = HostSampler(platform.node() or "this-machine", _now, random.Random())
    started = time.monotonic()
    with plain_words(), open_local_run(template, "demo", console) as run:
        deploy_s = time.monotonic() - started
        console.print(f"{template} runs on {run.endpoint.url}")
        print_unhandled(console, run)
        traffic = make_traffic(records=records, seed=seed, until=_now())
        console.print(
            f"putting {traffic.user_records} records of the last hours, simulated, with "
            f"{len(traffic.incidents)} incidents in them, and this machine's own metrics\n",
            soft_wrap=True,
        )
        result = play(run, traffic, host, deploy_s)
    print_report(console, result)
    if problems(result):
        raise SystemExit(1)


def play(run: LocalRun, traffic: Traffic, host: HostSampler, deploy_s: float) -> DemoResult:
    """Put the traffic and this machine's metrics, wait until all is processed, and read it back.

    Args:
        run: The local run, on which nothing else puts records.
        traffic: What to put.
        host: Samples this machine, for as long as the run takes.
        deploy_s: How long the deployment took, for the report.
    """
    names = run.deployment.physical_ids
    sns, sqs = run.endpoint.client("sns"), run.endpoint.client("sqs")
    alerts_inbox = Inbox(sns, sqs, names["AlertsTopic"], "streamwarden-demo-alerts")
    pages_inbox = Inbox(sns, sqs, names["OnCallTopic"], "streamwarden-demo-pages")
    producer = Producer(run.endpoint.client("kinesis"), names["EventStream"])
    receipts: list[Receipt] = []

    def send(puts: Sequence[StreamPut]) -> None:
        for portion in producer.send(puts):
            receipts.extend(portion)

    started = time.monotonic()
    send([*host.sample(), *traffic.puts])
    put = time.monotonic()
    run.wait_until_drained(DRAIN_TIMEOUT_S, on_progress=lambda _: send(host.sample()))
    drained = time.monotonic()

    messages = tuple(alerts_inbox.read())
    pages = tuple(pages_inbox.read())
    dynamodb = run.endpoint.client("dynamodb")
    tables = [names[table] for table in _EVENT_TABLES]
    stored = read_stored(dynamodb, run.endpoint.client("s3"), tables, names["LakeBucket"])
    alerts = tuple(read_alerts(dynamodb, names["AlertsTable"]))
    return DemoResult(
        ledger=tuple(draw_up(receipts, stored)),
        findings=judge(traffic.incidents, alerts, [message(item) for item in messages], pages),
        pages=pages,
        messages=messages,
        stream_records=len(receipts),
        user_records=sum(len(receipt.put.user_records) for receipt in receipts),
        timings=Timings(deploy_s, put - started, drained - put),
    )


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  the command is where a clock comes from
