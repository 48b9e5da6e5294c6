"""Sends events to their targets: functions of the stack, queues and topics."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.local.deployment import Function
from pipeline.local.sources.async_queue import AsyncQueue


class TargetError(Exception):
    """The target did not take the event; `code` is for the dead letter."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class EventTargets:
    """Everything that events can be sent to.

    Args:
        functions: The stack's functions by logical id.
        queues: Their asynchronous events, by logical id, for those that get any.
        client: Gives the boto3 client of a service.
    """

    def __init__(
        self,
        functions: Mapping[str, Function],
        queues: Mapping[str, AsyncQueue],
        client: Callable[[str], Any],
    ) -> None:
        self._functions = functions
        self._queues = queues
        self._client = client

    def accept(self, arn: str, event: bytes) -> None:
        """Invoke a function asynchronously with an event, given as JSON text.

        Raises:
            LookupError: The stack has no such function.
            PayloadTooLargeError: It is larger than Lambda accepts.
        """
        for logical_id, function in self._functions.items():
            if arn == function.arn or arn.startswith(f"{function.arn}:"):
                self._queues[logical_id].accept(event)
                return
        raise LookupError(f"the stack has no function {arn}")

    def send(self, arn: str, text: str, group_id: str | None = None) -> None:
        """Send an event to a target, once.

        Raises:
            TargetError: The target did not take it.
        """
        try:
            match arn.split(":")[2]:
                case "lambda":
                    self.accept(arn, text.encode())
                case "sqs":
                    self.send_message(arn, text, group_id=group_id)
                case "sns":
                    self._client("sns").publish(TopicArn=arn, Message=text)
                case service:
                    raise TargetError("UNSUPPORTED", f"the local run sends no events to {service}")
        except ClientError as error:
            raise TargetError(error.response["Error"]["Code"], str(error)) from error
        except (BotoCoreError, LookupError, ValueError) as error:
            raise TargetError(type(error).__name__, str(error)) from error

    def send_message(
        self,
        arn: str,
        text: str,
        attributes: Mapping[str, str] | None = None,
        *,
        group_id: str | None = None,
    ) -> None:
        """Send a message to a queue, with message attributes of type String."""
        sqs = self._client("sqs")
        group: dict[str, Any] = {} if group_id is None else {"MessageGroupId": group_id}
        sqs.send_message(
            QueueUrl=sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"],
            MessageBody=text,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in (attributes or {}).items()
            },
            **group,
        )


def as_text(event: Mapping[str, Any]) -> str:
    """Write an event as AWS sends it."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))
