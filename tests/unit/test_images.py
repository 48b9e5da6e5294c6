import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InvalidRecordError
from pipeline.images import (
    Image,
    ThumbnailJob,
    decode_job,
    encode_job,
    kind_of,
    sequence,
)

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"

HEX = st.text("0123456789ABCDEF", min_size=1, max_size=18)


def image(key: str = "uploads/u1/x.jpg", **changes: str) -> Image:
    fields = {"bucket": "content", "version_id": "v1", "sequencer": "0064D3", **changes}
    return Image(key=key, **fields)


@given(HEX, HEX)
def test_sequencers_compare_as_if_the_shorter_were_padded_with_zeros(one: str, other: str) -> None:
    width = max(len(one), len(other))
    expected = one.ljust(width, "0") < other.ljust(width, "0")

    assert (sequence(one) < sequence(other)) is expected


def test_the_case_of_a_sequencer_does_not_matter() -> None:
    assert sequence("00617f08299329d189") == sequence("00617F08299329D189")


@pytest.mark.parametrize(
    ("key", "user_id"),
    [
        ("uploads/u1/x.jpg", "u1"),
        ("uploads/u1/a/b/c", "u1"),
        ("uploads/u1/", ""),
        ("uploads/u1", ""),
        ("uploads//x", ""),
        ("thumbnails/u1/x.jpg", ""),
        ("u1/x.jpg", ""),
    ],
)
def test_an_image_belongs_to_the_user_of_its_folder(key: str, user_id: str) -> None:
    assert image(key).user_id == user_id


def test_a_job_has_the_same_id_on_every_delivery_and_another_for_each_version() -> None:
    ids = [image().job_id, image(sequencer="0064D300").job_id, image(sequencer="0064D4").job_id]

    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "jpeg"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\r", "png"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "webp"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", None),
        (b"GIF89a", None),
        (b"", None),
    ],
)
def test_an_image_is_told_by_its_content(head: bytes, kind: str | None) -> None:
    assert kind_of(head) == kind


def test_a_job_keeps_the_schema_of_its_type_and_comes_back_as_it_was() -> None:
    schema = json.loads((SCHEMAS / "thumbnails.json").read_text())
    job = ThumbnailJob(
        job_id="j-1",
        image=Image(bucket="b", key="uploads/u/a.png", version_id="", sequencer="00F1"),
        uploaded_at=datetime(2026, 11, 21, 10, tzinfo=UTC),
    )

    fields = json.loads(encode_job(job))

    jsonschema.validate(fields, schema)
    assert decode_job(json.dumps(fields)) == job
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(fields | {"job": "labels"}, schema)
    with pytest.raises(InvalidRecordError):
        decode_job(json.dumps(fields | {"uploaded_at": "2026-11-21T10:00:00"}))


@pytest.mark.parametrize("body", ["", "{}", '{"job":"thumbnails"}', "[1]", "\ud800"])
def test_what_is_no_job_is_refused(body: str) -> None:
    with pytest.raises(InvalidRecordError, match="not a thumbnail job"):
        decode_job(body)
