"""What the two image flows need from outside, as protocols.

Every method raises `RetryableError` for throttling and outage, after its own bounded retries.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from pipeline.images import FailedImage, Failure, Image, ThumbnailJob, Upload

Status = Literal["labelled", "ready", "superseded", "refused"]
"""What has become of an image: labelled and waiting for thumbnails, done, or given up."""


class Label(msgspec.Struct, frozen=True, array_like=True):
    """What Rekognition sees, with its confidence in percent; `parent` is empty at the top."""

    name: str
    confidence: float
    parent: str = ""


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """What Rekognition says of an image, and the versions of its models."""

    labels: tuple[Label, ...]
    unsafe: tuple[Label, ...]
    model: str


class ThumbnailRow(msgspec.Struct, frozen=True, kw_only=True):
    """One thumbnail of an image: the square it fits into, and the object that it is."""

    size: int
    key: str
    width: int
    height: int
    size_bytes: int
    content_type: str


class ImageRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is recorded of one image.

    `unsafe` has the moderation labels. `is_newest` is false when the object has a later version.
    """

    status: Status
    uploaded_at: datetime
    unsafe: tuple[Label, ...] = ()
    failure: Failure | None = None
    detail: str = ""
    is_newest: bool = True


class ImageObjects(Protocol):
    """The objects of the content bucket."""

    def read(self, image: Image, first_bytes: int | None = None) -> bytes:
        """Return an image's body, or as many of its first bytes.

        Raises:
            ImageRefusedError: The version is gone, or a body too large.
        """

    def write(self, key: str, body: bytes, content_type: str) -> None:
        """Write an object; a repetition replaces it by the same."""

    def erase(self, folder: str) -> None:
        """Erase every version of every object under a folder; nothing there is no error."""


class ImageStore(Protocol):
    """The rows of ImagesTable, one per image."""

    def find(self, image: Image) -> ImageRow | None:
        """Read an image's row consistently, None when there is none."""

    def keep_analysis(self, upload: Upload, analysis: Analysis) -> None:
        """Create the row of a labelled image; a row that exists stays as it is."""

    def refuse(self, upload: Upload, failure: Failure, detail: str) -> None:
        """Create the row of an image that is not looked at; a row that exists stays as it is."""

    def finish(
        self,
        job: ThumbnailJob,
        status: Status,
        thumbnails: Sequence[ThumbnailRow] = (),
        failure: Failure | None = None,
        detail: str = "",
    ) -> bool:
        """Say what became of a labelled image; False, writing nothing, when its row is gone.

        The row of an image that is gone itself expires, as that of any that never was labelled.
        """

    def failures(self, user_id: str, since: datetime, until: datetime) -> Sequence[FailedImage]:
        """Read a user's hostile images by time; the newest may still be missing."""


class Analyser(Protocol):
    """What looks at images."""

    def analyse(self, source: Image | bytes) -> Analysis:
        """Look at an object, or at the bytes of a JPEG or PNG of at most 5 MB.

        Raises:
            ImageRefusedError: It cannot read this image in this form.
        """


class ThumbnailJobs(Protocol):
    """The queue of the thumbnails."""

    def send(self, job: ThumbnailJob) -> None:
        """Queue a job. A repetition queues it again."""
