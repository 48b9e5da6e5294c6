"""Seeded pictures for the demo: honest ones in all forms, and what attackers call pictures.

Each is drawn by code and says what must become of it. Which bytes a drawing has depends on the
version of the encoder, so declared answers are made of the bytes at hand.
"""

import io
import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from PIL import Image

from pipeline.cli.traffic.people import Plan
from pipeline.images import UPLOADS_PREFIX
from pipeline.local.rekognition import Declared, DeclaredImage, DeclaredLabel

HOSTILE_USER: Final = "mallory"
UNSAFE_USER: Final = "eve"

READY: Final = "ready"
REPLACED: Final = "replaced"
"""Of an older version: `superseded`, or `ready` if its thumbnails were made before the newer."""

_ORIENTATION: Final = 0x0112
_ON_ITS_SIDE: Final = 6
_UNSAFE: Final = DeclaredLabel(name="Violence", confidence=97.5)
_HOSTILE: Final = 6


@dataclass(frozen=True, slots=True)
class Picture:
    """An object to upload, and its fate: `READY`, `REPLACED`, or the failure that its row names.

    `looks` tells people what it is. `size` is that of the picture upright, None where nobody can
    say.
    """

    key: str
    body: bytes
    content_type: str
    looks: str
    fate: str
    size: tuple[int, int] | None = None

    @property
    def user_id(self) -> str:
        """Under whose folder it is put."""
        return self.key.removeprefix(UPLOADS_PREFIX).partition("/")[0]


@dataclass(frozen=True, slots=True)
class Album:
    """Pictures in the order in which they are put, with what is planted and declared."""

    pictures: tuple[Picture, ...]
    plans: tuple[Plan, ...]
    declared: Declared


def make_album(seed: int, leaving: str) -> Album:
    """Draw all pictures.

    Args:
        seed: Chooses colours and grain.
        leaving: A user who will be removed, and his picture with him.
    """
    rng = random.Random(f"{seed}/pictures")
    unsafe = _drawn(rng, UNSAFE_USER, "party.jpg", "declared unsafe", 640, 480)
    pictures = (*_honest(rng, leaving), unsafe, *_strange(rng), *_hostile(rng))
    plans = (
        Plan("an image that is declared unsafe", f"unsafe_content#{UNSAFE_USER}"),
        Plan(f"{_HOSTILE} files that are no pictures", f"hostile_images#{HOSTILE_USER}"),
    )
    answer = DeclaredImage(sha256=sha256(unsafe.body).hexdigest(), labels=(_UNSAFE,))
    return Album(pictures, plans, Declared(image=(answer,)))


def _honest(rng: random.Random, leaving: str) -> Iterator[Picture]:
    yield _drawn(rng, "member-0001", "portrait.jpg", "portrait", 1200, 1600)
    yield _drawn(rng, "member-0002", "beach.jpg", "12 MP", 4000, 3000)
    yield _drawn(rng, "member-0003", "logo.png", "with alpha", 800, 600, kind="PNG", mode="RGBA")
    yield _drawn(rng, "member-0004", "scan.png", "grey", 900, 1300, kind="PNG", mode="L")
    yield _drawn(rng, "member-0005", "cat.webp", "WebP", 1024, 768, kind="WEBP")
    yield _turned(rng)
    yield _drawn(rng, "member-0007", "print.jpg", "in CMYK", 800, 800, mode="CMYK")
    yield _drawn(rng, "member-0008", "icon.png", "tiny", 48, 48, kind="PNG")
    yield _drawn(rng, "member-0009", "été à Zürich/façade <1>.jpg", "a key of all sorts", 640, 480)
    yield _drawn(rng, "member-0010", "avatar.jpg", "replaced at once", 640, 640, fate=REPLACED)
    yield _drawn(rng, "member-0010", "avatar.jpg", "its second version", 512, 512)
    yield _drawn(rng, leaving, "goodbye.jpg", "its user leaves", 640, 480)


def _turned(rng: random.Random) -> Picture:
    """Return a photo whose pixels lie on their side, as telephones write them."""
    exif = Image.Exif()
    exif[_ORIENTATION] = _ON_ITS_SIDE
    body = _encoded(_grain(rng, 1600, 1200), "JPEG", exif=exif)
    key = f"{UPLOADS_PREFIX}member-0006/phone.jpg"
    return Picture(key, body, "image/jpeg", "photo on its side", READY, (1200, 1600))


def _strange(rng: random.Random) -> Iterator[Picture]:
    """Yield what clients send by accident."""
    yield Picture(f"{UPLOADS_PREFIX}member-0011/empty.jpg", b"", "image/jpeg", "empty", "empty")
    whole = _encoded(_grain(rng, 640, 480), "JPEG")
    yield Picture(f"{UPLOADS_PREFIX}stray.jpg", whole, "image/jpeg", "in no folder", "no_user")
    half = whole[: len(whole) // 2]
    name = f"{UPLOADS_PREFIX}member-0012/cut.jpg"
    yield Picture(name, half, "image/jpeg", "cut off", "broken")


def _hostile(rng: random.Random) -> Iterator[Picture]:
    """Yield what nobody sends by accident, all by one user."""
    folder = f"{UPLOADS_PREFIX}{HOSTILE_USER}"
    script, kind = b"<svg onload=alert(1)>", "image/png"
    yield Picture(f"{folder}/a.png", script, kind, "markup called PNG", "not_an_image")
    yield Picture(f"{folder}/b.jpg", b"MZ" + rng.randbytes(900), kind, "program", "not_an_image")
    yield Picture(f"{folder}/c.png", _bomb(30_000), kind, "900 MP", "too_many_pixels")
    yield Picture(f"{folder}/d.png", _bomb(9_000), kind, "81 MP", "too_many_pixels")
    start = b"\xff\xd8\xff\xe0"
    yield Picture(f"{folder}/e.jpg", start + rng.randbytes(2000), kind, "noise as JPEG", "broken")
    yield Picture(f"{folder}/f.gif", b"GIF89a" + bytes(90), "image/gif", "GIF", "not_an_image")


def _drawn(  # noqa: PLR0913  what a picture is made of
    rng: random.Random,
    user_id: str,
    name: str,
    looks: str,
    *size: int,
    kind: str = "JPEG",
    mode: str = "RGB",
    fate: str = READY,
) -> Picture:
    width, height = size
    picture = _grain(rng, width, height)
    if mode == "RGBA":
        picture.putalpha(Image.linear_gradient("L").resize((width, height)))
    elif mode != "RGB":
        picture = picture.convert(mode)
    key = f"{UPLOADS_PREFIX}{user_id}/{name}"
    body = _encoded(picture, kind)
    return Picture(key, body, f"image/{kind.lower()}", looks, fate, (width, height))


def _grain(rng: random.Random, width: int, height: int) -> Image.Image:
    """Draw soft spots of colour, which an encoder finds as hard as a photograph."""
    columns, rows = max(width // 40, 2), max(height // 40, 2)
    spots = Image.frombytes("RGB", (columns, rows), rng.randbytes(3 * columns * rows))
    return spots.resize((width, height), Image.Resampling.BILINEAR)


def _encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:  # noqa: ANN401  Pillow's own options
    sink = io.BytesIO()
    picture.save(sink, kind, **options)
    return sink.getvalue()


def _bomb(side: int) -> bytes:
    """Return a PNG of a few bytes whose header promises a great square."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
