"""What stands in for AWS in the benchmarks, the same for every consumer.

`Wire` hooks into botocore just before a request would be sent. By default it answers there and
then, so that only the consumer's own work is measured; else it lets requests go to `slow_server`, a
loopback HTTP server in a process of its own that waits a fixed time over each call.

Run as a program, this file is that server.
"""

import asyncio
import io
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import botocore
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders

STATE_TABLE: Final = "states"
"""The table whose rows written by PutItem are read back: the shard cursor."""

_STATE_TABLE: Final = f'"{STATE_TABLE}"'.encode()
_HEADERS_END: Final = b"\r\n\r\n"


class Service:
    """Answers calls as an account does that never throttles and holds no row but the cursor."""

    def __init__(self) -> None:
        self._cursor = b""

    def answer(self, operation: str, body: bytes) -> bytes:
        """Return the response body of one call; empty for S3."""
        match operation:
            case "BatchWriteItem":
                return b'{"UnprocessedItems":{}}'
            case "BatchGetItem":
                return b'{"Responses":{},"UnprocessedKeys":{}}'
            case "GetParameter":
                return b'{"Parameter":{"Version":1,"Value":"# no rule is overridden"}}'
            case "Query":
                return b'{"Items":[],"Count":0}'
            case "ListShards":
                return b'{"Shards":[]}'
            case "PutItem" if _STATE_TABLE in body:
                self._cursor = body
            case "GetItem" if self._cursor:
                return self._cursor  # has the member `Item`, as the answer to GetItem must
            case "PutObject":
                return b""
        return b"{}"


class Wire:
    """Every botocore session made from now on talks over this."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.answers_at_once = True
        self._service = Service()
        botocore.register_initializer(self._install)

    def _install(self, session: Any) -> None:  # noqa: ANN401  botocore has no types
        session.register("before-send", self._before_send)

    def _before_send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
        operation = _operation(str(_text(request.headers.get("X-Amz-Target", ""))))
        self.calls[operation] += 1
        if not self.answers_at_once:
            return None
        body = request.body if isinstance(request.body, bytes) else b""
        answer = _Body(self._service.answer(operation, body))
        return AWSResponse(request.url, 200, HTTPHeaders(), answer)


@contextmanager
def slow_server(wait_ms: float) -> Iterator[str]:
    """Give the address of a server that waits so long over every call, then stop it."""
    command = [sys.executable, str(Path(__file__).resolve()), str(wait_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603  this file
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


def point_clients_at(address: str) -> None:
    """Set the environment that boto3 clients read: address, region, made-up credentials."""
    os.environ |= {
        "AWS_ENDPOINT_URL": address,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }


class _Body(io.BytesIO):
    def stream(self) -> Iterator[bytes]:
        yield self.getvalue()


class _Connection(asyncio.Protocol):
    """One kept-alive HTTP/1.1 connection; requests on it come one after the other."""

    def __init__(self, service: Service, wait_s: float) -> None:
        self._service = service
        self._wait_s = wait_s
        self._received = b""
        self._is_continued = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(_HEADERS_END)
        if not separator:
            return
        headers = _headers(head)
        if "expect" in headers and not self._is_continued:  # botocore asks before an S3 upload
            self._is_continued = True
            self._transport.write(b"HTTP/1.1 100 Continue" + _HEADERS_END)
        if len(body) < int(headers["content-length"]):
            return
        self._received, self._is_continued = b"", False
        answer = self._service.answer(_operation(headers.get("x-amz-target", "")), body)
        asyncio.get_running_loop().call_later(self._wait_s, self._reply, answer)

    def _reply(self, answer: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\n"
        kind = "Content-Type: application/x-amz-json-1.0"
        self._transport.write((head + kind).encode() + _HEADERS_END + answer)


def _operation(target: str) -> str:
    """Return the operation of a call; only S3 has no target header, and all we do there is put."""
    return target.rpartition(".")[2] or "PutObject"


def _headers(head: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in head.decode().splitlines()[1:])
    return {name.lower(): value.strip() for name, _, value in pairs}


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


async def _serve(wait_ms: float) -> None:
    service = Service()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Connection(service, wait_ms / 1000), "127.0.0.1", backlog=64
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1])))
