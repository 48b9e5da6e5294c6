"""What a batch tells about the pipeline itself, by example, and what it does not."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

import pipeline.detection
from tests.unit.flows.events.batches import account, activity, flow, metric, record, seconds

EXAMPLES = Path(pipeline.detection.__path__[0]) / "examples"


class Put(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    event: dict[str, Any]


class StrayExample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    puts: tuple[Put, ...]
    expect: tuple[str, ...]


STRAYS = msgspec.convert(
    msgspec.toml.decode((EXAMPLES / "pipeline_stray_key.toml").read_text("utf-8"))["example"],
    tuple[StrayExample, ...],
)


@pytest.mark.parametrize("example", STRAYS, ids=lambda example: example.name)
def test_stray_keys(example: StrayExample) -> None:
    aws = account()

    flow(aws).process(
        [record(1000 + n, put.key, put.event) for n, put in enumerate(example.puts)], seconds
    )

    facts = aws.tables["anomalies"].values()
    assert {fact["rule_id"]["S"] for fact in facts} <= {"pipeline_stray_key"}
    told = [f"{fact['edge']['S']} {fact['severity']['S']}" for fact in facts]
    assert told == list(example.expect)


def test_one_bad_record_among_good_ones_is_no_trouble_of_the_pipeline() -> None:
    aws = account()

    report = flow(aws).process(
        [activity(1000, "ada"), metric(1001, "web-7", "high"), activity(1002, "ada")], seconds
    )

    assert (report.stored, report.quarantined, report.anomalies) == (2, 1, 0)
