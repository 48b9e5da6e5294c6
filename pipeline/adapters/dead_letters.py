"""Notifications that no topic has taken, kept on a queue."""

from typing import TYPE_CHECKING, Final

from pipeline.adapters.aws import service_errors

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_MAX_REASON_CHARS: Final = 500


class SqsDeadLetters:
    """`flows.alerts.ports.DeadLetters` on SQS; the reason is a message attribute."""

    def __init__(self, client: "SQSClient", queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def put(self, body: str, reason: str) -> None:
        """Keep a notification. A repetition keeps a second copy, under the same id."""
        with service_errors("keep a notification that no topic takes"):
            self._client.send_message(
                QueueUrl=self._queue_url,
                MessageBody=body,
                MessageAttributes={
                    "reason": {"DataType": "String", "StringValue": reason[:_MAX_REASON_CHARS]}
                },
            )
