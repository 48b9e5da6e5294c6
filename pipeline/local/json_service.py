"""A service of ours that speaks AWS's JSON protocol on a free port of the loopback interface."""

import contextlib
import json
import socket
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from types import TracebackType
from typing import Any, Final, Self

Answer = Callable[[str, Any], tuple[int, dict[str, Any]]]
"""Gives the HTTP status and the answer to an operation's request; raises ValueError on no JSON."""

_JSON: Final = "application/x-amz-json-1.1"
_STOP_CHECK_S: Final = 0.02
_THREAD_END_S: Final = 5.0


class JsonService(ThreadingTCPServer):  # not http.server's, which looks up the host's name first
    """Serves from `start` to `stop`, or as a context manager, on a thread for each connection.

    Clients keep connections open, and a thread waits on each. `stop` closes them and waits for the
    threads: one that outlives its server may still run while the interpreter ends.

    Args:
        answer: Answers a request, given the operation's name; called from many threads.
    """

    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Requests)
        self.answered = answer
        self._open: dict[Any, threading.Thread] = {}
        self._serving = threading.Thread(
            target=self.serve_forever, args=(_STOP_CHECK_S,), daemon=True
        )

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def start(self) -> None:
        """Begin to answer."""
        self._serving.start()

    def stop(self) -> None:
        """Stop answering; the port is free afterwards."""
        self.shutdown()
        self._serving.join()
        for connection, thread in list(self._open.items()):
            with contextlib.suppress(OSError):  # the client has closed it meanwhile
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(_THREAD_END_S)
        self.server_close()

    def __enter__(self) -> Self:
        """Begin to answer."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop answering."""
        self.stop()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  socketserver's
        """Serve a connection on a thread of its own."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._open[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401  socketserver's
        """End a connection."""
        self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  socketserver's
        """Print what went wrong, unless the client is gone: workers that are killed hang up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Requests(BaseHTTPRequestHandler):
    """JSON 1.1 of AWS over HTTP: the operation in a header, errors by `__type`."""

    protocol_version = "HTTP/1.1"
    # Head and body of an answer leave in two packets; Nagle would hold the second for 40 ms.
    disable_nagle_algorithm = True
    server: JsonService

    def do_POST(self) -> None:
        """Answer one request."""
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        text = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        try:
            status, answer = self.server.answered(operation, json.loads(text))
        except ValueError as error:
            status, answer = 400, {"__type": "SerializationException", "message": str(error)}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", _JSON)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Keep quiet; the run counts what matters."""
