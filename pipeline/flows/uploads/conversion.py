"""An image that Rekognition refuses as a JPEG that it takes."""

import io
from typing import Final

from PIL import Image as Pillow

from pipeline.flows.thumbnails.imaging import decoded

MIN_SIDE: Final = 80
"""Source: Amazon Rekognition Developer Guide, guidelines and quotas: minimum image dimensions."""

_SIDE: Final = 2048
"""Larger than the labels need, and less than 5 MB as JPEG even if every pixel is noise."""


def as_jpeg(body: bytes) -> bytes:
    """Return the image as JPEG of at most 5 MB and at least 80 pixels a side, on white.

    Raises:
        ImageRefusedError: No JPEG, PNG or WebP, too many pixels, or damaged.
    """
    picture = decoded(body, _SIDE)
    canvas = Pillow.new(
        "RGB", (max(MIN_SIDE, picture.width), max(MIN_SIDE, picture.height)), "white"
    )
    canvas.paste(picture, mask=picture.getchannel("A") if picture.mode == "RGBA" else None)
    sink = io.BytesIO()
    canvas.save(sink, "JPEG", quality=85)
    return sink.getvalue()
