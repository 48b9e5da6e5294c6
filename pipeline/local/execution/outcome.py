"""What an invocation of a function came to."""

from dataclasses import dataclass
from typing import Literal

FailureKind = Literal["unhandled", "timeout", "crash", "init"]


@dataclass(frozen=True, slots=True)
class Success:
    """The function returned; `payload` is its answer as JSON text."""

    request_id: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class FunctionError:
    """The function was reached and failed.

    `kind` says how: it raised (unhandled), ran out of time, its process ended, or its module could
    not be loaded. `error_type` and `message` are worded as Lambda words them. `is_injected` tells a
    failure that the run was asked to make from the function's own. `answer` is what a caller gets
    of it, as JSON text: the runtime's document with the stack trace where there is one.
    """

    request_id: str
    kind: FailureKind
    error_type: str
    message: str
    is_injected: bool = False
    answer: bytes = b""


@dataclass(frozen=True, slots=True)
class Throttled:
    """The function was not reached, as far as its caller knows.

    Its reserved concurrency is used up, or an injected fault says so.
    """


Outcome = Success | FunctionError | Throttled
