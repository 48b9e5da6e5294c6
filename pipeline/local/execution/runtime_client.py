"""The worker's side of Lambda's Runtime API: load the handler, then answer invocations one by one.

A script that runs in a worker process with a function's environment and nothing of this pipeline,
so it imports the standard library only. It does what Lambda's own Python client (awslambdaric)
does, on every platform. Standard input is a pipe whose other end the parent holds: when the parent
goes, however it goes, the pipe closes and the worker ends.

With `LOCAL_RUN_CLOCK_SKEW_S` in its environment the handler sees a wall clock that is so many
seconds ahead. That alone needs a library, `time-machine`.
"""

import contextlib
import http.client
import importlib
import json
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NoReturn

Handler = Callable[[Any, "LambdaContext"], Any]

_VERSION = "/2018-06-01/runtime"


class LambdaContext:
    """The handler's second argument."""

    def __init__(
        self, request_id: str, function_arn: str, deadline_ms: int, clock: Callable[[], float]
    ) -> None:
        self.aws_request_id = request_id
        self.invoked_function_arn = function_arn
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        # A string, as awslambdaric passes it on.
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = None
        self._deadline_ms = deadline_ms
        self._clock = clock

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the function is stopped, never less than 0."""
        return max(self._deadline_ms - int(self._clock() * 1000), 0)


class RuntimeConnection:
    """The kept-alive connection to the Runtime API."""

    def __init__(self, address: str) -> None:
        self._http = http.client.HTTPConnection(address)

    def next_invocation(self) -> tuple[http.client.HTTPMessage, bytes]:
        """Wait for an invocation; return its headers and its event."""
        return self._exchange("GET", "/invocation/next")

    def respond(self, request_id: str, payload: bytes) -> None:
        """Hand in the handler's answer."""
        self._exchange("POST", f"/invocation/{request_id}/response", payload)

    def fail(self, request_id: str, error: dict[str, Any]) -> None:
        """Report that the handler raised."""
        self._report(f"/invocation/{request_id}/error", error)

    def fail_init(self, error: dict[str, Any]) -> None:
        """Report that the handler could not be loaded."""
        self._report("/init/error", error)

    def _report(self, path: str, error: dict[str, Any]) -> None:
        headers = {"Lambda-Runtime-Function-Error-Type": error["errorType"]}
        self._exchange("POST", path, json.dumps(error).encode(), headers)

    def _exchange(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[http.client.HTTPMessage, bytes]:
        self._http.request(method, _VERSION + path, body=body, headers=headers or {})
        answer = self._http.getresponse()
        content = answer.read()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise RefusedError(answer.status, content)
        return answer.headers, content


class RefusedError(Exception):
    """The Runtime API refused a request, for example an answer over 6 MB."""

    def __init__(self, status: int, content: bytes) -> None:
        super().__init__(content.decode())
        self.status = status


def main() -> NoReturn:
    """Serve invocations until the parent goes or the handler's module turns out not to load."""
    _end_with_parent()
    task_root = os.environ["LAMBDA_TASK_ROOT"]
    # In place of this script's own directory: the function must not be able to import its modules.
    sys.path[0] = task_root
    current = _configure_logging()
    clock = _skew_clock(float(os.environ.pop("LOCAL_RUN_CLOCK_SKEW_S", "0")))
    connection = RuntimeConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = load_handler(os.environ["_HANDLER"])
    except Exception as error:  # noqa: BLE001  whatever the module raises is its init error
        connection.fail_init(_log_error(_init_error(error)))
        sys.exit(1)
    while True:
        try:
            headers, event = connection.next_invocation()
        except (OSError, http.client.HTTPException):
            sys.exit(0)  # the parent has gone or wants no more of this worker
        current["request_id"] = headers["Lambda-Runtime-Aws-Request-Id"]
        _serve(connection, handler, headers, event, clock)


def load_handler(name: str) -> Handler:
    """Import the function that a template's `Handler:` string names."""
    module_name, _, function_name = name.rpartition(".")
    module = importlib.import_module(module_name.replace("/", "."))
    handler: Handler = getattr(module, function_name)
    return handler


def _serve(
    connection: RuntimeConnection,
    handler: Handler,
    headers: http.client.HTTPMessage,
    event: bytes,
    clock: Callable[[], float],
) -> None:
    request_id = headers["Lambda-Runtime-Aws-Request-Id"]
    os.environ["_X_AMZN_TRACE_ID"] = headers["Lambda-Runtime-Trace-Id"]
    context = LambdaContext(
        request_id,
        headers["Lambda-Runtime-Invoked-Function-Arn"],
        int(headers["Lambda-Runtime-Deadline-Ms"]),
        clock,
    )
    try:
        answer = handler(json.loads(event), context)
    except Exception as error:  # noqa: BLE001  whatever the handler raises is the invocation's result
        connection.fail(request_id, _log_error(_error_document(error)))
        return
    try:
        payload = json.dumps(answer, ensure_ascii=False, default=_plain).encode()
    except (TypeError, ValueError, RecursionError) as error:
        message = f"Unable to marshal response: {error}"
        connection.fail(request_id, _log_error(_document("Runtime.MarshalError", message)))
        return
    sys.stdout.flush()
    try:
        connection.respond(request_id, payload)
    except RefusedError as refusal:
        too_large = _document("Function.ResponseSizeTooLarge", str(refusal))
        connection.fail(request_id, _log_error(too_large))


def _skew_clock(skew_s: float) -> Callable[[], float]:
    """Set everybody's wall clock ahead, and return the right one; monotonic clocks go on as is."""
    if not skew_s:
        return time.time  # noqa: TID251  the deadline is a time of day
    import time_machine  # noqa: PLC0415  a worker with the right time does without

    now = time.time()  # noqa: TID251  this is where it is set
    time_machine.travel(now + skew_s, tick=True).start()
    right: Callable[[], float] = time_machine.escape_hatch.time.time
    return right


def _plain(value: object) -> object:
    """Return a Decimal as a number, which Lambda's client does as well, and nothing else."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _init_error(error: Exception) -> dict[str, Any]:
    name = os.environ["_HANDLER"]
    module, _, function = name.rpartition(".")
    if isinstance(error, ImportError):
        message = f"Unable to import module '{module}': {error}"
        return _document("Runtime.ImportModuleError", message, error)
    if isinstance(error, SyntaxError):
        message = f"Syntax error in module '{module}': {error}"
        return _document("Runtime.UserCodeSyntaxError", message, error)
    if isinstance(error, AttributeError) and module in sys.modules:
        message = f"Handler '{function}' missing on module '{module}'"
        return _document("Runtime.HandlerNotFound", message)
    return _error_document(error)


def _error_document(error: Exception) -> dict[str, Any]:
    return _document(type(error).__name__, str(error), error)


def _document(error_type: str, message: str, error: Exception | None = None) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__) if error else []
    theirs = [
        frame
        for frame in frames
        if frame.filename != __file__ and not frame.filename.startswith("<frozen importlib")
    ]
    return {
        "errorMessage": message,
        "errorType": error_type,
        "stackTrace": traceback.format_list(theirs),
    }


def _log_error(document: dict[str, Any]) -> dict[str, Any]:
    sys.stdout.flush()
    trace = "".join(["Traceback (most recent call last):\n", *document["stackTrace"]])
    text = f"[ERROR] {document['errorType']}: {document['errorMessage']}\n"
    sys.stderr.write(text + (trace if document["stackTrace"] else ""))
    sys.stderr.flush()
    return document


def _configure_logging() -> dict[str, str]:
    """Give the root logger Lambda's handler and format; return where the request id is kept."""
    current = {"request_id": ""}

    def add_request_id(record: logging.LogRecord) -> bool:
        record.aws_request_id = current["request_id"]
        return True

    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(add_request_id)
    handler.setFormatter(
        logging.Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s",
            "%Y-%m-%dT%H:%M:%S",
        )
    )
    handler.formatter.converter = time.gmtime  # type: ignore[union-attr]  # set on the line above
    logging.getLogger().addHandler(handler)
    return current


def _end_with_parent() -> None:
    # The handler gets an empty standard input, as on Lambda, and the pipe stays with the watcher.
    pipe = os.dup(sys.stdin.fileno())
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123  a descriptor is wanted, not a path
        os.dup2(nothing.fileno(), sys.stdin.fileno())

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(pipe, 1):
                pass
        os._exit(0)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


if __name__ == "__main__":
    main()
