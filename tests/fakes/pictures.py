"""Pictures and files that pretend to be some, made by code."""

import io
import random
import struct
import zlib
from typing import Any, Final

from PIL import Image, ImageDraw

BLUE: Final = (30, 60, 200)


def picture(width: int = 400, height: int = 300, mode: str = "RGB") -> Image.Image:
    """Draw a blue field with a red square in its upper left corner."""
    image = Image.new("RGB", (width, height), BLUE)
    side = min(width, height) // 4
    ImageDraw.Draw(image).rectangle((0, 0, side - 1, side - 1), fill=(220, 20, 20))
    return image if mode == "RGB" else image.convert(mode)


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:  # noqa: ANN401  Pillow's own options
    """Return an image as a file of a format."""
    sink = io.BytesIO()
    image.save(sink, kind, **options)
    return sink.getvalue()


def jpeg(width: int = 400, height: int = 300, **options: Any) -> bytes:  # noqa: ANN401  Pillow's own options
    """Return the picture as JPEG."""
    return encoded(picture(width, height), "JPEG", **options)


def photo(width: int, height: int, seed: int = 1) -> Image.Image:
    """Make a picture with the gradients and noise of a photograph."""
    noise = Image.frombytes(
        "RGB",
        (width // 8, height // 8),
        random.Random(seed).randbytes(3 * (width // 8) * (height // 8)),
    )
    smooth = noise.resize((width, height), Image.Resampling.BICUBIC)
    slope = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    return Image.blend(smooth, slope, 0.7)


def bomb(width: int = 30_000, height: int = 30_000) -> bytes:
    """Return a PNG of a few bytes whose header promises nine hundred million pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(bytes(1000)))
        + _chunk(b"IEND", b"")
    )


def text_bomb() -> bytes:
    """Return a PNG with a compressed text that unfolds to 64 MB."""
    whole = encoded(picture(), "PNG")
    text = b"Comment\x00\x00" + zlib.compress(bytes(64 * 1024 * 1024))
    return whole[:33] + _chunk(b"zTXt", text) + whole[33:]


def profile_bomb() -> bytes:
    """Return a PNG with a colour profile that unfolds to 64 MB."""
    whole = encoded(picture(), "PNG")
    profile = b"icc\x00\x00" + zlib.compress(bytes(64 * 1024 * 1024))
    return whole[:33] + _chunk(b"iCCP", profile) + whole[33:]


def animated(frames: int) -> bytes:
    """Return a PNG of 64 x 64 pixels with many frames, all of them alike."""
    side = 64
    pixels = zlib.compress((b"\x00" + bytes(3 * side)) * side)
    control = struct.pack(">IIIIHHBB", side, side, 0, 0, 1, 10, 0, 0)
    chunks = [
        _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)),
        _chunk(b"acTL", struct.pack(">II", frames, 0)),
        _chunk(b"fcTL", struct.pack(">I", 0) + control),
        _chunk(b"IDAT", pixels),
    ]
    for number in range(1, 2 * frames - 1, 2):
        chunks.append(_chunk(b"fcTL", struct.pack(">I", number) + control))
        chunks.append(_chunk(b"fdAT", struct.pack(">I", number + 1) + pixels))
    return b"\x89PNG\r\n\x1a\n" + b"".join([*chunks, _chunk(b"IEND", b"")])


def _chunk(name: bytes, body: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + checksum
