"""Images of strangers, opened under limits and made small; the only place that knows Pillow well.

Size and format are read from the header and judged before a pixel is decoded. A JPEG is decoded at
the smallest scale that is still large enough, and each thumbnail is made from the one before.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from PIL import Image as Pillow
from PIL import ImageFile, PngImagePlugin, UnidentifiedImageError

from pipeline.images import ImageRefusedError

SIZES: Final = (1024, 512, 128)
"""Sides of the squares that thumbnails fit into, largest first."""

MAX_PIXELS: Final = 50_000_000
"""Most pixels that are decoded: what a phone takes. See-through ones need 430 MB at the peak."""

_FORMATS: Final = ("JPEG", "PNG", "WEBP")
_MAX_TEXT_BYTES: Final = 1024 * 1024
_ORIENTATION_TAG: Final = 0x0112
# Source: Exif 2.32, tag Orientation: what brings the stored pixels upright.
_UPRIGHT: Final = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
_TRANSPARENT: Final = frozenset({"LA", "PA", "RGBA", "La", "RGBa"})
_SIXTEEN_BITS: Final = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N"})


class Thumbnail(NamedTuple):
    """A thumbnail that fits into a square of `size`; a smaller image is not made larger."""

    size: int
    width: int
    height: int
    body: bytes
    content_type: str


def thumbnails(body: bytes) -> list[Thumbnail]:
    """Make the thumbnails of an image: upright, without metadata, JPEG, or WebP where see-through.

    Raises:
        ImageRefusedError: No JPEG, PNG or WebP, too many pixels, or damaged.
    """
    with _refusing_what_pillow_cannot_read():
        picture = decoded(body, SIZES[0])
        made: list[Thumbnail] = []
        for size in SIZES:
            target = fitting(picture.size, size)
            if made and target == picture.size:
                made.append(made[-1]._replace(size=size))
                continue
            picture = _shrunk(picture, target)
            made.append(_encoded(picture, size))
        return made


def decoded(body: bytes, side: int) -> Pillow.Image:
    """Decode an image's first frame, upright and in 8 bits, to fit a square of `side`.

    Raises:
        ImageRefusedError: No JPEG, PNG or WebP, too many pixels, or damaged.
    """
    with _refusing_what_pillow_cannot_read():
        with _opened(body) as image:
            orientation = image.getexif().get(_ORIENTATION_TAG, 1)
            target = fitting(image.size, side)
            image.draft(image.mode, target)  # JPEG only: decodes at 1/2, 1/4 or 1/8
            image.load()
            if orientation == 1 and image.format == "PNG":
                orientation = image.getexif().get(_ORIENTATION_TAG, 1)  # may follow the pixels
            picture = _shrunk(_in_8_bits(image), target)
        picture = _opaque_if_possible(picture)
        turn = _UPRIGHT.get(orientation)
        return picture if turn is None else picture.transpose(turn)


def fitting(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return the size at which an image fits into a square; never larger than it is."""
    width, height = size
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


@contextmanager
def _opened(body: bytes) -> Iterator[ImageFile.ImageFile]:
    """Open an image and judge its header; nothing is decoded yet."""
    Pillow.MAX_IMAGE_PIXELS = MAX_PIXELS
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    PngImagePlugin.MAX_TEXT_CHUNK = _MAX_TEXT_BYTES
    PngImagePlugin.MAX_TEXT_MEMORY = _MAX_TEXT_BYTES
    with Pillow.open(io.BytesIO(body), formats=_FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise _too_many_pixels(f"{image.width} x {image.height} pixels")
        yield image


@contextmanager
def _refusing_what_pillow_cannot_read() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a strange image is no news for the log
        warnings.simplefilter("error", Pillow.DecompressionBombWarning)
        try:
            yield
        except ImageRefusedError:
            raise
        except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
            raise _too_many_pixels("the header promises more") from error
        except UnidentifiedImageError as error:
            raise ImageRefusedError("not_an_image", "neither JPEG nor PNG nor WebP") from error
        except MemoryError:
            raise
        except Exception as error:  # parsers of hostile bytes raise whatever they stumble over
            raise ImageRefusedError("broken", f"{type(error).__name__}: {error}") from error


def _too_many_pixels(found: str) -> ImageRefusedError:
    return ImageRefusedError("too_many_pixels", f"{found}, the limit is {MAX_PIXELS} pixels")


def _in_8_bits(image: Pillow.Image) -> Pillow.Image:
    """Bring rare modes into one that scales well: L, RGB, CMYK, LA or RGBA."""
    if image.mode in _SIXTEEN_BITS:
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode == "P":
        return image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in {"L", "RGB"} and "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode in {"L", "RGB", "CMYK", "LA", "RGBA"}:
        return image
    return image.convert("RGBA" if image.mode in _TRANSPARENT else "RGB")


def _opaque_if_possible(picture: Pillow.Image) -> Pillow.Image:
    """Return the picture as RGB or L, or as RGBA if anything shines through."""
    if picture.mode in _TRANSPARENT:
        lowest, _ = picture.getchannel("A").getextrema()
        return picture.convert("RGB" if lowest == 255 else "RGBA")
    return picture if picture.mode in {"L", "RGB"} else picture.convert("RGB")


def _shrunk(picture: Pillow.Image, target: tuple[int, int]) -> Pillow.Image:
    if picture.size == target:
        return picture.copy()
    return picture.resize(target, Pillow.Resampling.BICUBIC, reducing_gap=2.0)


def _encoded(picture: Pillow.Image, size: int) -> Thumbnail:
    picture.info.clear()  # comments and the like would be written again
    sink = io.BytesIO()
    if picture.mode == "RGBA":
        picture.save(sink, "WEBP", quality=80, method=3)
        content_type = "image/webp"
    else:
        picture.save(sink, "JPEG", quality=82, progressive=False)
        content_type = "image/jpeg"
    return Thumbnail(size, picture.width, picture.height, sink.getvalue(), content_type)
