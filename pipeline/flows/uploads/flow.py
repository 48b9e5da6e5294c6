"""The upload flow: a new object in, its labels, its thumbnail job and what is wrong with it out.

Every step is idempotent, and the row remembers the answers of Rekognition, which are paid for: a
redelivery reads them there and repeats only what follows from them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.images import unsafe_content
from pipeline.detection.rules import Rules
from pipeline.errors import InvalidRecordError, PipelineError
from pipeline.flows.uploads.conversion import as_jpeg
from pipeline.flows.uploads.ports import (
    Analyser,
    Analysis,
    ImageObjects,
    ImageRow,
    ImageStore,
    ThumbnailJobs,
)
from pipeline.flows.uploads.refusing import facts_about
from pipeline.images import (
    MAX_OBJECT_BYTES,
    FailedImage,
    ImageRefusedError,
    ThumbnailJob,
    Upload,
    kind_of,
)
from pipeline.ports import FactSink

_HEAD_BYTES = 16


@dataclass(slots=True)
class UploadReport:
    """How many objects of one invocation were labelled and refused, and the facts written."""

    labelled: int = 0
    refused: int = 0
    anomalies: int = 0


class UploadFlow:
    """Takes in objects that S3 reports.

    Args:
        objects: The objects themselves.
        store: Their rows.
        analyser: What looks at them.
        jobs: Where thumbnails are asked for.
        facts: Where anomalies are written.
        rules: What is an anomaly.
        bucket: The only bucket whose objects are touched.
    """

    def __init__(  # noqa: PLR0913  the ports of the flow
        self,
        objects: ImageObjects,
        store: ImageStore,
        analyser: Analyser,
        jobs: ThumbnailJobs,
        facts: FactSink,
        *,
        rules: Rules,
        bucket: str,
    ) -> None:
        self._objects = objects
        self._store = store
        self._analyser = analyser
        self._jobs = jobs
        self._facts = facts
        self._rules = rules
        self._bucket = bucket

    def take_all(self, uploads: Sequence[Upload]) -> UploadReport:
        """Take in the objects of one invocation, each for itself.

        Raises:
            RetryableError: Throttling or outage at one of them, after all were tried.
            InvalidRecordError: One is of another bucket, or refused by a service, likewise.
        """
        report = UploadReport()
        failure: PipelineError | None = None
        for upload in uploads:
            try:
                self._take(upload, report)
            except PipelineError as error:
                failure = failure or error
        if failure:
            raise failure
        return report

    def _take(self, upload: Upload, report: UploadReport) -> None:
        if upload.image.bucket != self._bucket:
            raise InvalidRecordError(f"bucket {upload.image.bucket} is none of this function's")
        row = self._store.find(upload.image) or self._look_at(upload)
        facts = self._facts_of(upload, row)
        if facts:
            self._facts.write(facts)
        report.anomalies += len(facts)
        report.refused += row.status == "refused"
        report.labelled += row.status != "refused"
        if row.status == "labelled":
            self._jobs.send(_job(upload))

    def _look_at(self, upload: Upload) -> ImageRow:
        try:
            analysis = self._analysed(upload)
        except ImageRefusedError as error:
            self._store.refuse(upload, error.failure, error.detail)
            return ImageRow(
                status="refused",
                uploaded_at=upload.uploaded_at,
                failure=error.failure,
                detail=error.detail,
            )
        self._store.keep_analysis(upload, analysis)
        return ImageRow(status="labelled", uploaded_at=upload.uploaded_at, unsafe=analysis.unsafe)

    def _analysed(self, upload: Upload) -> Analysis:
        """Let Rekognition look at the object, or at a JPEG of it if it refuses the object."""
        if not upload.image.user_id:
            raise ImageRefusedError("no_user", "the key is not uploads/<user_id>/<name>")
        if upload.size_bytes == 0:
            raise ImageRefusedError("empty", "0 bytes")
        if upload.size_bytes > MAX_OBJECT_BYTES:
            detail = f"{upload.size_bytes} bytes, the limit is {MAX_OBJECT_BYTES}"
            raise ImageRefusedError("too_large", detail)
        kind = kind_of(self._objects.read(upload.image, _HEAD_BYTES))
        if kind is None:
            raise ImageRefusedError("not_an_image", "neither JPEG nor PNG nor WebP")
        if kind != "webp":
            try:
                return self._analyser.analyse(upload.image)
            except ImageRefusedError:
                pass  # some JPEG and PNG are refused too: CMYK, too small, over 10,000 pixels wide
        return self._analyser.analyse(as_jpeg(self._objects.read(upload.image)))

    def _facts_of(self, upload: Upload, row: ImageRow) -> Sequence[Anomaly]:
        image = upload.image
        if row.failure:
            failed = FailedImage(
                job_id=image.job_id,
                user_id=image.user_id,
                uploaded_at=row.uploaded_at,
                failure=row.failure,
            )
            return facts_about(self._store, self._rules.hostile_images, failed)
        fact = unsafe_content(
            self._rules.unsafe_content,
            row.unsafe,
            user_id=image.user_id,
            job_id=image.job_id,
            uploaded_at=row.uploaded_at,
        )
        return [fact] if fact else []


def _job(upload: Upload) -> ThumbnailJob:
    return ThumbnailJob(
        job_id=upload.image.job_id, image=upload.image, uploaded_at=upload.uploaded_at
    )
