"""Records above the limits of what they pass: Kinesis, DynamoDB, SQS and Lambda."""

import base64
import gzip
import json
from collections.abc import Callable

import pytest

from pipeline.errors import InvalidRecordError
from pipeline.events import MAX_DETAILS_BYTES, MAX_PAYLOAD_BYTES
from pipeline.images import decode_job
from pipeline.jobs import decode_onboarding_job
from pipeline.records import KinesisRecord
from tests.fakes.aws import FakeAws
from tests.unit.flows.events.batches import ARRIVAL, activity, flow, metric, seconds
from tests.write_units import item_size_bytes

KIB = 1024
LARGEST_ITEM_BYTES = 400 * KIB
"""Source: Amazon DynamoDB Developer Guide, service quotas: item size."""


@pytest.mark.parametrize("size_kib", [257, 399, 401, 1024, 9 * 1024])
def test_a_record_above_the_limit_is_set_aside_whole_and_its_neighbours_commit(
    size_kib: int,
) -> None:
    aws = FakeAws()
    large = activity(2, "u-1", unknown="x" * size_kib * KIB)

    report = flow(aws).process([metric(1, "web-1"), large, metric(3, "web-1")], seconds)

    ((_, body),) = [
        (key, body) for key, body in aws.objects.items() if key.startswith("quarantine/")
    ]
    (line,) = map(json.loads, gzip.decompress(body).splitlines())
    assert (report.stored, report.quarantined) == (2, 1)
    assert line["reason"] == f"{len(large.data)} bytes, the limit is {MAX_PAYLOAD_BYTES}"
    assert base64.b64decode(line["data"]) == large.data


def test_the_largest_event_makes_a_row_that_dynamodb_takes() -> None:
    aws = FakeAws()
    details = {"text": "ä" * ((MAX_DETAILS_BYTES - 11) // 2)}
    fields = {
        "event_type": "user_activity",
        "user_id": "ä" * 128,
        "activity_type": "ä" * 128,
        "session_id": "ä" * 128,
        "producer": "ä" * 128,
        "location": "ä" * 256,
        "timestamp": "2026-09-21T13:00:00Z",
        "details": details,
        "unknown": "",
    }
    room = MAX_PAYLOAD_BYTES - len(json.dumps(fields, ensure_ascii=False).encode())
    data = json.dumps(fields | {"unknown": "x" * room}, ensure_ascii=False).encode()

    report = flow(aws).process([KinesisRecord("shard-0", 5, "ä" * 128, ARRIVAL, data)], seconds)

    assert len(data) == MAX_PAYLOAD_BYTES
    assert report.stored == 1
    (row,) = aws.tables["activities"].values()
    assert 32 * KIB < item_size_bytes(row) < LARGEST_ITEM_BYTES
    assert max(item_size_bytes(item) for _, item in aws.written) < LARGEST_ITEM_BYTES


@pytest.mark.parametrize("decode_message", [decode_onboarding_job, decode_job])
@pytest.mark.parametrize("field", ["job_type", "job", "user_id", "image"])
@pytest.mark.parametrize("value", ['"' + "x" * (KIB * KIB - 40) + '"', "[" * 500_000])
def test_a_message_as_large_as_sqs_takes_is_refused_with_a_short_reason(
    decode_message: Callable[[str], object], field: str, value: str
) -> None:
    with pytest.raises(InvalidRecordError) as refused:
        decode_message(f'{{"{field}":{value}}}')

    assert len(str(refused.value)) < 300
