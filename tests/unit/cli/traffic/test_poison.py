import random
from datetime import UTC, datetime

import pytest

from pipeline.cli.producers.puts import POISON
from pipeline.cli.traffic.poison import BOMB_BYTES, KINDS, poison_puts
from pipeline.errors import InvalidRecordError
from pipeline.events import MAX_PAYLOAD_BYTES, check_timestamps, decode
from pipeline.records import KinesisRecord, unpack, user_records

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)

REASONS = {
    "plain text": "not JSON",
    "truncated JSON": "not JSON",
    "wrong type": r"at \$\.value",
    "missing field": "missing required field `timestamp`",
    "NaN": "not JSON",
    "unknown event type": "heartbeat",
    "far future": "timestamp",
    "not UTF-8": "not UTF-8",
    "gzip bomb": str(MAX_PAYLOAD_BYTES),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_refused_for_its_own_reason(kind: str) -> None:
    puts = dict(zip(KINDS, poison_puts(random.Random(1), AT), strict=False))
    (record,) = puts[kind].user_records

    with pytest.raises(InvalidRecordError, match=REASONS[kind]):
        check_timestamps(decode(unpack(record.data)), AT.timestamp())


def test_a_damaged_aggregate_is_refused_as_a_whole() -> None:
    *_, damaged, _conflict = poison_puts(random.Random(1), AT)

    with pytest.raises(InvalidRecordError, match="MD5"):
        user_records(KinesisRecord("shardId-0", 1, "key", AT.timestamp(), damaged.data))


def test_a_conflict_is_two_contents_under_one_event_id_in_one_aggregate() -> None:
    *_, conflict = poison_puts(random.Random(1), AT)

    good, bad = conflict.user_records

    assert good.event_type == "system_metric"
    assert bad.event_type == POISON
    assert good.data != bad.data
    assert good.event_id.encode() in bad.data


def test_a_bomb_is_small_on_the_stream() -> None:
    puts = dict(zip(KINDS, poison_puts(random.Random(1), AT), strict=False))

    assert len(puts["gzip bomb"].data) < BOMB_BYTES / 500


def test_no_two_poison_records_are_alike() -> None:
    rng = random.Random(1)

    puts = [*poison_puts(rng, AT), *poison_puts(rng, AT)]

    poison = [r.data for put in puts for r in put.user_records if r.event_type == POISON]
    assert len(poison) == 22
    assert len(set(poison)) == 22
