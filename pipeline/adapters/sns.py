"""Pages over SNS."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.adapters.aws import service_errors
from pipeline.ports import Topic

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


class SnsPager:
    """`ports.Pager` on SNS standard topics.

    The structure of a message is always String: attributes are documented for no other.
    Source: Amazon SNS Developer Guide, message attributes.
    """

    def __init__(self, client: "SNSClient", topic_arns: Mapping[Topic, str]) -> None:
        self._client = client
        self._topic_arns = topic_arns

    def publish(self, topic: Topic, subject: str, body: str, attributes: Mapping[str, str]) -> str:
        """Publish one message and return its message id. A repetition sends a second copy."""
        with service_errors(f"publish to the {topic} topic"):
            answer = self._client.publish(
                TopicArn=self._topic_arns[topic],
                Subject=subject,
                Message=body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in attributes.items()
                },
            )
        return answer["MessageId"]
