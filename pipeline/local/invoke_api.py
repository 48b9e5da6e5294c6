"""Lambda's Invoke operation on a loopback port, for programs beside the local run.

Source: AWS Lambda API Reference, Invoke. Asynchronous invocations are refused: this door waits.
"""

import json
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, Final

from pipeline.local.deployment import Function
from pipeline.local.execution.outcome import FunctionError, Outcome, Success, Throttled
from pipeline.local.execution.workers import ClosedError

MAX_EVENT_BYTES: Final = 6 * 1024 * 1024
"""Largest event of a synchronous invocation. Source: AWS Lambda quotas."""

_PATH: Final = "/2015-03-31/functions/"

InvokeFunction = Callable[[str, bytes], Outcome]
"""Invokes a function, by logical id, with an event as JSON text."""


class InvokeApi:
    """The server; `url` is what clients get as `AWS_ENDPOINT_URL_LAMBDA`.

    Args:
        functions: Those of the deployment, by logical id.
        invoke: Runs one of them and waits for its end.
    """

    def __init__(self, functions: Mapping[str, Function], invoke: InvokeFunction) -> None:
        self._server = _Server(functions, invoke)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="invoke-api", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop serving; who waits for an answer gets none."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False  # an invocation ends with its worker

    def __init__(self, functions: Mapping[str, Function], invoke: InvokeFunction) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self._logical_ids = {
            name: function.logical_id
            for function in functions.values()
            for name in (function.name, function.arn)
        }
        self.invoke = invoke

    def logical_id(self, name: str) -> str | None:
        """Find a function by its name or ARN, with or without `:$LATEST`."""
        return self._logical_ids.get(name.removesuffix(":$LATEST"))

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  as inherited
        """Say nothing: a client that went away has taken its answer with it."""


class _Conversation(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        path = urllib.parse.urlsplit(self.path).path
        name = path.removeprefix(_PATH).removesuffix("/invocations")
        if not (path.startswith(_PATH) and path.endswith("/invocations")):
            self._refuse(HTTPStatus.NOT_FOUND, "UnknownOperationException", path)
            return
        logical_id = self.server.logical_id(urllib.parse.unquote(name))
        kind = self.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        if logical_id is None:
            message = f"Function not found: {urllib.parse.unquote(name)}"
            self._refuse(HTTPStatus.NOT_FOUND, "ResourceNotFoundException", message)
        elif kind != "RequestResponse":
            message = f"the local run does not invoke with InvocationType {kind} here"
            self._refuse(HTTPStatus.BAD_REQUEST, "InvalidParameterValueException", message)
        elif len(body) > MAX_EVENT_BYTES:
            message = f"Request must be smaller than {MAX_EVENT_BYTES} bytes"
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "RequestTooLargeException", message)
        else:
            self._invoke(logical_id, body or b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's name
        """Write no access log."""

    def _invoke(self, logical_id: str, event: bytes) -> None:
        try:
            outcome = self.server.invoke(logical_id, event)
        except ClosedError:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "ServiceException", "the run ends")
            return
        match outcome:
            case Success(request_id, payload):
                self._answer(HTTPStatus.OK, payload, {"x-amzn-RequestId": request_id})
            case FunctionError():
                document = {"errorMessage": outcome.message, "errorType": outcome.error_type}
                self._answer(
                    HTTPStatus.OK,
                    json.dumps(document).encode(),
                    {"x-amzn-RequestId": outcome.request_id, "X-Amz-Function-Error": "Unhandled"},
                )
            case Throttled():
                self._refuse(
                    HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequestsException", "Rate Exceeded."
                )

    def _refuse(self, status: HTTPStatus, code: str, message: str) -> None:
        document = json.dumps({"Type": "User", "Message": message}).encode()
        self._answer(status, document, {"x-amzn-ErrorType": code})

    def _answer(self, status: HTTPStatus, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("X-Amz-Executed-Version", "$LATEST")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
