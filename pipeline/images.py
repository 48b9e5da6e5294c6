"""Uploaded images: how they are named and versioned, what can be wrong with one, and their jobs.

An image is one version of one object. Its `version` orders the versions of a key as S3 wrote them,
so the newest is known by comparing texts, in whatever order the events arrive.
"""

from datetime import datetime
from hashlib import sha256
from typing import Annotated, Final, Literal

import msgspec

from pipeline.errors import InvalidRecordError

UPLOADS_PREFIX: Final = "uploads/"
"""Objects under it are `uploads/<user_id>/<name>`, put by the product."""

MAX_OBJECT_BYTES: Final = 15 * 1024 * 1024
"""Largest object that is looked at.

Source: Amazon Rekognition Developer Guide, guidelines and quotas: images stored in S3.
"""

Kind = Literal["jpeg", "png", "webp"]

Failure = Literal[
    "empty", "too_large", "gone", "no_user", "not_an_image", "broken", "too_many_pixels", "refused"
]
"""Why an image is recorded without labels or thumbnails; docs/images.md says what each means."""

HOSTILE: Final[frozenset[Failure]] = frozenset({"not_an_image", "broken", "too_many_pixels"})
"""What an honest client hardly sends twice; repeated by one user, it is an anomaly."""

_MAX_DETAIL_CHARS: Final = 200


class ImageRefusedError(InvalidRecordError):
    """An image that no retry can make good, with the reason that its row gets."""

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(f"{failure}: {detail}"[:_MAX_DETAIL_CHARS])
        self.failure: Failure = failure
        self.detail = detail[:_MAX_DETAIL_CHARS]


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one object.

    `version_id` is empty in a bucket without versions. `sequencer` is as S3 sent it.
    """

    bucket: str
    key: str
    version_id: str
    sequencer: str

    @property
    def image_key(self) -> str:
        """Identity of the object that this is a version of."""
        return f"{self.bucket}/{self.key}"

    @property
    def version(self) -> str:
        """Place among the versions of the object: texts compare as S3 wrote the versions."""
        return f"{sequence(self.sequencer)}#{self.version_id}"

    @property
    def user_id(self) -> str:
        """The user under whose folder the object lies, empty when there is none."""
        user_id, slash, name = self.key.removeprefix(UPLOADS_PREFIX).partition("/")
        is_owned = self.key.startswith(UPLOADS_PREFIX) and user_id and slash and name
        return user_id if is_owned else ""

    @property
    def job_id(self) -> str:
        """Identity of the work on this version, the same on every delivery."""
        return sha256(f"{self.image_key}\n{self.version}".encode()).hexdigest()[:32]


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """An image that S3 reports, with the time of the event in UTC."""

    image: Image
    size_bytes: int
    uploaded_at: datetime


class ThumbnailJob(msgspec.Struct, frozen=True, kw_only=True, tag_field="job", tag="thumbnails"):
    """A message of ThumbnailQueue. `job_id` follows from the image, so repetitions are told."""

    job_id: str
    image: Image
    uploaded_at: Annotated[datetime, msgspec.Meta(tz=True)]


class FailedImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image that was refused, as far as rules about its user need it."""

    job_id: str
    user_id: str
    uploaded_at: datetime
    failure: Failure


def sequence(sequencer: str) -> str:
    """Return a sequencer in the form whose text order is S3's.

    S3 pads the shorter of two sequencers with zeros on the right; as no digit is less than 0,
    leaving the zeros out gives the same order.

    Source: Amazon S3 User Guide, event message structure, sequencer.
    """
    return sequencer.upper().rstrip("0")


def kind_of(head: bytes) -> Kind | None:
    """Tell an image's format by its first 12 bytes, None for anything that is not taken."""
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    return None


def encode_job(job: ThumbnailJob) -> str:
    """Return a job as the body of its message."""
    return msgspec.json.encode(job).decode()


def decode_job(body: str) -> ThumbnailJob:
    """Read the body of a message.

    Raises:
        InvalidRecordError: It is no job of this queue.
    """
    try:
        return msgspec.json.decode(body, type=ThumbnailJob)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        reason = str(error)[:_MAX_DETAIL_CHARS]  # a value may be quoted in full
        raise InvalidRecordError(f"not a thumbnail job: {reason}") from error
