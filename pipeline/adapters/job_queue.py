"""Jobs on an SQS queue."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from pipeline.adapters.aws import service_errors
from pipeline.errors import InvalidRecordError, RetryableError
from pipeline.jobs import OnboardingJob, encode_job

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

SEND_BATCH: Final = 10
"""Source: Amazon SQS API Reference, SendMessageBatch."""


class SqsJobQueue:
    """`flows.users.ports.JobQueue` on a standard queue: at least once, in no order."""

    def __init__(self, client: "SQSClient", queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def send(self, jobs: Sequence[OnboardingJob]) -> None:
        """Queue jobs, ten a request.

        Raises:
            RetryableError: Throttling or outage; some of the jobs may be queued.
            InvalidRecordError: The service refuses a message.
        """
        for chunk in _chunks(jobs):
            with service_errors(f"queue {len(chunk)} jobs"):
                answer = self._client.send_message_batch(
                    QueueUrl=self._queue_url,
                    Entries=[
                        {"Id": str(number), "MessageBody": encode_job(job)}
                        for number, job in enumerate(chunk)
                    ],
                )
            for failed in answer.get("Failed", []):
                reason = f"cannot queue a job: {failed['Code']}"
                raise (
                    InvalidRecordError(reason) if failed["SenderFault"] else RetryableError(reason)
                )


def _chunks(jobs: Sequence[OnboardingJob]) -> Iterator[Sequence[OnboardingJob]]:
    for start in range(0, len(jobs), SEND_BATCH):
        yield jobs[start : start + SEND_BATCH]
