"""The costs in docs/operations.md are computed: from the template, counted writes, dated prices."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from benchmarks.records import lambda_event
from pipeline.adapters.kinesis_records import kinesis_record
from pipeline.cli.demo.costs import Work, alarm_metrics, list_prices, traffic_costs
from pipeline.events import UserActivity
from pipeline.local.server.usage import Usage
from pipeline.local.translate import load_template
from pipeline.metrics import Metric
from tests.fakes.aws import FakeAws
from tests.unit.flows.events.batches import flow, seconds
from tests.write_units import write_units

ROOT: Final = Path(__file__).resolve().parent.parent
DOCUMENT: Final = (ROOT / "docs" / "operations.md").read_text()
TEMPLATE: Final[Mapping[str, Any]] = load_template(ROOT / "template.yaml")
RESOURCES: Final[Mapping[str, Any]] = TEMPLATE["Resources"]
PRICES: Final = list_prices()
SHARDS: Final = 2
BATCH_S: Final = 0.1
"""What a batch of 500 takes at 8 ms a call, rounded up: docs/benchmarks.md."""

WARM_UP_EVENTS: Final = 2000
COUNTED_EVENTS: Final = 1000


def table(heading: str) -> dict[str, list[str]]:
    """Return the rows of the table below a heading, by their first cell."""
    section = DOCUMENT.split(f"\n### {heading}\n")[1].split("\n#")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return {first: rest for first, *rest in rows[1:]}


def dollars(amount: float) -> str:
    return f"${amount:.2f}"


class Account(FakeAws):
    """An account that counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.read_units = 0

    def get_item(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  the client's own signature
        self.read_units += 1
        return super().get_item(**request)

    def batch_get_item(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401  the client's own signature
        self.read_units += sum(len(part["Keys"]) for part in request["RequestItems"].values())
        return super().batch_get_item(**request)


def flow_costs(size: int, *, lake_only: bool) -> tuple[float, float]:
    """Return a million events' price in DynamoDB, and in everything else but the stream."""
    aws = Account()
    warm = flow(aws, lake_only=[UserActivity] if lake_only else [])
    events = batches = 0
    for number in range((WARM_UP_EVENTS + COUNTED_EVENTS) // size):
        if number * size == WARM_UP_EVENTS:
            aws.written.clear()
            aws.calls.clear()
            aws.read_units = events = batches = 0
        batch = lambda_event(number, size)["Records"]
        warm.process([kinesis_record(record) for record in batch], seconds)
        events, batches = events + size, batches + 1
    units = sum(write_units(name, item) for name, item in aws.written)
    usage = [
        Usage("f", "dynamodb", "Batch", 1, write_units=units, read_units=aws.read_units),
        Usage("f", "s3", "PutObject", aws.calls.count("PutObject")),
    ]
    work = Work(batches, batches * BATCH_S * memory_gb())
    lines = traffic_costs(PRICES, usage, [work], 0, events)
    stored = sum(line.dollars for line in lines if line.service == "DynamoDB")
    return stored, sum(line.dollars for line in lines) - stored


def test_the_table_that_throttles_first_does_so_where_the_text_says() -> None:
    aws = Account()
    warm = flow(aws)
    for number in range(8):
        if number == 6:
            aws.written.clear()
        records = lambda_event(number)["Records"]
        warm.process([kinesis_record(record) for record in records], seconds)
    units = Counter[str]()
    for name, item in aws.written:
        units[name] += write_units(name, item)
    ((first, most),) = units.most_common(1)
    cap: int = TEMPLATE["Parameters"]["TableMaxWriteUnits"]["Default"]

    limit = cap / (most / 1000)

    assert first == "activities"
    assert f"ActivitiesTable is the first to reach it, at {limit:,.0f} events/s" in DOCUMENT


def memory_gb() -> float:
    megabytes: int = RESOURCES["KinesisEventsFunction"]["Properties"]["MemorySize"]
    return megabytes / 1024


@pytest.mark.parametrize(
    ("row", "size", "lake_only"),
    [
        ("full batches of 500", 500, False),
        ("full batches, activities in the lake alone", 500, True),
        ("batches of 10, on a quiet stream", 10, False),
    ],
)
def test_a_million_events_cost_what_the_table_says(row: str, size: int, lake_only: bool) -> None:  # noqa: FBT001  a case
    stored, rest = flow_costs(size, lake_only=lake_only)

    assert table("A million events")[row] == [dollars(stored), dollars(rest)]


def test_the_stream_of_a_million_events_costs_what_the_table_says() -> None:
    gigabytes = 1_000_000 / 1024 / 1024  # of 1 KB each
    provisioned = PRICES.per_million["kinesis_put_units"]
    day = gigabytes * (
        PRICES.per_gb["kinesis_on_demand_in"] + PRICES.per_gb["kinesis_on_demand_out"]
    )
    week = day + gigabytes * PRICES.per_gb["kinesis_on_demand_kept"] * 6 / 30

    found = {row: cells[0] for row, cells in table("The stream").items()}

    assert found == {
        "provisioned": dollars(provisioned),
        "on demand, 24 hours": dollars(day),
        "on demand, 168 hours": dollars(week),
    }


def test_an_idle_month_costs_what_the_table_says() -> None:
    month = PRICES.per_month
    kinds = [resource["Type"] for resource in RESOURCES.values()]
    keys = kinds.count("AWS::KMS::Key") * month["kms_key"]
    alarms = month["alarm_metric"] * alarm_metrics(
        one["Properties"] for one in RESOURCES.values() if one["Type"] == "AWS::CloudWatch::Alarm"
    )
    metrics = month["custom_metric"] * sum("schedule_alerts" in one.services for one in Metric)
    streams = {
        "provisioned, 24 hours": SHARDS * month["kinesis_shard"],
        "provisioned, 168 hours": SHARDS
        * (month["kinesis_shard"] + month["kinesis_shard_long_retention"]),
        "on demand": month["kinesis_on_demand_stream"],
    }

    expected = {
        mode: [*map(dollars, (stream, keys, alarms, metrics, stream + keys + alarms + metrics))]
        for mode, stream in streams.items()
    }

    assert table("A month without traffic") == expected


def test_the_date_of_the_prices_is_told() -> None:
    assert f"List prices of {PRICES.region} as of {PRICES.as_of}" in DOCUMENT


def test_all_metrics_of_a_busy_month_cost_what_the_text_says() -> None:
    metrics = sum(len(metric.services) for metric in Metric)

    told = re.search(r"All (\d+) custom metrics[^$]*\$([\d.]+) a month", DOCUMENT)

    assert told
    assert told.groups() == (str(metrics), f"{metrics * PRICES.per_month['custom_metric']:.2f}")
