"""AWS X-Ray, loaded only by an execution environment that has an invocation to trace.

The SDK takes 117 ms of CPU, against 158 for everything else that the event consumer imports. Most
invocations are not sampled, and without a daemon none can be traced.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

_TRUE: Final = frozenset({"1", "on", "t", "true", "y", "yes"})


def is_traced(environment: Mapping[str, str]) -> bool:
    """Tell whether the present invocation is sampled and there is a daemon to take its trace.

    Source: AWS Lambda Developer Guide, defined runtime environment variables; the runtime sets
    `_X_AMZN_TRACE_ID` anew for each invocation.
    """
    if environment.get("POWERTOOLS_TRACE_DISABLED", "").lower() in _TRUE:
        return False
    if environment.get("AWS_XRAY_SDK_ENABLED", "true").lower() == "false":
        return False
    if not environment.get("AWS_XRAY_DAEMON_ADDRESS"):
        return False
    return "Sampled=1" in environment.get("_X_AMZN_TRACE_ID", "").split(";")


class Tracing:
    """Records AWS calls as subsegments of the invocation's segment, or does nothing at all.

    Args:
        environment: The process's environment, read anew at each invocation.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._recorder: Any = None

    def follow(self) -> None:
        """Begin to record, from the first sampled invocation on; call it first in a handler.

        From then on the SDK itself looks at each invocation's trace header.
        """
        if self._recorder is None and is_traced(self._environment):
            from aws_xray_sdk.core import patch, xray_recorder  # noqa: PLC0415  see the module

            patch(["botocore"])  # patching every library it knows takes as long again
            self._recorder = xray_recorder

    @contextmanager
    def subsegment(self, name: str) -> Iterator[None]:
        """Record what happens inside as one subsegment, failed if an exception passes through."""
        if self._recorder is None:
            yield
            return
        with self._recorder.in_subsegment(name):
            yield

    def carried(self, call: Callable[[], None]) -> Callable[[], None]:
        """Return a call that another thread makes as part of the present subsegment.

        The SDK keeps its context per thread; a thread of a pool has none, or an old one.
        """
        recorder = self._recorder
        if recorder is None:
            return call
        entity = recorder.get_trace_entity()

        def in_context() -> None:
            recorder.set_trace_entity(entity)
            call()

        return in_context
