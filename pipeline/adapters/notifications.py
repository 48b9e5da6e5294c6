"""Messages to users over SNS."""

import json
from typing import TYPE_CHECKING

from pipeline.adapters.aws import service_errors
from pipeline.flows.onboarding.ports import Welcome

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


class SnsNotifier:
    """`flows.onboarding.ports.Notifier`: one JSON document per message, for what sends mail."""

    def __init__(self, client: "SNSClient", topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    def welcome(self, welcome: Welcome) -> None:
        """Publish one message. A repetition publishes a second copy, under the same job id."""
        document = {"type": "welcome", **welcome._asdict()}
        with service_errors("publish a welcome"):
            self._client.publish(
                TopicArn=self._topic_arn,
                Message=json.dumps(document, ensure_ascii=False),
                MessageAttributes={"type": {"DataType": "String", "StringValue": "welcome"}},
            )
