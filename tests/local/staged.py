"""Functions written for a test, as a deployment has them."""

import textwrap
from pathlib import Path

from pipeline.local.deployment import Function


def staged_function(
    directory: Path, source: str, *, timeout_s: int = 10, reserved_concurrency: int | None = None
) -> Function:
    """Write the source of a module with a `handler` and give the function that runs it."""
    directory.mkdir(exist_ok=True)
    (directory / "greeter.py").write_text(textwrap.dedent(source))
    return Function(
        logical_id="Greeter",
        name="stack-Greeter",
        arn="arn:aws:lambda:eu-central-1:123456789012:function:stack-Greeter",
        handler="greeter.handler",
        code_directory=directory,
        environment={},
        timeout_s=timeout_s,
        memory_mb=256,
        role_arn="arn:aws:iam::123456789012:role/greeter",
        reserved_concurrency=reserved_concurrency,
    )
