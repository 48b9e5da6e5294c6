"""An Athena endpoint on the loopback interface that runs the SQL over the local bucket.

It speaks the service's protocol, states, limits and error codes, so boto3 cannot tell the
difference. sqlglot turns the SQL into DuckDB's, and DuckDB runs it over copies of the objects.
docs/analytics.md says what differs from AWS.
"""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self

from pipeline.local.athena.errors import RequestRefusedError
from pipeline.local.athena.service import Athena, OnStateChange

_TARGET: Final = "AmazonAthena."
_STOP_CHECK_S: Final = 0.02
_JSON: Final = "application/x-amz-json-1.1"


def _nobody(_: dict[str, Any]) -> None:
    """Take an event that nobody waits for."""


class AthenaEndpoint:
    """The endpoint, as a context manager; safe to call from many clients at once.

    Args:
        s3: boto3's client of the S3 that holds the tables and takes the results.
        glue: boto3's client of the data catalog.
        account_id: For events.
        region: For events.
        on_state_change: Takes each state change as EventBridge's event, on a query's thread.
        clock: The time of day in epoch seconds.
    """

    def __init__(
        self,
        s3: Any,  # noqa: ANN401  boto3 clients have no common type
        glue: Any,  # noqa: ANN401  boto3 clients have no common type
        *,
        account_id: str = "123456789012",
        region: str = "us-east-1",
        on_state_change: OnStateChange = _nobody,
        clock: Callable[[], float] = time.time,  # noqa: TID251  the clock is given here
    ) -> None:
        self._athena = Athena(
            s3,
            glue,
            clock,
            account_id=account_id,
            region=region,
            on_state_change=on_state_change,
        )
        self._server = _Server(("127.0.0.1", 0), _Requests)
        self._server.athena = self._athena
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_STOP_CHECK_S,), daemon=True
        )

    @property
    def url(self) -> str:
        """The base URL, for `AWS_ENDPOINT_URL_ATHENA`."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def activity(self) -> tuple[int, int]:
        """How many queries were started, and how many of them have not ended and been told."""
        return self._athena.activity

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and cancel what runs; the port is free afterwards."""
        self._server.shutdown()
        self._server.server_close()
        self._athena.stop()

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


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    athena: Athena


class _Requests(BaseHTTPRequestHandler):
    """JSON 1.1 of AWS over HTTP: the operation in a header, errors by `__type`."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        """Answer one request."""
        operation = self.headers.get("X-Amz-Target", "").removeprefix(_TARGET)
        text = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        answer: dict[str, Any]
        try:
            status, answer = 200, self.server.athena.answer(operation, json.loads(text))
        except RequestRefusedError as error:
            status, answer = 400, {"__type": error.code, "Message": str(error)}
            if error.athena_code:
                answer["AthenaErrorCode"] = error.athena_code
        except (KeyError, TypeError, ValueError) as error:
            status, answer = 400, {"__type": "InvalidRequestException", "Message": repr(error)}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", _JSON)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Keep quiet; the run counts what matters."""
