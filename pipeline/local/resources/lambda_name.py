"""The ways in which a template names a Lambda function."""

from pipeline.local.deployment import Function
from pipeline.local.intrinsics import TemplateError
from pipeline.local.resources.handler import Stack


def function_of(stack: Stack, reference: str, place: str) -> Function:
    """Find the function that a name, an ARN or either with a version or alias means.

    Raises:
        TemplateError: The stack has no such function.
    """
    for function in stack.functions.values():
        for known in (function.name, function.arn):
            if reference == known or reference.startswith(f"{known}:"):
                return function
    raise TemplateError(f"{place}: the stack has no function {reference!r}")
