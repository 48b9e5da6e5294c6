"""AWS::Lambda; nothing of it is registered at the endpoint: the local run is Lambda itself."""

from collections.abc import Mapping
from typing import Any, Final

from pipeline.local.deployment import Function
from pipeline.local.intrinsics import PhysicalResource, TemplateError
from pipeline.local.resources.event_invoke_config import (
    put_dead_letter_config,
    put_event_invoke_config,
)
from pipeline.local.resources.event_source_mapping import put_event_source_mapping
from pipeline.local.resources.handler import Handler, Properties, Stack
from pipeline.local.resources.lambda_name import function_of

_DEFAULT_TIMEOUT_S: Final = 3
_DEFAULT_MEMORY_MB: Final = 128
_NO_MEANING: Final = {
    "Architectures": "functions run on this machine's processor",
    "Code": "functions run from their code directory",
    "Description": "for people",
    "EphemeralStorage": "functions see this machine's temporary directory",
    "KmsKeyArn": "the environment is handed over in memory",
    "RecursiveLoop": "the local run has no loop detection",
    "RuntimeManagementConfig": "functions run on this interpreter",
    "SnapStart": "a worker starts once",
    "Tags": "nothing is billed",
    "TracingConfig": "there is no X-Ray on a laptop",
    "VpcConfig": "there is no VPC on a laptop",
}
_LOGGING_NO_MEANING: Final = {
    "LogGroup": "functions log to the terminal",
    "SystemLogLevel": "the local run writes no platform log",
}


def put_function(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Add a function to the deployment."""
    properties.without_meaning(_NO_MEANING)
    name = properties.take("FunctionName") or stack.physical_name(logical_id, 64)
    runtime = str(properties.take("Runtime", ""))
    if not runtime.startswith("python") or properties.take("PackageType", "Zip") != "Zip":
        raise TemplateError(
            f"{properties.place}: the local run runs Python functions from a code directory, "
            f"not {runtime or 'an image'}"
        )
    environment = (properties.take("Environment") or {}).get("Variables", {})
    logging = properties.section("LoggingConfig")
    arn = stack.arn("lambda", f"function:{name}")
    stack.functions[logical_id] = Function(
        logical_id=logical_id,
        name=name,
        arn=arn,
        handler=properties.text("Handler"),
        code_directory=stack.code_directories[logical_id],
        environment=_log_level(logging) | {key: _text(item) for key, item in environment.items()},
        timeout_s=properties.number("Timeout", _DEFAULT_TIMEOUT_S),
        memory_mb=properties.number("MemorySize", _DEFAULT_MEMORY_MB),
        role_arn=properties.text("Role"),
        reserved_concurrency=_optional_number(properties, "ReservedConcurrentExecutions"),
    )
    put_dead_letter_config(stack, logical_id, properties)
    return PhysicalResource(name, {"Arn": arn})


def _log_level(logging: Properties | None) -> dict[str, str]:
    """Give the variables by which Lambda tells its client about advanced logging."""
    if logging is None:
        return {}
    logging.without_meaning(_LOGGING_NO_MEANING)
    variables = {
        "AWS_LAMBDA_LOG_FORMAT": logging.take("LogFormat"),
        "AWS_LAMBDA_LOG_LEVEL": logging.take("ApplicationLogLevel"),
    }
    return {name: str(value) for name, value in variables.items() if value}


def _optional_number(properties: Properties, name: str) -> int | None:
    return properties.number(name) if properties.take(name) is not None else None


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def put_version(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Answer for a published version; locally there is one version of the code."""
    del logical_id  # versions are numbered
    properties.without_meaning(
        {"CodeSha256": "there is one version of the code", "Description": "for people"}
    )
    function = function_of(stack, properties.text("FunctionName"), properties.place)
    arn = f"{function.arn}:1"
    return PhysicalResource(arn, {"FunctionArn": arn, "Version": "1"})


def put_alias(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Answer for an alias; it means the one version of the code."""
    del logical_id  # an alias always has a name of its own
    properties.without_meaning({"Description": "for people"})
    function = function_of(stack, properties.text("FunctionName"), properties.place)
    properties.take("FunctionVersion")
    arn = f"{function.arn}:{properties.text('Name')}"
    return PhysicalResource(arn, {"AliasArn": arn})


def put_permission(stack: Stack, logical_id: str, properties: Properties) -> PhysicalResource:
    """Check that a permission is for a function of the stack; nobody asks for it locally."""
    function_of(stack, properties.text("FunctionName"), properties.place)
    settings: dict[str, Any] = properties.pick(
        "Action", "EventSourceToken", "Principal", "PrincipalOrgID", "SourceAccount", "SourceArn"
    )
    if not {"Action", "Principal"} <= settings.keys():
        raise TemplateError(f"{properties.place}: Action and Principal are needed")
    return PhysicalResource(stack.physical_name(logical_id))


HANDLERS: Final[Mapping[str, Handler]] = {
    "AWS::Lambda::Alias": put_alias,
    "AWS::Lambda::EventInvokeConfig": put_event_invoke_config,
    "AWS::Lambda::EventSourceMapping": put_event_source_mapping,
    "AWS::Lambda::Function": put_function,
    "AWS::Lambda::Permission": put_permission,
    "AWS::Lambda::Version": put_version,
}
