from dataclasses import replace

import pytest

from pipeline.cli.demo.ledgers.images import (
    ImageLine,
    ImagesFound,
    Stored,
    Uploaded,
    draw_up_images,
)
from pipeline.cli.producers.image_rows import ImageState, ImageThumbnail
from pipeline.cli.traffic.pictures import READY, REPLACED, Picture

KEY = "uploads/ada/x.jpg"
PICTURE = Picture(KEY, b"12345", "image/jpeg", "photo", READY, (2048, 1024))
SIZES = {1024: Stored(1024, 512, 300), 512: Stored(512, 256, 200), 128: Stored(128, 64, 100)}


def _state(status: str = "ready", failure: str = "", version: str = "v1") -> ImageState:
    made = [
        ImageThumbnail(size, f"thumbnails/ada/x.jpg/{version}/{size}.jpg", *stored, "image/jpeg")
        for size, stored in SIZES.items()
    ]
    return ImageState(
        KEY, version, status, failure, "", (), (), tuple(made if status == "ready" else ())
    )


STORED = {one.key: Stored(one.width, one.height, one.size_bytes) for one in _state().thumbnails}
GOOD = ImagesFound((_state(),), STORED)


def _line(
    found: ImagesFound, picture: Picture = PICTURE, leaving: tuple[str, ...] = ()
) -> ImageLine:
    (line,) = draw_up_images([Uploaded(picture, "v1")], found, leaving)
    return line


def test_an_image_with_its_row_and_thumbnails_balances() -> None:
    assert _line(GOOD) == ImageLine(PICTURE, "ready", tuple(SIZES.values()))
    assert _line(GOOD).thumbnail_bytes == 600


def test_a_refused_image_balances_by_its_reason() -> None:
    found = ImagesFound((_state("refused", "broken"),), {})

    assert _line(found, replace(PICTURE, fate="broken")).wrong == ""
    assert _line(found).wrong == "broken instead of ready"


@pytest.mark.parametrize("status", ["ready", "superseded"])
def test_a_replaced_version_may_have_been_quicker(status: str) -> None:
    found = ImagesFound((_state(status),), STORED)

    assert _line(found, replace(PICTURE, fate=REPLACED)).wrong == ""


def test_an_image_without_its_row_or_with_two_is_wrong() -> None:
    other = ImagesFound((_state(version="v2"),), {})
    twice = ImagesFound((_state(), _state()), STORED)

    assert _line(other).wrong == "0 rows instead of one"
    assert _line(twice).wrong == "2 rows instead of one"


def test_a_dead_letter_excuses_an_image_that_waits() -> None:
    waiting = ImagesFound((_state("labelled"),), {})

    (line,) = draw_up_images([Uploaded(PICTURE, "v1")], waiting, (), excused={KEY})

    assert (line.fate, line.wrong) == ("labelled", "")
    assert _line(waiting).wrong == "labelled instead of ready"


def test_a_thumbnail_that_is_missing_or_another_is_wrong() -> None:
    first = next(iter(STORED))
    missing = replace(GOOD, thumbnails={k: v for k, v in STORED.items() if k != first})
    other = replace(GOOD, thumbnails={**STORED, first: Stored(1024, 512, 299)})

    assert _line(missing).wrong == "a thumbnail of its row is not in the bucket"
    assert _line(other).wrong == "its thumbnail of 1024 is not as the row says"


def test_a_thumbnail_of_another_shape_is_wrong() -> None:
    turned = replace(PICTURE, size=(1024, 2048))

    assert _line(GOOD, turned).wrong == "its thumbnail of 1024 has 1024 x 512 pixels"


def test_of_a_removed_user_nothing_is_left() -> None:
    left = replace(GOOD, left=("thumbnails/ada/x.jpg/v1/128.jpg",))

    assert _line(GOOD, leaving=("ada",)).fate == "ready, erased"
    assert _line(left, leaving=("ada",)).wrong == (
        "its user was removed and thumbnails/ada/x.jpg/v1/128.jpg is left"
    )
    assert _line(left).wrong == ""
