"""A function that always fails."""

from typing import Any


def handler(_event: dict[str, Any], context: Any) -> None:  # noqa: ANN401  Lambda's context
    raise ValueError(f"cannot do it, {context.aws_request_id}")
