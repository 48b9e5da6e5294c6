"""HTTP for the moto server's process: connections that stay open.

werkzeug's handler closes the connection behind each answer and then waits 10 ms for what may still
come in. This one reads the request to its end first, so the next one can follow.
"""

import io
import traceback
from http import HTTPStatus
from typing import cast

from moto.moto_server.werkzeug_app import MotoRequestHandler

from pipeline.local.server.wsgi import Application, call, read_body

_BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


class KeepAliveHandler(MotoRequestHandler):
    """Serves the requests of one connection, one after the other.

    An application that raises `ConnectionError` has its connection closed without an answer.
    """

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    # A long answer leaves in several writes; Nagle's algorithm holds the last back for 40 ms.
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        """Serve one request."""
        environ = self.make_environ()
        body = read_body(environ)
        if len(body) < int(environ.get("CONTENT_LENGTH") or 0):
            self.close_connection = True  # the client is gone; half a request is none
            return
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        try:
            status, headers, answer = call(cast("Application", self.server.app), environ)
        except ConnectionError:
            self.close_connection = True
            return
        except Exception:  # noqa: BLE001  an error of moto's is an answer of the server
            traceback.print_exc()  # into the log
            status, headers, answer = "500 INTERNAL SERVER ERROR", [], b""
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        is_sized = any(name.lower() == "content-length" for name, _ in headers)
        if not is_sized and int(code) not in _BODILESS:
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)
        self.wfile.flush()

    def handle_expect_100(self) -> bool:
        """Ask for the body that the client holds back."""
        goes_on = super().handle_expect_100()
        self.wfile.flush()
        return goes_on

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Keep served requests out of the log, which is shown when the server fails."""
