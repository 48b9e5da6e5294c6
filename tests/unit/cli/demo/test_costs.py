from datetime import date

import pytest

from pipeline.cli.demo.costs import (
    Cost,
    Prices,
    Standing,
    Work,
    alarm_metrics,
    idle_costs,
    list_prices,
    put_units,
    traffic_costs,
)
from pipeline.local.server.usage import Usage

PRICES = Prices(
    as_of=date(2026, 11, 21),
    region="us-east-1",
    per_million={
        "dynamodb_write_units": 0.5,
        "dynamodb_read_units": 0.1,
        "s3_puts": 5.0,
        "s3_gets": 0.4,
        "sns_publishes": 0.5,
        "lambda_requests": 0.2,
        "kinesis_put_units": 0.02,
    },
    per_gb_second={"lambda_arm64": 0.00001},
    per_gb={
        "kinesis_on_demand_in": 0.1,
        "kinesis_on_demand_out": 0.05,
        "kinesis_on_demand_kept": 0.1,
    },
    per_month={
        "kinesis_shard": 10.0,
        "kinesis_shard_long_retention": 15.0,
        "kms_key": 1.0,
        "alarm_metric": 0.1,
        "custom_metric": 0.3,
        "kinesis_on_demand_stream": 30.0,
    },
)


def test_counted_calls_are_priced_per_million_events() -> None:
    usage = [
        Usage("f", "dynamodb", "BatchWriteItem", 40, write_units=1000),
        Usage("f", "dynamodb", "PutItem", 1, write_units=1),
        Usage("f", "dynamodb", "GetItem", 2, read_units=2),
        Usage("f", "s3", "PutObject", 2),
        Usage("g", "sns", "Publish", 4),
    ]

    costs = traffic_costs(PRICES, usage, [Work(2, 0.5), Work(1, 0.5)], 900, events=1000)

    assert [(cost.service, cost.counted, round(cost.dollars, 6)) for cost in costs] == [
        ("DynamoDB", "1,001,000 write units", 0.5005),
        ("DynamoDB", "2,000 read units", 0.0002),
        ("S3", "2,000 puts", 0.01),
        ("S3", "0 gets", 0.0),
        ("SNS", "4,000 publishes", 0.002),
        ("Kinesis", "900,000 put units", 0.018),
        ("Lambda", "3,000 requests", 0.0006),
        ("Lambda", "1,000 GB-seconds, as timed here", 0.01),
    ]


def test_an_alarm_is_billed_by_the_metrics_that_it_looks_at() -> None:
    stat = {"MetricStat": {"Period": 60}, "ReturnData": False}
    share = {"Metrics": [{"Expression": "100 * errors / calls"}, stat, stat]}
    plain = {"MetricName": "Errors", "Metrics": []}

    assert alarm_metrics([plain, share, {"MetricName": "Throttles"}]) == 4


def test_an_idle_stack_costs_its_shards_keys_and_alarms() -> None:
    costs = idle_costs(PRICES, Standing(shards=2, long_shards=2, keys=1, alarm_metrics=4))

    assert costs == [
        Cost("Kinesis", "2 shards", 20.0),
        Cost("Kinesis", "2 shards that keep over a day", 30.0),
        Cost("KMS", "1 keys", 1.0),
        Cost("CloudWatch", "4 metrics in alarms", 0.4),
    ]


@pytest.mark.parametrize(("size_bytes", "units"), [(0, 1), (25_000, 1), (25_001, 2)])
def test_a_record_is_put_in_units_of_25_kb(size_bytes: int, units: int) -> None:
    assert put_units([size_bytes]) == units


def test_the_packaged_prices_name_everything_that_is_priced_and_their_date() -> None:
    prices = list_prices()

    assert set(prices.per_million) == set(PRICES.per_million)
    assert set(prices.per_gb) == set(PRICES.per_gb)
    assert set(prices.per_month) == set(PRICES.per_month)
    assert prices.as_of >= date(2026, 11, 21)
