import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.adapters.kinesis_records import kinesis_record
from pipeline.cli.lake.events import Lake, Range, stream_record
from pipeline.flows.events.intake import take_in
from tests.unit.cli.returning import Returning, returning

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = "events/dt=2026-03-01/hour=12"
SHARD = "shardId-000000000000"
ALL = Range(NOON - timedelta(days=1), NOON + timedelta(days=1))


@pytest.fixture
def account() -> Iterator[Returning]:
    with returning() as account:
        yield account


def line(number: int, minutes: float = 5, source: str = "web-1") -> str:
    event = {
        "event_id": f"e{number}",
        "event_type": "system_metric",
        "metric_name": "cpu_usage",
        "value": number,
        "source": source,
        "timestamp": (NOON + timedelta(minutes=minutes)).isoformat(),
    }
    return json.dumps(event)


def _store(account: Returning, name: str, *lines: str, hour: str = HOUR) -> None:
    body = gzip.compress("\n".join(lines).encode())
    account.s3.put_object(Bucket="lake", Key=f"{hour}/{name}.jsonl.gz", Body=body)


def _ids(account: Returning, wanted: Range = ALL) -> list[str]:
    return [item.event_id for item in Lake(account.s3, "lake").read(wanted)]


def test_events_of_a_shard_come_in_its_order_each_once(account: Returning) -> None:
    _store(account, f"{SHARD}-100", line(4), line(5))
    _store(account, f"{SHARD}-9", line(1), line(2))
    _store(account, f"{SHARD}-10-late-0123456789ab", line(2), line(3))

    assert _ids(account) == ["e1", "e2", "e3", "e4", "e5"]


def test_time_type_and_subject_choose_among_them(account: Returning) -> None:
    _store(account, f"{SHARD}-1", line(1, 0), line(2, 10), line(3, 10, "web-2"), line(4, 20))

    wanted = Range(NOON + timedelta(minutes=5), NOON + timedelta(minutes=20))

    assert _ids(account, wanted) == ["e2", "e3"]
    assert _ids(account, Range(wanted.start, wanted.end, subject="web-2")) == ["e3"]
    assert _ids(account, Range(wanted.start, wanted.end, event_type="transaction")) == []


def test_an_event_that_arrived_in_the_next_hour_is_found(account: Returning) -> None:
    _store(account, f"{SHARD}-1", line(1, 59), hour="events/dt=2026-03-01/hour=13")

    assert _ids(account, Range(NOON, NOON + timedelta(hours=1))) == ["e1"]


def test_lines_that_break_the_contract_are_counted(account: Returning) -> None:
    _store(account, f"{SHARD}-1", "{", line(2))
    lake = Lake(account.s3, "lake")

    found = [item.event_id for item in lake.read(ALL)]

    assert (found, lake.unreadable) == (["e2"], 1)


@pytest.mark.parametrize("minutes", [-9 * 60, 30, 119])
def test_the_consumer_takes_a_record_made_of_it(account: Returning, minutes: float) -> None:
    _store(account, f"{SHARD}-7", line(1, minutes))
    (item,) = Lake(account.s3, "lake").read(ALL)

    intake = take_in([kinesis_record(stream_record(item, "eu-central-1"))])

    assert [one.event_id for one in intake.accepted] == ["e1"]
    assert (intake.refused, intake.stray) == ([], [])
