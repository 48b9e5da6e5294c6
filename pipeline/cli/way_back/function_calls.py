"""Hand events to the stack's functions directly, as Lambda would, and tell what was taken."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from botocore.exceptions import ClientError

from pipeline.cli.stack import Stack

MAX_EVENT_BYTES: Final = 6 * 1024 * 1024 - 1024
"""Largest event that is sent, a little under the quota. Source: AWS Lambda quotas."""

_COME_AGAIN: Final = frozenset(
    {"TooManyRequestsException", "ServiceException", "EC2ThrottledException"}
)

_MAX_REASON_CHARS: Final = 300
_NAME: Final = 6  # part of an ARN


class NotTakenError(Exception):
    """Nobody took what was handed over; the message says why. Nothing was removed anywhere."""


class Functions:
    """The functions of a stack, invoked synchronously.

    Args:
        stack: Where they stand; only functions of this stack are ever invoked.
    """

    def __init__(self, stack: Stack) -> None:
        self._client = stack.client("lambda")
        self._names = dict(stack.resources())

    def logical_id(self, arn: str) -> str | None:
        """Return the name in the template of a function given by its ARN, None if not of here."""
        parts = arn.split(":")
        if len(parts) <= _NAME or parts[_NAME - 1] != "function":
            return None
        return next((key for key, name in self._names.items() if name == parts[_NAME]), None)

    def call(self, logical_id: str, event: Mapping[str, Any]) -> Any:  # noqa: ANN401  its answer
        """Invoke a function of the stack and return its answer.

        Raises:
            NotTakenError: It was throttled or failed.
        """
        try:
            answer = self._client.invoke(FunctionName=self._names[logical_id], Payload=_json(event))
        except ClientError as error:
            code = error.response["Error"].get("Code", "")
            if code not in _COME_AGAIN:
                raise
            raise NotTakenError(f"{logical_id} was not reached: {code}") from error
        payload = json.loads(answer["Payload"].read() or b"null")
        if "FunctionError" in answer:
            reason = f"{payload.get('errorType', 'error')}: {payload.get('errorMessage', '')}"
            raise NotTakenError(f"{logical_id} failed with {reason[:_MAX_REASON_CHARS]}")
        return payload

    def call_with_records(
        self,
        logical_id: str,
        records: Sequence[Mapping[str, Any]],
        mark: Literal["records", "archived"] = "records",
    ) -> list[Any]:
        """Hand records of one shard to a stream's consumer, out of turn; return its answers.

        More than an event holds goes in portions, in order. The mark tells the consumer of the
        event stream whether the lake has them already; other consumers do not look at it.

        Raises:
            NotTakenError: As `call` raises it, or the function wants a record again. Portions
                before it were taken, and taking them once more changes nothing.
        """
        answers = []
        for portion in _portions(records):
            answer = self.call(logical_id, {"Records": portion, "redrive": mark})
            failed = (answer or {}).get("batchItemFailures")
            if failed:
                raise NotTakenError(
                    f"{logical_id} wants it again from {failed[0].get('itemIdentifier')} on: "
                    "it was throttled or met an outage"
                )
            answers.append(answer)
        return answers


def _portions(records: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    portion: list[Mapping[str, Any]] = []
    size = 0
    for record in records:
        own = len(_json(record)) + 1
        if portion and size + own > MAX_EVENT_BYTES:
            yield portion
            portion, size = [], 0
        portion.append(record)
        size += own
    if portion:
        yield portion


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
