"""The guard within a botocore client, for code under test on moto's `mock_aws`."""

import urllib.parse
from collections.abc import Mapping
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from pipeline.local.server.guard import Refusal, judge
from pipeline.local.server.guard_moto import table_keys
from pipeline.local.server.guard_wire import Wire


def install(target: Any) -> None:  # noqa: ANN401  a client or a session, of boto3 or botocore
    """Guard a client, or all clients that a session makes from now on.

    What AWS would refuse raises the client's own `ClientError` before it is sent.
    """
    events = target.meta.events if hasattr(target, "meta") else getattr(target, "events", target)
    events.register("before-call", _refuse, unique_id="streamwarden-guard")


def _refuse(
    *,
    model: Any,  # noqa: ANN401  botocore
    params: Mapping[str, Any],
    **_: object,
) -> tuple[AWSResponse, dict[str, Any]] | None:
    service = model.service_model.signing_name
    refused = judge(service, _wire(params), table_keys)
    if refused is None:
        return None
    response = AWSResponse(params.get("url", ""), refused.status, HTTPHeaders(), None)
    return response, _parsed(service, refused)


def _parsed(service: str, refused: Refusal) -> dict[str, Any]:
    error = {"Code": refused.code, "Message": refused.message, "Type": "Sender"}
    if service == "sqs":  # by which botocore finds the exception's class
        error["QueryErrorCode"] = refused.code.rpartition(".")[2]
    return {
        "Error": error,
        "ResponseMetadata": {
            "HTTPStatusCode": refused.status,
            "HTTPHeaders": {},
            "RetryAttempts": 0,
        },
    }


def _wire(request: Mapping[str, Any]) -> Wire:
    url = urllib.parse.urlsplit(request["url"])
    bucket, is_in_host, _ = url.netloc.partition(".s3.")
    path = urllib.parse.unquote(url.path)
    return Wire(
        method=request["method"],
        path=f"/{bucket}{path}" if is_in_host else path,
        query=url.query,
        headers={name.lower(): _text(value) for name, value in request["headers"].items()},
        body=lambda: _body(request.get("body") or b""),
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _body(body: Any) -> bytes:  # noqa: ANN401  whatever a serializer makes
    if isinstance(body, dict):  # the query protocol, not yet encoded
        return urllib.parse.urlencode(body).encode()
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, bytes | bytearray) else b""
