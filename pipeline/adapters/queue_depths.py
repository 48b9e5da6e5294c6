"""How many messages lie in queues."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.adapters.aws import service_errors

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SqsQueueDepths:
    """`flows.alerts.checkup_ports.DeadLetterQueues` on SQS."""

    def __init__(self, client: "SQSClient", queue_urls: Sequence[str]) -> None:
        self._client = client
        self._queue_urls = queue_urls

    def depths(self) -> Mapping[str, int]:
        """Return about how many messages each queue has, by the queue's name.

        Messages in flight count: somebody who reads a dead letter has not brought it back yet.
        """
        depths = {}
        for url in self._queue_urls:
            name = url.rpartition("/")[2]
            with service_errors(f"ask for the depth of {name}"):
                answer = self._client.get_queue_attributes(
                    QueueUrl=url,
                    AttributeNames=[
                        "ApproximateNumberOfMessages",
                        "ApproximateNumberOfMessagesNotVisible",
                    ],
                )
            depths[name] = sum(map(int, answer["Attributes"].values()))
        return depths
