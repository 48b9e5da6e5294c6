"""What can be measured of a picture without any model: colours, light, sharpness, shape.

Nothing here recognises anything. Every figure follows from the pixels by the formula beside it.
"""

import colorsys
import io
import math
from collections import Counter
from typing import Final, NamedTuple

from PIL import Image, ImageColor, ImageFilter, ImageOps, ImageStat

MAX_PIXELS: Final = 100_000_000
"""Source: Amazon Rekognition Developer Guide, quotas: 10,000 pixels for both width and height."""

_LOOK_SIDE: Final = 256
_COLOURS: Final = 8
_DARKEST_GREY: Final = 0.2
_LIGHTEST_GREY: Final = 0.85
_LEAST_SATURATION: Final = 0.18
_HALF_SHARP: Final = 400.0  # variance of the Laplacian at which sharpness is 63

# Hue in degrees up to which a colour has a name; simplified colours as Rekognition names them.
_HUES: Final = (
    (15, "red"),
    (45, "orange"),
    (70, "yellow"),
    (165, "green"),
    (255, "blue"),
    (290, "purple"),
    (335, "pink"),
    (360, "red"),
)


class NotReadableError(Exception):
    """The bytes are no JPEG or PNG, or damaged."""


class Colour(NamedTuple):
    """A colour and the share of the picture that has it, in percent."""

    red: int
    green: int
    blue: int
    name: str
    css: str
    percent: float


class Look(NamedTuple):
    """A picture in figures; brightness, sharpness and contrast from 0 to 100."""

    width: int
    height: int
    brightness: float
    sharpness: float
    contrast: float
    colours: tuple[Colour, ...]

    @property
    def shares(self) -> dict[str, float]:
        """The share of each colour's name in percent, largest first."""
        total: Counter[str] = Counter()
        for colour in self.colours:
            total[colour.name] += colour.percent  # type: ignore[assignment]  # a Counter adds floats too
        return {name: float(share) for name, share in total.most_common()}


def size_of(body: bytes) -> tuple[int, int]:
    """Read width and height from the header of a JPEG or PNG.

    Raises:
        NotReadableError: The bytes are neither.
    """
    try:
        with Image.open(io.BytesIO(body), formats=("JPEG", "PNG")) as image:
            return image.size
    except Exception as error:  # the parsers of an image library raise whatever they stumble over
        raise NotReadableError(f"{type(error).__name__}: {error}") from error


def look(body: bytes) -> Look:
    """Measure a JPEG or PNG.

    Raises:
        NotReadableError: The bytes are neither, or damaged.
    """
    width, height = size_of(body)
    try:
        with Image.open(io.BytesIO(body), formats=("JPEG", "PNG")) as image:
            image.draft("RGB", (_LOOK_SIDE, _LOOK_SIDE))
            picture = ImageOps.exif_transpose(image).convert("RGB")
            picture.thumbnail((_LOOK_SIDE, _LOOK_SIDE), Image.Resampling.BOX)
            if image.getexif().get(0x0112, 1) >= 5:  # stored on its side
                width, height = height, width
    except Exception as error:
        raise NotReadableError(f"{type(error).__name__}: {error}") from error
    grey = picture.convert("L")
    light = ImageStat.Stat(grey)
    return Look(
        width=width,
        height=height,
        brightness=light.mean[0] / 2.55,
        sharpness=_sharpness(grey),
        contrast=min(100.0, light.stddev[0] / 1.275),
        colours=_colours(picture),
    )


def _sharpness(grey: Image.Image) -> float:
    """Rate how much the picture changes from pixel to pixel: 1 - exp(-variance / 400)."""
    kernel = ImageFilter.Kernel((3, 3), (0, -1, 0, -1, 4, -1, 0, -1, 0), scale=1, offset=128)
    if min(grey.size) < 3:
        return 0.0
    edges = grey.filter(kernel).crop((1, 1, grey.width - 1, grey.height - 1))
    return 100 * (1 - math.exp(-ImageStat.Stat(edges).var[0] / _HALF_SHARP))


def _colours(picture: Image.Image) -> tuple[Colour, ...]:
    reduced = picture.quantize(colors=_COLOURS, method=Image.Quantize.MEDIANCUT)
    palette = reduced.getpalette() or []
    counts = reduced.getcolors() or []
    pixels = picture.width * picture.height
    found = []
    for count, index in sorted(counts, reverse=True):
        assert isinstance(index, int)
        red, green, blue = palette[3 * index : 3 * index + 3]
        found.append(
            Colour(
                red,
                green,
                blue,
                _name(red, green, blue),
                _css(red, green, blue),
                100 * count / pixels,
            )
        )
    return tuple(found)


def _name(red: int, green: int, blue: int) -> str:
    hue, saturation, value = colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)
    if value < _DARKEST_GREY:
        return "black"
    if saturation < _LEAST_SATURATION:
        return "white" if value > _LIGHTEST_GREY else "grey"
    name = next(name for limit, name in _HUES if hue * 360 <= limit)
    return "brown" if name == "orange" and value < 0.65 else name


def _css(red: int, green: int, blue: int) -> str:
    def distance(name: str) -> int:
        other = ImageColor.getrgb(name)
        return (other[0] - red) ** 2 + (other[1] - green) ** 2 + (other[2] - blue) ** 2

    return min(ImageColor.colormap, key=distance)
