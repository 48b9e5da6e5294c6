"""What traffic costs on AWS, from calls that were counted and list prices that are dated."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from importlib.resources import files
from typing import Any, Final, NamedTuple

import msgspec

from pipeline.local.server.usage import Usage

PUT_UNIT_BYTES: Final = 25_000
"""A Kinesis PUT payload unit. Source: Amazon Kinesis Data Streams pricing."""

_MILLION: Final = 1_000_000


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """List prices in US dollars; see prices.toml."""

    as_of: date
    region: str
    per_million: dict[str, float]
    per_gb_second: dict[str, float]
    per_gb: dict[str, float]
    per_month: dict[str, float]


class Work(NamedTuple):
    """What a function did: invocations, and the memory it held over their time."""

    invocations: int
    gb_seconds: float


class Cost(NamedTuple):
    """One line of a bill: what was counted, how much of it, and its price in US dollars."""

    service: str
    counted: str
    dollars: float


def list_prices() -> Prices:
    """Read the packaged list prices."""
    text = files("pipeline.cli.demo").joinpath("prices.toml").read_text(encoding="utf-8")
    return msgspec.toml.decode(text, type=Prices)


def traffic_costs(
    prices: Prices, usage: Sequence[Usage], work: Sequence[Work], units_put: int, events: int
) -> list[Cost]:
    """Price counted traffic, scaled to a million events.

    Args:
        prices: List prices.
        usage: What the functions asked of AWS.
        work: What each function did; its duration is that of this machine.
        units_put: Kinesis PUT payload units of the producers.
        events: How many events all of that was for; at least one.
    """
    counts = {
        ("DynamoDB", "write units"): ("dynamodb_write_units", _total(usage, "write_units")),
        ("DynamoDB", "read units"): ("dynamodb_read_units", _total(usage, "read_units")),
        ("S3", "puts"): ("s3_puts", _requests(usage, "s3", "Put")),
        ("S3", "gets"): ("s3_gets", _requests(usage, "s3", "Get")),
        ("SNS", "publishes"): ("sns_publishes", _requests(usage, "sns", "Publish")),
        ("Kinesis", "put units"): ("kinesis_put_units", units_put),
        ("Lambda", "requests"): ("lambda_requests", sum(one.invocations for one in work)),
    }
    scale = _MILLION / events
    costs = [
        Cost(service, f"{count * scale:,.0f} {noun}", count * scale / _MILLION * rate)
        for (service, noun), (name, count) in counts.items()
        for rate in [prices.per_million[name]]
    ]
    gb_seconds = sum(one.gb_seconds for one in work) * scale
    duration = Cost(
        "Lambda",
        f"{gb_seconds:,.0f} GB-seconds, as timed here",
        gb_seconds * prices.per_gb_second["lambda_arm64"],
    )
    return [*costs, duration]


class Standing(NamedTuple):
    """What a stack keeps whether or not anything happens.

    `long_shards` keep records over a day; `alarm_metrics` are what its alarms look at.
    """

    shards: int
    long_shards: int
    keys: int
    alarm_metrics: int


def idle_costs(prices: Prices, standing: Standing) -> list[Cost]:
    """Price what a stack costs in a month without traffic."""
    counts = [
        ("Kinesis", "shards", "kinesis_shard", standing.shards),
        (
            "Kinesis",
            "shards that keep over a day",
            "kinesis_shard_long_retention",
            standing.long_shards,
        ),
        ("KMS", "keys", "kms_key", standing.keys),
        ("CloudWatch", "metrics in alarms", "alarm_metric", standing.alarm_metrics),
    ]
    return [
        Cost(service, f"{count} {noun}", count * prices.per_month[name])
        for service, noun, name, count in counts
    ]


def alarm_metrics(alarms: Iterable[Mapping[str, Any]]) -> int:
    """Return how many metrics alarms look at, which is what is billed; an expression is none.

    Source: Amazon CloudWatch pricing, standard resolution alarm metrics.

    Args:
        alarms: `MetricAlarms` of DescribeAlarms, or the properties of AWS::CloudWatch::Alarm.
    """
    return sum(
        sum("MetricStat" in metric for metric in alarm.get("Metrics", ())) or 1 for alarm in alarms
    )


def put_units(sizes_bytes: Iterable[int]) -> int:
    """Return the PUT payload units of Kinesis records, each rounded up."""
    return sum(max(1, -(-size // PUT_UNIT_BYTES)) for size in sizes_bytes)


def _total(usage: Sequence[Usage], unit: str) -> int:
    return sum(getattr(one, unit) for one in usage)


def _requests(usage: Sequence[Usage], service: str, verb: str) -> int:
    return sum(
        one.requests for one in usage if one.service == service and one.operation.startswith(verb)
    )
