"""Records that come back out of turn: what they write, and what they leave alone."""

import copy
import gzip
import json

from pipeline.records import KinesisRecord
from tests.fakes.aws import FakeAws
from tests.unit.flows.events.batches import ARRIVAL, flow, seconds


def record(number: int, value: float = 20) -> KinesisRecord:
    data = (
        f'{{"event_type":"system_metric","metric_name":"disk_usage","value":{value},"unit":"%",'
        f'"source":"web-1","timestamp":"2026-09-21T14:00:{number:02}Z"}}'
    )
    return KinesisRecord("shard-0", number, "web-1", ARRIVAL, data.encode())


def lake_lines(aws: FakeAws) -> list[str]:
    return sorted(
        json.loads(line)["event_id"]
        for key, body in aws.objects.items()
        if key.startswith("events/")
        for line in gzip.decompress(body).splitlines()
    )


def test_they_get_rows_and_lake_lines_under_their_original_ids() -> None:
    aws = FakeAws()

    report = flow(aws).take_back([record(3), record(4)], seconds)

    rows = sorted(item["event_id"]["S"] for item in aws.tables["metrics"].values())
    assert (report.stored, report.quarantined) == (2, 0)
    assert rows == ["shard-0:3", "shard-0:4"]
    assert lake_lines(aws) == ["shard-0:3", "shard-0:4"]


def test_detectors_and_cursor_do_not_see_them() -> None:
    aws = FakeAws()
    flow(aws).process([record(1), record(2)], seconds)
    before = copy.deepcopy(aws.tables["states"])

    flow(aws).take_back([record(3, value=99)], seconds)

    assert aws.tables["states"] == before
    assert aws.tables["anomalies"] == {}


def test_an_environment_stays_warm_beside_them() -> None:
    aws = FakeAws()
    warm = flow(aws)
    warm.process([record(5)], seconds)
    flow(aws).take_back([record(3)], seconds)
    aws.calls.clear()

    warm.process([record(6), record(7)], seconds)

    assert "BatchGetItem" not in aws.calls


def test_coming_back_twice_is_coming_back_once() -> None:
    aws = FakeAws()
    broken = record(9)._replace(data=b"{")
    flow(aws).take_back([record(8), broken], seconds)
    tables, objects = copy.deepcopy(aws.tables), dict(aws.objects)

    flow(aws).take_back([record(8), broken], seconds)

    assert aws.tables == tables
    assert aws.objects == objects


def test_a_part_of_a_batch_overwrites_nothing_of_the_other_part() -> None:
    aws = FakeAws()
    broken = record(1)._replace(data=b"{")
    flow(aws).process([broken, record(2)], seconds)

    flow(aws).take_back([record(1)], seconds)
    flow(aws).take_back([broken], seconds)

    refused = [key for key in aws.objects if key.startswith("quarantine/")]
    assert lake_lines(aws) == ["shard-0:1", "shard-0:2"]
    assert len(refused) == 2
