"""The seeded pictures meet the fate that they say, by the flows' own code."""

import pytest

from pipeline.cli.traffic.pictures import READY, REPLACED, Picture, make_album
from pipeline.flows.thumbnails.imaging import thumbnails
from pipeline.images import MAX_OBJECT_BYTES, ImageRefusedError, kind_of
from pipeline.local.rekognition import DeclaredLabel

ALBUM = make_album(7, "leaver")


def fate(picture: Picture) -> str:
    if not picture.body:
        return "empty"
    if kind_of(picture.body[:16]) is None:
        return "not_an_image"
    try:
        return "ready" if len(thumbnails(picture.body)) == 3 else "odd"
    except ImageRefusedError as error:
        return error.failure


@pytest.mark.parametrize("picture", ALBUM.pictures, ids=lambda picture: picture.looks)
def test_each_picture_meets_its_fate(picture: Picture) -> None:
    expected = READY if picture.fate in {REPLACED, "no_user"} else picture.fate

    assert fate(picture) == expected
    assert len(picture.body) < MAX_OBJECT_BYTES


def test_all_three_formats_and_every_failure_of_the_content_are_there() -> None:
    kinds = {kind_of(picture.body[:16]) for picture in ALBUM.pictures}
    fates = {picture.fate for picture in ALBUM.pictures}

    assert kinds == {"jpeg", "png", "webp", None}
    assert fates >= {"broken", "empty", "no_user", "not_an_image", "too_many_pixels"}


def test_the_declared_answer_is_for_the_bytes_of_one_picture() -> None:
    found = {
        picture.user_id: ALBUM.declared.labels(picture.body)
        for picture in ALBUM.pictures
        if ALBUM.declared.labels(picture.body)
    }

    assert found == {"eve": (DeclaredLabel(name="Violence", confidence=97.5),)}


def test_the_same_seed_draws_the_same_pictures() -> None:
    assert make_album(7, "leaver") == ALBUM
    assert make_album(8, "leaver") != ALBUM
