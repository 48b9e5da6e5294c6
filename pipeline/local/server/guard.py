"""A strict guard before moto: what AWS refuses and moto accepts is refused with AWS's error.

`refusal` judges a request and is pure. `Guard` is a WSGI middleware in the moto server's process
that answers as the service's protocol wants it. `guard_client.install` does the same within a
botocore client, for tests on moto's `mock_aws`. `RULES` lists what is refused.
"""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from xml.sax.saxutils import escape

from pipeline.local.server import (
    guard_dynamodb,
    guard_messaging,
    guard_streams,
)
from pipeline.local.server.guard_rules import Check, KeysOf, Refusal, Request, Rule, TableKeys
from pipeline.local.server.guard_wire import Wire, decoded, operation_of
from pipeline.local.server.wsgi import Application, Environ, read_body, signer

__all__ = ["RULES", "Guard", "Refusal", "TableKeys", "judge", "refusal"]

RULES: Final[Mapping[str, Rule]] = {
    rule.name: rule
    for rule in (*guard_dynamodb.RULES, *guard_messaging.RULES, *guard_streams.RULES)
}
"""Everything that is refused, by name."""

_CHECKS: Final[Mapping[str, Mapping[str, Check]]] = {
    "dynamodb": guard_dynamodb.CHECKS,
    "events": guard_streams.EVENTS_CHECKS,
    "kinesis": guard_streams.KINESIS_CHECKS,
    "s3": guard_streams.S3_CHECKS,
    "sns": guard_messaging.SNS_CHECKS,
    "sqs": guard_messaging.SQS_CHECKS,
    "ssm": guard_streams.SSM_CHECKS,
}
_JSON_TYPES: Final = {
    "dynamodb": "com.amazon.coral.validate#",
    "sqs": "com.amazonaws.sqs#",
}


def refusal(service: str, request: Request) -> Refusal | None:
    """Return the error that AWS answers a request with, None where AWS has no objection."""
    check = _CHECKS.get(service, {}).get(request.operation)
    violation = next(check(request), None) if check else None
    if violation is None:
        return None
    return Refusal(violation.code or RULES[violation.rule].code, violation.message)


def judge(service: str, wire: Wire, keys_of: KeysOf) -> Refusal | None:
    """Judge a request as it comes over the wire."""
    checks = _CHECKS.get(service)
    operation = operation_of(service, wire) if checks else ""
    if not checks or operation not in checks:
        return None
    body = wire.body()
    params = decoded(service, operation, wire, body)
    return refusal(service, Request(operation, params, len(body), keys_of))


class Guard:
    """Answers what AWS would refuse itself and hands the rest on.

    Args:
        application: The server to guard.
        keys_of: The key attributes of a table.
    """

    def __init__(self, application: Application, keys_of: KeysOf) -> None:
        self._application = application
        self._keys_of = keys_of

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        signed = signer(environ)
        if signed is None:
            return self._application(environ, start_response)
        refused = judge(signed.service, _wire(environ), self._keys_of)
        if refused is None:
            return self._application(environ, start_response)
        # What stays unread would be taken for the connection's next request.
        read_body(environ)
        headers, body = _answer(signed.service, environ, refused)
        start_response(f"{refused.status} Bad Request", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _wire(environ: Environ) -> Wire:
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    return Wire(
        method=str(environ["REQUEST_METHOD"]),
        # WSGI hands paths over as Latin-1, whatever they are.
        path=str(environ.get("PATH_INFO", "")).encode("latin-1").decode(errors="replace"),
        query=str(environ.get("QUERY_STRING", "")),
        headers=headers,
        body=lambda: read_body(environ),
    )


def _answer(
    service: str, environ: Environ, refused: Refusal
) -> tuple[list[tuple[str, str]], bytes]:
    """Write an error in the protocol of the request."""
    request_id = str(uuid.uuid4())
    headers = [("x-amzn-RequestId", request_id)]
    if "HTTP_X_AMZ_TARGET" in environ:
        shape = refused.code.rpartition(".")[2]
        headers += [("Content-Type", "application/x-amz-json-1.0"), ("x-amzn-ErrorType", shape)]
        if service == "sqs":  # the code of the older protocol, which clients still report
            headers.append(("x-amzn-query-error", f"{refused.code};Sender"))
        kind = f"{_JSON_TYPES.get(service, '')}{shape}"
        return headers, json.dumps({"__type": kind, "message": refused.message}).encode()
    error = f"<Code>{escape(refused.code)}</Code><Message>{escape(refused.message)}</Message>"
    headers.append(("Content-Type", "text/xml"))
    if service == "s3":
        text = f"<Error>{error}<RequestId>{request_id}</RequestId></Error>"
    else:
        text = (
            f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    return headers, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
