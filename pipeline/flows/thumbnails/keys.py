"""Where the thumbnails of an image lie, and back from there to the image's key.

`uploads/<user>/<path>` in the version with the sequencer S becomes
`thumbnails/<user>/<path>/<S>/<size>.<ext>`, with each part of user and path written in letters,
digits, `-` and `.` alone: any other byte of its UTF-8 form is `_` and two hexadecimal digits, and
so is a dot at a part's start. An empty part is a lone `_`. So no key can leave its folder, be
mistaken for markup or need escaping in a URL, and two keys never meet.
"""

import re
from typing import Final

from pipeline.errors import InvalidRecordError
from pipeline.images import UPLOADS_PREFIX, Image, ImageRefusedError, sequence

THUMBNAILS_PREFIX: Final = "thumbnails/"
MAX_KEY_BYTES: Final = 1024
"""Source: Amazon S3 User Guide, naming objects."""

_EXTENSIONS: Final = {"image/jpeg": "jpg", "image/webp": "webp"}
_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")
_ESCAPE: Final = re.compile(rb"_([0-9A-F]{2})?")


def thumbnail_key(image: Image, size: int, content_type: str) -> str:
    """Return the key of one of an image's thumbnails.

    Raises:
        ImageRefusedError: The key would be longer than S3 allows.
    """
    key = f"{thumbnails_folder(image)}{size}.{_EXTENSIONS[content_type]}"
    if len(key) > MAX_KEY_BYTES:
        raise ImageRefusedError("refused", f"its thumbnails would have keys of {len(key)} bytes")
    return key


def thumbnails_folder(image: Image) -> str:
    """Return the prefix of all thumbnails of an image; what else may lie there is its user's."""
    path = "/".join(map(_escaped, image.key.removeprefix(UPLOADS_PREFIX).split("/")))
    return f"{THUMBNAILS_PREFIX}{path}/{sequence(image.sequencer)}/"


def source_key(thumbnail: str) -> str:
    """Return the key of the image that a thumbnail was made of.

    Raises:
        InvalidRecordError: It is no key that `thumbnail_key` makes.
    """
    parts = thumbnail.removeprefix(THUMBNAILS_PREFIX).split("/")
    if not thumbnail.startswith(THUMBNAILS_PREFIX) or len(parts) < 4:
        raise InvalidRecordError("not the key of a thumbnail")
    try:
        return UPLOADS_PREFIX + "/".join(map(_plain, parts[:-2]))
    except UnicodeDecodeError as error:
        raise InvalidRecordError("not the key of a thumbnail") from error


def thumbnails_of(user_id: str) -> str:
    """Return the prefix of all thumbnails of a user's images, for an erasure to find them."""
    return f"{THUMBNAILS_PREFIX}{_escaped(user_id)}/"


def _escaped(part: str) -> str:
    if not part:
        return "_"
    raw = part.encode()
    text = "".join(chr(byte) if byte in _PLAIN else f"_{byte:02X}" for byte in raw)
    return f"_2E{text[1:]}" if text.startswith(".") else text


def _plain(part: str) -> str:
    raw = _ESCAPE.sub(lambda found: bytes.fromhex((found[1] or b"").decode()), part.encode())
    return raw.decode()
