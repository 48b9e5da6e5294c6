"""What the middlewares around moto share: who calls which operation, and a body read twice."""

import io
import re
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

OWN_CALLER: Final = "test"
"""The access key under which the local run itself signs: its deployer, event sources, readers."""

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

_CREDENTIAL = re.compile(r"Credential=([^/,]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")


@runtime_checkable
class _Closeable(Protocol):
    def close(self) -> None: ...


class Signer(NamedTuple):
    """Who signed a request, for which region and service."""

    caller: str
    region: str
    service: str


def signer(environ: Environ) -> Signer | None:
    """Read the signature of a request; None for one that has none."""
    match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    return Signer(*match.groups()) if match else None


def operation(environ: Environ) -> str:
    """Name the operation of a request in any of the protocols that AWS clients speak."""
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return str(target).rpartition(".")[2]
    path = str(environ.get("PATH_INFO", ""))
    rpc = re.search(r"/operation/(\w+)$", path)
    if rpc:
        return rpc.group(1)
    if "form" in environ.get("CONTENT_TYPE", ""):
        action = re.search(rb"(?:^|&)Action=(\w+)", read_body(environ))
        return action.group(1).decode() if action else "unknown"
    level = "Object" if path.strip("/").count("/") else "Bucket"
    return f"{str(environ['REQUEST_METHOD']).capitalize()}{level}"


def read_body(environ: Environ) -> bytes:
    """Read the body and leave it for the next reader."""
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):  # sent in chunks, of no announced length
        body: bytes = stream.read()
    else:
        body = stream.read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def with_body(environ: Environ, body: bytes) -> Environ:
    """Return the same request with another body."""
    return {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}


def call(application: Application, environ: Environ) -> tuple[str, Headers, bytes]:
    """Let an application answer, and return status, headers and body instead of sending them."""
    answer: list[Any] = []

    def start_response(status: str, headers: Headers, *_: Any) -> None:  # noqa: ANN401  WSGI
        answer[:] = status, headers

    parts = application(environ, start_response)
    try:
        body = b"".join(parts)
    finally:
        if isinstance(parts, _Closeable):
            parts.close()
    status, headers = answer
    return status, headers, body
