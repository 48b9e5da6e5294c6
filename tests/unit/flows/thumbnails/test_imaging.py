import io
from typing import Final

import pytest
from PIL import Image as Pillow
from PIL import ImageChops, ImageStat

from pipeline.flows.thumbnails.imaging import Thumbnail, fitting, thumbnails
from pipeline.images import ImageRefusedError
from tests.fakes.pictures import bomb, encoded, jpeg, photo, picture, text_bomb

RED: Final = (220, 20, 20)
SECRET: Final = b"GPS 52.5200 N <script>alert(1)</script>"


def opened(made: Thumbnail) -> Pillow.Image:
    image = Pillow.open(io.BytesIO(made.body))
    image.load()
    return image


def is_red(image: Pillow.Image, x: int, y: int) -> bool:
    red, green, blue = image.convert("RGB").getpixel((x, y))  # type: ignore[misc]  # three bands
    return red > 150 and green < 80 and blue < 80


def test_three_sizes_come_out_of_one_image_and_keep_its_shape() -> None:
    made = thumbnails(jpeg(3000, 2000))

    assert [(one.size, one.width, one.height) for one in made] == [
        (1024, 1024, 683),
        (512, 512, 342),
        (128, 128, 86),
    ]
    assert [opened(one).size for one in made] == [(1024, 683), (512, 342), (128, 86)]


def test_a_small_image_is_not_enlarged() -> None:
    made = thumbnails(jpeg(200, 100))

    assert [(one.size, one.width, one.height) for one in made] == [
        (1024, 200, 100),
        (512, 200, 100),
        (128, 128, 64),
    ]
    assert made[0].body == made[1].body


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [((4000, 3000), 1024, (1024, 768)), ((1, 5000), 128, (1, 128)), ((9, 9), 128, (9, 9))],
)
def test_an_image_fits_its_square(
    size: tuple[int, int], side: int, expected: tuple[int, int]
) -> None:
    assert fitting(size, side) == expected


@pytest.mark.parametrize(
    ("orientation", "corner"),
    [
        (1, (20, 20)),
        (2, (380, 20)),
        (3, (380, 280)),
        (4, (20, 280)),
        (5, (20, 20)),
        (6, (280, 20)),
        (7, (280, 380)),
        (8, (20, 380)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_thumbnail_stands_upright(kind: str, orientation: int, corner: tuple[int, int]) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation

    made = thumbnails(encoded(picture(400, 300), kind, exif=exif))

    assert is_red(opened(made[0]), *corner)
    assert (made[0].width, made[0].height) == ((400, 300) if orientation < 5 else (300, 400))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_no_metadata_survives(kind: str) -> None:
    exif = Pillow.Exif()
    exif[0x010E] = SECRET.decode()
    options = {"comment": SECRET} if kind == "JPEG" else {"xmp": SECRET} if kind == "WEBP" else {}

    body = encoded(picture(), kind, exif=exif, **options)
    made = thumbnails(body)

    assert SECRET in body
    assert [one for one in made if b"script" in one.body or b"GPS" in one.body] == []
    assert dict(opened(made[0]).getexif()) == {}


def test_what_is_appended_to_an_image_is_left_behind() -> None:
    made = thumbnails(jpeg() + SECRET)

    assert [one for one in made if SECRET in one.body] == []


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "YCbCr"])
def test_rare_modes_become_ordinary_jpeg(mode: str) -> None:
    kind = "JPEG" if mode in {"CMYK", "YCbCr"} else "PNG"

    made = thumbnails(encoded(picture(mode=mode), kind))

    assert {one.content_type for one in made} == {"image/jpeg"}
    assert opened(made[0]).mode in {"L", "RGB"}


def test_sixteen_bits_of_grey_keep_their_brightness() -> None:
    grey = Pillow.new("I;16", (200, 200), 128 * 256)

    made = thumbnails(encoded(grey, "PNG"))

    assert opened(made[0]).convert("L").getpixel((100, 100)) == pytest.approx(128, abs=2)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_shines_through_is_kept_as_webp(mode: str) -> None:
    image = picture(mode=mode)
    image.putalpha(Pillow.linear_gradient("L").resize(image.size))

    made = thumbnails(encoded(image, "PNG"))

    assert {one.content_type for one in made} == {"image/webp"}
    assert opened(made[2]).mode == "RGBA"


def test_an_alpha_channel_that_hides_nothing_is_dropped() -> None:
    made = thumbnails(encoded(picture(mode="RGBA"), "PNG"))

    assert {one.content_type for one in made} == {"image/jpeg"}


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_of_an_animation_the_first_frame_is_taken(kind: str) -> None:
    frames = [Pillow.new("RGB", (300, 300), colour) for colour in (RED, (0, 0, 255))]

    made = thumbnails(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))

    assert is_red(opened(made[0]), 150, 150)


def test_a_thumbnail_looks_like_what_pillow_makes_at_full_cost() -> None:
    body = encoded(photo(2400, 1800), "JPEG", quality=95)
    slow = Pillow.open(io.BytesIO(body)).copy()
    slow.thumbnail((512, 512), Pillow.Resampling.LANCZOS)
    slow = Pillow.open(io.BytesIO(encoded(slow, "JPEG", quality=82)))

    made = thumbnails(body)

    difference = ImageStat.Stat(ImageChops.difference(opened(made[1]).convert("RGB"), slow))
    assert max(difference.mean) < 3


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (b"", "not_an_image"),
        (b"GIF89a<script>", "not_an_image"),
        (encoded(picture(), "GIF"), "not_an_image"),
        (encoded(picture(), "BMP"), "not_an_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_an_image"),
        (jpeg(900, 900)[:-4000], "broken"),
        (encoded(picture(), "PNG")[:-300], "broken"),
        (bomb(), "too_many_pixels"),
        (bomb(10_000, 5_001), "too_many_pixels"),
        (bomb(5_000, 5_000), "broken"),
        (text_bomb(), "broken"),
    ],
    ids=[
        "nothing",
        "markup as GIF",
        "GIF",
        "BMP",
        "SVG",
        "truncated JPEG",
        "truncated PNG",
        "bomb",
        "just above the limit",
        "promises more than it holds",
        "text bomb",
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(body: bytes, failure: str) -> None:
    with pytest.raises(ImageRefusedError) as refused:
        thumbnails(body)

    assert refused.value.failure == failure
