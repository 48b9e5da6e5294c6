"""ThumbnailQueue."""

from typing import TYPE_CHECKING

from pipeline.adapters.aws import service_errors
from pipeline.images import ThumbnailJob, encode_job

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SqsThumbnailJobs:
    """`flows.uploads.ports.ThumbnailJobs` on an SQS standard queue."""

    def __init__(self, client: "SQSClient", queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def send(self, job: ThumbnailJob) -> None:
        """Queue a job. A repetition queues it again."""
        with service_errors("queue a thumbnail job"):
            self._client.send_message(QueueUrl=self._queue_url, MessageBody=encode_job(job))
