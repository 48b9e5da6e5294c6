"""The ledger of images: what was uploaded against the rows and thumbnails that came of it."""

import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from PIL import Image

from pipeline.cli.producers.image_rows import ImageState
from pipeline.cli.traffic.pictures import READY, REPLACED, Picture

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

THUMBNAILS: Final = "thumbnails/"
_SIZES: Final = (1024, 512, 128)


class Uploaded(NamedTuple):
    """A picture and the version that the bucket gave it."""

    picture: Picture
    version_id: str


class Stored(NamedTuple):
    """A thumbnail as the bucket holds it: read back and decoded."""

    width: int
    height: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ImagesFound:
    """Rows and thumbnails before anybody was removed, and whose objects and rows are left after.

    `rows` may hold several of one version. `thumbnails` is keyed by the objects' keys, `left` has
    the keys of all objects and rows.
    """

    rows: tuple[ImageState, ...]
    thumbnails: Mapping[str, Stored]
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageLine:
    """What became of one picture; `thumbnail_bytes` is the sum of all its thumbnails."""

    picture: Picture
    fate: str
    thumbnails: tuple[Stored, ...]
    wrong: str = ""

    @property
    def thumbnail_bytes(self) -> int:
        """Bytes of all its thumbnails."""
        return sum(one.size_bytes for one in self.thumbnails)


def draw_up_images(
    uploads: Sequence[Uploaded],
    found: ImagesFound,
    leaving: Collection[str],
    excused: Collection[str] = (),
) -> list[ImageLine]:
    """Find what became of every picture.

    Args:
        uploads: What was put.
        found: What is there.
        leaving: Users who were removed: nothing of theirs may be left.
        excused: Keys of objects whose work is among the dead letters.
    """
    return [_line(upload, found, leaving, excused) for upload in uploads]


def _line(
    upload: Uploaded, found: ImagesFound, leaving: Collection[str], excused: Collection[str]
) -> ImageLine:
    picture = upload.picture
    rows = [
        row for row in found.rows if (row.key, row.version_id) == (picture.key, upload.version_id)
    ]
    if len(rows) != 1:
        wrong = "" if picture.key in excused else f"{len(rows)} rows instead of one"
        return ImageLine(picture, "no row", (), wrong)
    (row,) = rows
    made = tuple(found.thumbnails[one.key] for one in row.thumbnails if one.key in found.thumbnails)
    is_leaving = picture.user_id in leaving
    wrongs = (
        _wrong_fate(picture, row),
        _wrong_thumbnails(picture, row, made),
        _left(picture, found) if is_leaving else (),
    )
    wrong = next(chain.from_iterable(wrongs), "")
    if wrong and picture.key in excused and not row.is_final:
        wrong = ""
    fate = f"{row.fate}, erased" if is_leaving and not wrong else row.fate
    return ImageLine(picture, fate, made, wrong)


def _wrong_fate(picture: Picture, row: ImageState) -> Iterator[str]:
    fates = {READY, "superseded"} if picture.fate == REPLACED else {picture.fate}
    if row.fate not in fates:
        yield f"{row.fate} instead of {' or '.join(sorted(fates))}"
    if row.status != READY and row.thumbnails:
        yield "has thumbnails"


def _wrong_thumbnails(picture: Picture, row: ImageState, made: Sequence[Stored]) -> Iterator[str]:
    if row.status == READY and tuple(one.size for one in row.thumbnails) != _SIZES:
        yield f"{len(row.thumbnails)} thumbnails instead of {len(_SIZES)}"
    if len(made) != len(row.thumbnails):
        yield "a thumbnail of its row is not in the bucket"
        return
    for told, stored in zip(row.thumbnails, made, strict=True):
        if stored != (told.width, told.height, told.size_bytes):
            yield f"its thumbnail of {told.size} is not as the row says"
        if picture.size and not _fits(picture.size, stored, told.size):
            yield f"its thumbnail of {told.size} has {stored.width} x {stored.height} pixels"


def _left(picture: Picture, found: ImagesFound) -> Iterator[str]:
    for key in found.left:
        if f"/{picture.user_id}/" in key:
            yield f"its user was removed and {key} is left"


def _fits(size: tuple[int, int], stored: Stored, side: int) -> bool:
    """Tell whether a thumbnail is as large as it may be and keeps the proportions, to a pixel."""
    scale = min(1.0, side / max(size))
    wanted = (size[0] * scale, size[1] * scale)
    return all(
        abs(one - other) <= 1
        for one, other in zip(wanted, (stored.width, stored.height), strict=True)
    )


def read_thumbnails(s3: "S3Client", bucket: str) -> Iterator[tuple[str, Stored]]:
    """Fetch and decode every thumbnail in the bucket, by its key."""
    for key in read_keys(s3, bucket, THUMBNAILS):
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        with Image.open(io.BytesIO(body)) as picture:
            picture.load()
            yield key, Stored(picture.width, picture.height, len(body))


def read_keys(s3: "S3Client", bucket: str, prefix: str = "") -> Iterator[str]:
    """Yield the keys of all versions of all objects under a prefix, each version once."""
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for one in page.get("Versions", []):
            yield one["Key"]
