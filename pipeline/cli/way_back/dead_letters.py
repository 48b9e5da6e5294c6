"""Messages in the dead-letter queues of a stack, and where each of them came from.

A queue's own dead letters go back to that queue. An event that EventBridge or the Scheduler could
not deliver, and an invocation that Lambda gave up, go to their function, which is waited for.

Sources: Amazon SQS Developer Guide, dead-letter queues; Amazon EventBridge User Guide, rule
dead-letter queues (message attributes); AWS Lambda Developer Guide, destinations of asynchronous
invocations.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.cli.stack import Stack
from pipeline.cli.way_back.function_calls import Functions
from pipeline.cli.way_back.records import Lost

MAX_MESSAGES: Final = 10_000
"""How many messages of a queue one run looks at; they are kept in memory."""

_HOLD_S: Final = 600  # others do not see a message for so long, unless it is let go before
_NAMED: Final = "DeadLetterQueue"
_TRUNCATED: Final = "IS_PAYLOAD_TRUNCATED"


@dataclass(frozen=True, slots=True)
class _Way:
    """Where a message goes back to: a function with an event, or a queue."""

    reason: str
    function: str = ""
    event: Any = None
    queue_url: str = ""
    obstacle: str = ""


class DeadLetters:
    """The dead-letter queues of a stack: its resources whose name ends like that.

    Args:
        stack: Whose queues.
        functions: Those of the stack.
        wait_s: How long to wait for a message; without waiting SQS asks only some of its servers.
    """

    def __init__(self, stack: Stack, functions: Functions, wait_s: int = 1) -> None:
        self._wait_s = wait_s
        self._sqs = stack.client("sqs")
        self._queues = {
            logical_id: url
            for logical_id, url in sorted(stack.resources().items())
            if logical_id.endswith(_NAMED)
        }
        self._functions = functions
        self._held: dict[str, tuple[str, dict[str, Any], _Way]] = {}

    def find(self) -> Iterator[Lost]:
        """Receive what the queues hold; nobody else sees it until it is put back or left."""
        for logical_id, url in self._queues.items():
            sources = self._sqs.list_dead_letter_source_queues(QueueUrl=url).get("queueUrls", [])
            for message in self._receive(url):
                way = self._way(message, sources)
                self._held[message["MessageId"]] = (url, message, way)
                sent_ms = int(message["Attributes"]["SentTimestamp"])
                yield Lost(
                    place="queues",
                    source=logical_id,
                    reason=way.reason,
                    key=message["MessageId"],
                    records=1,
                    at=datetime.fromtimestamp(sent_ms / 1000, UTC),
                    obstacle=way.obstacle,
                )

    def put_back(self, lost: Lost) -> None:
        """Send or hand over the message, then delete it here."""
        url, message, way = self._held[lost.key]
        if way.function:
            self._functions.call(way.function, way.event)
        else:
            self._sqs.send_message(
                QueueUrl=way.queue_url,
                MessageBody=message["Body"],
                MessageAttributes=_sendable(message),
            )
        del self._held[lost.key]
        self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def leave(self, lost: Lost) -> None:
        """Let others see the message again, unless it was put back."""
        if lost.key in self._held:
            url, message, _ = self._held.pop(lost.key)
            self._sqs.change_message_visibility(
                QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )

    def _receive(self, url: str) -> Iterator[dict[str, Any]]:
        seen: set[str] = set()
        while len(seen) < MAX_MESSAGES:
            answer = self._sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=_HOLD_S,
                WaitTimeSeconds=self._wait_s,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            new = [one for one in answer.get("Messages", []) if one["MessageId"] not in seen]
            if not new:
                return
            seen.update(one["MessageId"] for one in new)
            yield from new

    def _way(self, message: Mapping[str, Any], sources: list[str]) -> _Way:
        attributes = {
            name: value.get("StringValue", "")
            for name, value in message.get("MessageAttributes", {}).items()
        }
        document = _document(message["Body"])
        if "TARGET_ARN" in attributes:
            return self._undelivered(attributes, document)
        if "requestPayload" in document and "requestContext" in document:
            return self._given_up(document)
        return _back_to_its_queue(message, sources)

    def _undelivered(self, attributes: Mapping[str, str], document: Mapping[str, Any]) -> _Way:
        reason = f"not delivered: {attributes.get('ERROR_CODE', 'no code')}"
        if attributes.get(_TRUNCATED, "").lower() == "true":
            return _Way(reason, obstacle="its event was cut: it is too long for a message")
        return self._to_function(reason, attributes["TARGET_ARN"], document)

    def _given_up(self, document: Mapping[str, Any]) -> _Way:
        context, answer = document["requestContext"], document.get("responsePayload") or {}
        kind = answer.get("errorType", "") if isinstance(answer, dict) else ""
        reason = f"{context.get('condition', 'given up')}{': ' if kind else ''}{kind}"
        return self._to_function(reason, context["functionArn"], document["requestPayload"])

    def _to_function(self, reason: str, arn: str, event: Any) -> _Way:  # noqa: ANN401  any event
        function = self._functions.logical_id(arn)
        if function is None:
            return _Way(reason, obstacle=f"{arn} is no function of this stack")
        return _Way(reason, function=function, event=event)


def _back_to_its_queue(message: Mapping[str, Any], sources: list[str]) -> _Way:
    tries = "not done in as many tries as its queue gives a message"
    arn = message["Attributes"].get("DeadLetterQueueSourceArn", "")
    named = [url for url in sources if arn and url.endswith(f"/{arn.rpartition(':')[2]}")]
    if len(named or sources) == 1:
        return _Way(tries, queue_url=(named or sources)[0])
    return _Way("of no known shape", obstacle="nothing tells which queue or function it is for")


def _document(body: str) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _sendable(message: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {
            field: value[field]
            for field in ("DataType", "StringValue", "BinaryValue")
            if field in value
        }
        for name, value in message.get("MessageAttributes", {}).items()
    }
