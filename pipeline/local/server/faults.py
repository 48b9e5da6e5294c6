"""Calls of functions that go wrong on purpose, in the form in which AWS lets them go wrong.

A WSGI middleware in the moto server's process. Each call of a function meets a fault with the
chance `FaultPlan.rate`; what the local run itself asks (deployer, event sources, readers) never
does. The kinds:

- throttled: the service's own throttling error; nothing is executed.
- failed: an internal error of the service, status 500; nothing is executed.
- slow: executed, up to `MAX_DELAY_S` later.
- reply lost: executed, then the connection is closed, so that the caller cannot know.
- unprocessed: BatchWriteItem and BatchGetItem execute a part and hand back the rest.
- partly failed: PutRecords, SendMessageBatch and DeleteMessageBatch execute a part; the rest of the
  entries have an error each.

The n-th call of an operation by a function meets the same fault whenever seed and rate are the
same; which call is the n-th is up to the threads. Only protocols of JSON with a target, of forms,
and S3's are spoken here: calls in others do not go wrong.
"""

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Final, Literal, NamedTuple
from xml.sax.saxutils import escape

from pipeline.local.faults import INJECTED, FaultPlan
from pipeline.local.server.partial_batches import BATCHES
from pipeline.local.server.wsgi import (
    OWN_CALLER,
    Application,
    Environ,
    Headers,
    Signer,
    StartResponse,
    operation,
    read_body,
    signer,
    with_body,
)
from pipeline.local.server.wsgi import call as answer_of

FAULTS_PATH: Final = "/_faults"
"""Answers with all counts as JSON: a list of `CallFaults` fields."""

MAX_DELAY_S: Final = 0.8
_MIN_DELAY_S: Final = 0.05

FaultKind = Literal["throttled", "failed", "slow", "reply lost", "unprocessed", "partly failed"]
Protocol = Literal["json", "query", "s3"]

_KINDS: Final[tuple[FaultKind, ...]] = ("throttled", "failed", "slow", "reply lost")

# Source: the errors of each service's API reference; SNS's is what its clients report.
_THROTTLING: Final = {
    "athena": ("TooManyRequestsException",),
    "dynamodb": ("ProvisionedThroughputExceededException", "ThrottlingException"),
    "kinesis": ("ProvisionedThroughputExceededException",),
    "s3": ("SlowDown",),
    "sns": ("Throttling",),
    "sqs": ("RequestThrottled",),
}
_FAILURE: Final = {
    "athena": "InternalServerException",
    "events": "InternalException",
    "kinesis": "InternalFailure",
    "s3": "InternalError",
    "sns": "InternalError",
    "sqs": "InternalFailure",
}


class CallFaults(NamedTuple):
    """How often a kind of fault has struck one operation's calls by one caller."""

    caller: str
    service: str
    operation: str
    kind: str
    times: int


class _Call(NamedTuple):
    """A call that meets a fault; `chance` decides what is left to decide."""

    environ: Environ
    start_response: StartResponse
    signer: Signer
    operation: str
    protocol: Protocol
    chance: random.Random


class FaultyCalls:
    """Lets calls of functions go wrong, and answers `FAULTS_PATH` itself.

    Args:
        application: The server whose calls go wrong.
        plan: Seed and rate.
        sleep: Waits so many seconds.
    """

    def __init__(
        self, application: Application, plan: FaultPlan, sleep: Callable[[float], None]
    ) -> None:
        self._application = application
        self._plan = plan
        self._sleep = sleep
        self._lock = threading.Lock()
        self._calls: Counter[tuple[str, str, str]] = Counter()
        self._struck: Counter[tuple[str, str, str, FaultKind]] = Counter()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if environ.get("PATH_INFO") == FAULTS_PATH:
            start_response("200 OK", [("Content-Type", "application/json")])
            with self._lock:
                counts = [(*key, times) for key, times in sorted(self._struck.items())]
            return [json.dumps(counts).encode()]
        signed = signer(environ)
        protocol = _protocol(environ, signed) if signed else None
        if signed is None or protocol is None or signed.caller == OWN_CALLER:
            return self._application(environ, start_response)
        key = signed.caller, signed.service, operation(environ)
        with self._lock:
            self._calls[key] += 1
            number = self._calls[key]
        kind, chance = choose_fault(self._plan, *key, number)
        if kind is None:
            return self._application(environ, start_response)
        return self._strike(kind, _Call(environ, start_response, signed, key[2], protocol, chance))

    def _strike(self, kind: FaultKind, call: _Call) -> Iterable[bytes]:
        if kind in {"unprocessed", "partly failed"}:
            parts = self._divide(call)
            if parts is not None:
                self._count(kind, call)
                return self._execute_part(call, *parts)
            kind = "throttled"  # a batch of one has no part to execute
        self._count(kind, call)
        if kind == "throttled":
            return _throttle(call)
        if kind == "failed":
            code = _FAILURE.get(call.signer.service, "InternalServerError")
            return _refuse(call, HTTPStatus.INTERNAL_SERVER_ERROR, code)
        if kind == "slow":
            self._sleep(call.chance.uniform(_MIN_DELAY_S, MAX_DELAY_S))
            return self._application(call.environ, call.start_response)
        answer_of(self._application, call.environ)
        raise ConnectionAbortedError("the reply is lost on purpose")

    def _divide(self, call: _Call) -> tuple[dict[str, Any], Any] | None:
        batch = BATCHES[call.signer.service, call.operation]
        return batch.divide(json.loads(read_body(call.environ)), call.chance)

    def _execute_part(
        self, call: _Call, request: dict[str, Any], held_back: object
    ) -> Iterable[bytes]:
        part = with_body(call.environ, json.dumps(request).encode())
        status, headers, body = answer_of(self._application, part)
        if status.startswith("200"):
            batch = BATCHES[call.signer.service, call.operation]
            body = json.dumps(batch.join(json.loads(body), held_back)).encode()
        return _respond(call.start_response, status, headers, body)

    def _count(self, kind: FaultKind, call: _Call) -> None:
        with self._lock:
            self._struck[call.signer.caller, call.signer.service, call.operation, kind] += 1


def choose_fault(
    plan: FaultPlan, caller: str, service: str, operation: str, number: int
) -> tuple[FaultKind | None, random.Random]:
    """Choose what a caller's n-th call of an operation meets; None is no fault.

    The second value decides the rest, such as which part of a batch is held back.
    """
    chance = random.Random(f"{plan.seed} {caller} {service} {operation} {number}")  # noqa: S311  chosen alike on purpose
    if chance.random() >= plan.rate:
        return None, chance
    batch = BATCHES.get((service, operation))
    # Half of a batch operation's faults strike a part of the batch.
    kinds = (*_KINDS, *[batch.kind] * len(_KINDS)) if batch else _KINDS
    return chance.choice(kinds), chance


def _protocol(environ: Environ, signed: Signer) -> Protocol | None:
    if "HTTP_X_AMZ_TARGET" in environ:
        return "json"
    if "form" in environ.get("CONTENT_TYPE", ""):
        return "query"
    return "s3" if signed.service == "s3" else None


def _respond(
    start_response: StartResponse, status: str, headers: Headers, body: bytes
) -> Iterable[bytes]:
    # A checksum of the answer as it was would not fit any more.
    stale = {"content-length", "x-amz-crc32"}
    kept = [(name, value) for name, value in headers if name.lower() not in stale]
    start_response(status, [*kept, ("Content-Length", str(len(body)))])
    return [body]


def _throttle(call: _Call) -> Iterable[bytes]:
    codes = _THROTTLING.get(call.signer.service, ("ThrottlingException",))
    is_s3 = call.protocol == "s3"
    status = HTTPStatus.SERVICE_UNAVAILABLE if is_s3 else HTTPStatus.BAD_REQUEST
    return _refuse(call, status, call.chance.choice(codes))


def _refuse(call: _Call, status: HTTPStatus, code: str) -> Iterable[bytes]:
    """Answer with an error of the service."""
    match call.protocol:
        case "json":
            content_type = str(call.environ["CONTENT_TYPE"])
            body = json.dumps({"__type": code, "message": INJECTED})
        case "query":
            content_type = "text/xml"
            at_fault = "Receiver" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "Sender"
            body = (
                f"<ErrorResponse><Error><Type>{at_fault}</Type><Code>{code}</Code>"
                f"<Message>{escape(INJECTED)}</Message></Error></ErrorResponse>"
            )
        case "s3":
            content_type = "application/xml"
            body = f"<Error><Code>{code}</Code><Message>{escape(INJECTED)}</Message></Error>"
    return _respond(
        call.start_response,
        f"{status.value} {status.phrase}",
        [("Content-Type", content_type)],
        body.encode(),
    )
