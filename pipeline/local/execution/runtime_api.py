"""Lambda's Runtime API for one worker, on a loopback port of its own.

One port per worker because `AWS_LAMBDA_RUNTIME_API` is `host:port` without a path, for Lambda's own
clients as for ours.
Source: AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes".
"""

import json
import queue
import threading
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, Final, Literal

MAX_RESPONSE_BYTES: Final = 6 * 1024 * 1024 + 100
"""Largest answer of a function. Source: AWS Lambda quotas, synchronous invocation payload."""

_PREFIX = "/2018-06-01/runtime"


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event on its way to a worker; the deadline is in epoch milliseconds."""

    request_id: str
    event: bytes
    deadline_ms: int
    function_arn: str
    trace_id: str


@dataclass(frozen=True, slots=True)
class Report:
    """What became known of a worker.

    `ready` comes once, when the handler is loaded; `exit` last, when the process has ended, with
    its status as `body`.
    """

    kind: Literal["ready", "response", "error", "init_error", "exit"]
    body: bytes = b""

    def error(self) -> tuple[str, str]:
        """Return type and message of an `error` or `init_error`."""
        document = json.loads(self.body)
        return str(document.get("errorType", "")), str(document.get("errorMessage", ""))


class RuntimeApi:
    """The server; `address` is what the worker gets as `AWS_LAMBDA_RUNTIME_API`.

    `reports` receives what the worker says. The worker takes one invocation at a time.
    """

    def __init__(self, reports: "queue.SimpleQueue[Report]") -> None:
        self._invocations: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self._server = _Server(_Conversation, self._invocations, reports)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="runtime-api", daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def offer(self, invocation: Invocation) -> None:
        """Make an invocation the answer to the worker's next request for one."""
        self._invocations.put(invocation)

    def close(self) -> None:
        """Stop serving; a worker that waits for an invocation gets its connection closed."""
        self._invocations.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingTCPServer):  # not http.server's, which looks up the host's name first
    daemon_threads = True
    # A conversation ends with its worker; waiting for it here would wait for the handler.
    block_on_close = False

    def __init__(
        self,
        conversation: "type[_Conversation]",
        invocations: "queue.SimpleQueue[Invocation | None]",
        reports: "queue.SimpleQueue[Report]",
    ) -> None:
        super().__init__(("127.0.0.1", 0), conversation)
        self.invocations = invocations
        self.reports = reports
        self.is_ready = False

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  as inherited
        """Say nothing: a connection breaks when its worker dies, which `exit` reports."""


class _Conversation(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # Head and body of an answer leave in two packets; Nagle would hold the second for 40 ms.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path != f"{_PREFIX}/invocation/next":
            self._answer(HTTPStatus.NOT_FOUND)
            return
        if not self.server.is_ready:
            self.server.is_ready = True
            self.server.reports.put(Report("ready"))
        invocation = self.server.invocations.get()
        if invocation is None:
            self.close_connection = True
            return
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
            "Lambda-Runtime-Trace-Id": invocation.trace_id,
        }
        self._answer(HTTPStatus.OK, invocation.event, headers)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        match self.path.removeprefix(_PREFIX).split("/"):
            case ["", "invocation", _, "response"] if len(body) > MAX_RESPONSE_BYTES:
                text = f"the answer has {len(body)} bytes, the limit is {MAX_RESPONSE_BYTES}"
                self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text.encode())
            case ["", "invocation", _, "response"]:
                self._accept(Report("response", body))
            case ["", "invocation", _, "error"]:
                self._accept(Report("error", body))
            case ["", "init", "error"]:
                self._accept(Report("init_error", body))
            case _:
                self._answer(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's name
        """Write no access log."""

    def _accept(self, report: Report) -> None:
        self._answer(HTTPStatus.ACCEPTED, b'{"status":"OK"}\n')
        self.server.reports.put(report)

    def _answer(
        self, status: HTTPStatus, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
