"""Reads the parameters of a request out of the protocols that AWS clients speak."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

_METADATA: Final = "x-amz-meta-"
_LIST_NAMES: Final = {
    "sqs": {
        "SendMessageBatchRequestEntry": "Entries",
        "DeleteMessageBatchRequestEntry": "Entries",
        "ChangeMessageVisibilityBatchRequestEntry": "Entries",
        "MessageAttribute": "MessageAttributes",
    }
}


@dataclass(frozen=True, slots=True)
class Wire:
    """A request as it comes over the wire; header names in lower case, the path decoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Callable[[], bytes]


def operation_of(service: str, wire: Wire) -> str:
    """Name the operation; everything about one S3 object is `Object`, as far as rules go."""
    target = wire.headers.get("x-amz-target")
    if target:
        return target.rpartition(".")[2]
    if service != "s3":
        return dict(parse_qsl(wire.body().decode(errors="replace"))).get("Action", "")
    bucket, _, key = wire.path.strip("/").partition("/")
    if key:
        return "Object"
    names = {name for name, _ in parse_qsl(wire.query, keep_blank_values=True)}
    return "DeleteObjects" if bucket and wire.method == "POST" and "delete" in names else ""


def decoded(service: str, operation: str, wire: Wire, body: bytes) -> Mapping[str, Any]:
    """Return the parameters by the names of the service's API; empty for what is no request."""
    if "x-amz-target" in wire.headers:
        try:
            params = json.loads(body or b"{}")
        except ValueError:
            return {}  # moto's to refuse
        return params if isinstance(params, dict) else {}
    if service == "s3":
        if operation == "DeleteObjects":
            return {"Objects": len(re.findall(rb"<Object>", body))}
        metadata = {
            name.removeprefix(_METADATA): value
            for name, value in wire.headers.items()
            if name.startswith(_METADATA)
        }
        return {"Key": wire.path.lstrip("/").partition("/")[2], "Metadata": metadata}
    return _nested(service, parse_qsl(body.decode(errors="replace"), keep_blank_values=True))


def _nested(service: str, pairs: list[tuple[str, str]]) -> Mapping[str, Any]:
    """Build lists and maps from the dotted names of the query protocol."""
    tree: dict[str, Any] = {}
    for dotted, value in pairs:
        *steps, last = dotted.split(".")
        place = tree
        for step in steps:
            place = place.setdefault(step, {})
        place[last] = value
    renamed = _LIST_NAMES.get(service, {})
    params: Any = _lists(tree, renamed)
    return params if isinstance(params, dict) else {}


def _lists(tree: Any, renamed: Mapping[str, str]) -> Any:  # noqa: ANN401  parameters nest freely
    if not isinstance(tree, dict):
        return tree
    for wrapper in ("entry", "member"):
        if set(tree) == {wrapper}:
            return _lists(tree[wrapper], renamed)
    if tree and all(name.isdecimal() for name in tree):
        elements = [_lists(tree[name], renamed) for name in sorted(tree, key=int)]
        if all(isinstance(one, dict) and set(one) == {"Name", "Value"} for one in elements):
            return {one["Name"]: one["Value"] for one in elements}
        return elements
    return {renamed.get(name, name): _lists(child, renamed) for name, child in tree.items()}
