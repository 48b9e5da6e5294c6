"""The thumbnail flow: a job in, three small images and a row that says so out.

The thumbnails of each version of an object are objects of their own, so an older version can never
replace those of a newer one; the version that is no longer the newest is not worked on at all.
"""

from typing import Literal, NamedTuple

from pipeline.detection.image_rules import HostileImages
from pipeline.errors import InvalidRecordError
from pipeline.flows.thumbnails.imaging import thumbnails
from pipeline.flows.thumbnails.keys import MAX_KEY_BYTES, thumbnail_key, thumbnails_folder
from pipeline.flows.uploads.ports import ImageObjects, ImageStore, ThumbnailRow
from pipeline.flows.uploads.refusing import facts_about
from pipeline.images import FailedImage, Failure, Image, ImageRefusedError, ThumbnailJob, decode_job
from pipeline.ports import FactSink

Fate = Literal["made", "repeated", "superseded", "erased", "refused"]


class JobReport(NamedTuple):
    """What became of one job; `anomalies` counts the facts written."""

    job_id: str
    fate: Fate
    failure: Failure | None = None
    anomalies: int = 0


class ThumbnailFlow:
    """Makes thumbnails.

    Args:
        objects: The images and their thumbnails.
        store: The images' rows.
        facts: Where anomalies are written.
        rule: When a user sends too many broken images.
        bucket: The only bucket whose objects are touched.
    """

    def __init__(
        self,
        objects: ImageObjects,
        store: ImageStore,
        facts: FactSink,
        *,
        rule: HostileImages,
        bucket: str,
    ) -> None:
        self._objects = objects
        self._store = store
        self._facts = facts
        self._rule = rule
        self._bucket = bucket

    def take(self, body: str) -> JobReport:
        """Do the job of one message. Safe to repeat: a repetition finds the work done.

        Raises:
            RetryableError: Throttling or outage; deliver the message again.
            InvalidRecordError: No job, or one about another bucket; it is for the dead letters.
        """
        job = decode_job(body)
        image = job.image
        if image.bucket != self._bucket:
            raise InvalidRecordError(f"bucket {image.bucket} is none of this function's")
        row = self._store.find(image)
        if row is None:
            return self._erased(image)
        if row.failure:
            return self._refused(job, row.failure)
        if row.status != "labelled":
            return JobReport(image.job_id, "repeated")
        if not row.is_newest:
            self._store.finish(job, "superseded")
            return JobReport(image.job_id, "superseded")
        try:
            made = self._make(job)
        except ImageRefusedError as error:
            self._store.finish(job, "refused", failure=error.failure, detail=error.detail)
            return self._refused(job, error.failure)
        if self._store.finish(job, "ready", made):
            return JobReport(image.job_id, "made")
        return self._erased(image)

    def _make(self, job: ThumbnailJob) -> list[ThumbnailRow]:
        image, rows = job.image, []
        for made in thumbnails(self._objects.read(image)):
            key = thumbnail_key(image, made.size, made.content_type)
            self._objects.write(key, made.body, made.content_type)
            rows.append(
                ThumbnailRow(
                    size=made.size,
                    key=key,
                    width=made.width,
                    height=made.height,
                    size_bytes=len(made.body),
                    content_type=made.content_type,
                )
            )
        return rows

    def _erased(self, image: Image) -> JobReport:
        """Leave no thumbnail of an erased user, of an attempt that went down after writing either.

        Their bucket keeps versions, so every one of them has to go.
        """
        folder = thumbnails_folder(image)
        if len(folder) < MAX_KEY_BYTES:  # otherwise none was ever written
            self._objects.erase(folder)
        return JobReport(image.job_id, "erased")

    def _refused(self, job: ThumbnailJob, failure: Failure) -> JobReport:
        failed = FailedImage(
            job_id=job.image.job_id,
            user_id=job.image.user_id,
            uploaded_at=job.uploaded_at,
            failure=failure,
        )
        facts = facts_about(self._store, self._rule, failed)
        if facts:
            self._facts.write(facts)
        return JobReport(job.image.job_id, "refused", failure, len(facts))
