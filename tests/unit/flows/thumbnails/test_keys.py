import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InvalidRecordError
from pipeline.flows.thumbnails.keys import source_key, thumbnail_key
from pipeline.images import Image, ImageRefusedError

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


def image(key: str, sequencer: str = "0064D3") -> Image:
    return Image(bucket="content", key=key, version_id="v", sequencer=sequencer)


@pytest.mark.parametrize(
    ("key", "folder"),
    [
        ("uploads/u1/beach.jpg", "thumbnails/u1/beach.jpg/0064D3"),
        ("uploads/u1/my photo_1.jpg", "thumbnails/u1/my_20photo_5F1.jpg/0064D3"),
        ("uploads/u1/../../etc/passwd", "thumbnails/u1/_2E./_2E./etc/passwd/0064D3"),
        ("uploads/u1//x", "thumbnails/u1/_/x/0064D3"),
        ("uploads/u1/ä%2e+.jpg", "thumbnails/u1/_C3_A4_252e_2B.jpg/0064D3"),
    ],
)
def test_a_key_is_written_in_safe_characters(key: str, folder: str) -> None:
    assert thumbnail_key(image(key), 512, "image/jpeg") == f"{folder}/512.jpg"
    assert source_key(f"{folder}/512.jpg") == key


@given(NAMES, NAMES)
def test_every_key_comes_back_and_stays_in_its_folder(user: str, name: str) -> None:
    key = f"uploads/{user}/{name}"

    made = thumbnail_key(image(key), 1024, "image/webp")

    assert source_key(made) == key
    assert re.fullmatch(r"thumbnails(/(?!\.)[A-Za-z0-9._-]+)+", made)


def test_a_key_that_would_be_too_long_is_refused() -> None:
    with pytest.raises(ImageRefusedError, match="keys of 1033 bytes"):
        thumbnail_key(image("uploads/u1/" + "x" * 1004), 128, "image/jpeg")


@pytest.mark.parametrize(
    "key", ["", "uploads/u1/x", "thumbnails/u1/x", "thumbnails/u1/_FF/0064D3/128.jpg"]
)
def test_what_is_no_thumbnail_has_no_source(key: str) -> None:
    with pytest.raises(InvalidRecordError, match="not the key of a thumbnail"):
        source_key(key)
