"""A SAM template file made plain CloudFormation, offline."""

import copy
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from pipeline.local.intrinsics import TemplateError

_SAM_TRANSFORM: Final = "AWS::Serverless-2016-10-31"
_SAM_FUNCTION: Final = "AWS::Serverless::Function"
_PLACEHOLDER_BUCKET: Final = "code-stays-local"
_LOCAL_FILES: Final = {
    "AWS::Serverless::Api": "DefinitionUri",
    "AWS::Serverless::Application": "Location",
    "AWS::Serverless::HttpApi": "DefinitionUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
}
"""Properties that `sam package` uploads. Source: AWS SAM CLI command reference, sam package."""


@dataclass(frozen=True, slots=True)
class Translation:
    """A template ready to be resolved.

    `code_directories` is keyed by the logical ids of the functions; `parameters` holds every
    parameter's value, a list for the list types.
    """

    template: dict[str, Any]
    parameters: dict[str, str | list[str]]
    code_directories: dict[str, Path]


def translate(path: Path, parameters: Mapping[str, str], *, region: str) -> Translation:
    """Load a template file, settle its parameters and expand its SAM resources.

    Args:
        path: The template; code directories are relative to it, as for the SAM CLI.
        parameters: Values that replace the template's defaults.
        region: The region that the expansion is for.

    Raises:
        TemplateError: The file cannot be read, a parameter is missing, unknown or not allowed, or
            the SAM transform refuses a resource.
    """
    template = load_template(path)
    transforms = template.get("Transform", [])
    for transform in [transforms] if isinstance(transforms, str) else transforms:
        if transform != _SAM_TRANSFORM:
            raise TemplateError(f"{path}: the local run does not know the transform {transform!r}")
    texts = _parameter_texts(template, parameters)
    code_directories = _take_code_directories(template, path.resolve().parent)
    _hide_local_files(template)
    return Translation(
        template=_expand(template, texts, region) if transforms else template,
        parameters=_parameter_values(template, texts),
        code_directories=code_directories,
    )


def load_template(path: Path) -> dict[str, Any]:
    """Read a YAML or JSON template; short tags such as `!Ref` become their long form.

    Raises:
        TemplateError: There is no such file, or it is not a template.
    """
    try:
        text = path.read_text(encoding="utf-8")
        template = yaml.load(text, Loader=_TemplateLoader)  # noqa: S506 - a SafeLoader with the short tags
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TemplateError(f"cannot read the template {path}: {error}") from error
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict):
        raise TemplateError(f"{path} is not a template: it has no Resources")
    return template


class _TemplateLoader(yaml.SafeLoader):
    """Reads CloudFormation's short tags, and dates as the texts they are for CloudFormation."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the loader's own way of being configured
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _construct_short_tag(loader: _TemplateLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    match node:
        case yaml.ScalarNode():
            value = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case yaml.MappingNode():
            value = loader.construct_mapping(node, deep=True)
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


_TemplateLoader.add_multi_constructor("!", _construct_short_tag)


def _parameter_texts(template: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """Settle every parameter's value, as the text that CloudFormation passes around."""
    declared: Mapping[str, Any] = template.get("Parameters") or {}
    unknown = sorted(given.keys() - declared.keys())
    if unknown:
        names = ", ".join(sorted(declared)) or "none"
        raise TemplateError(f"no such parameters: {', '.join(unknown)}; the template has {names}")
    missing = sorted(
        name for name, body in declared.items() if name not in given and "Default" not in body
    )
    if missing:
        raise TemplateError(f"parameters without a default need a value: {', '.join(missing)}")
    texts = {name: _text(given.get(name, body.get("Default"))) for name, body in declared.items()}
    for name, body in declared.items():
        _check_parameter(name, texts[name], body)
    return texts


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_parameter(name: str, text: str, body: Mapping[str, Any]) -> None:
    """Apply the constraints that CloudFormation would apply before it creates anything."""
    kind = body.get("Type", "String")
    if kind.startswith("AWS::SSM::Parameter::"):
        raise TemplateError(f"Parameters.{name}: the local run does not know the type {kind}")
    allowed = [_text(value) for value in body.get("AllowedValues", [])]
    if allowed and text not in allowed:
        raise TemplateError(f"Parameters.{name}: {text!r} is not one of {', '.join(allowed)}")
    pattern = body.get("AllowedPattern")
    if pattern is not None and not re.fullmatch(pattern, text):
        raise TemplateError(f"Parameters.{name}: {text!r} does not match {pattern!r}")
    if "MinLength" in body and len(text) < int(body["MinLength"]):
        raise TemplateError(f"Parameters.{name}: {text!r} is shorter than {body['MinLength']}")
    if "MaxLength" in body and len(text) > int(body["MaxLength"]):
        raise TemplateError(f"Parameters.{name}: {text!r} is longer than {body['MaxLength']}")
    if kind == "Number":
        _check_number(name, text, body)


def _check_number(name: str, text: str, body: Mapping[str, Any]) -> None:
    try:
        number = float(text)
    except ValueError:
        raise TemplateError(f"Parameters.{name}: {text!r} is not a number") from None
    if "MinValue" in body and number < float(body["MinValue"]):
        raise TemplateError(f"Parameters.{name}: {text} is below {body['MinValue']}")
    if "MaxValue" in body and number > float(body["MaxValue"]):
        raise TemplateError(f"Parameters.{name}: {text} is above {body['MaxValue']}")


def _parameter_values(
    template: Mapping[str, Any], texts: Mapping[str, str]
) -> dict[str, str | list[str]]:
    """Give what `Ref` returns: the text, or the list for the list types."""
    values: dict[str, str | list[str]] = dict(texts)
    for name, body in (template.get("Parameters") or {}).items():
        kind = body.get("Type", "String")
        if kind == "CommaDelimitedList" or kind.startswith("List<"):
            values[name] = [item.strip() for item in texts[name].split(",")] if texts[name] else []
    return values


def _take_code_directories(template: dict[str, Any], base: Path) -> dict[str, Path]:
    """Replace each function's local code by a placeholder and return the directories."""
    global_function = (template.get("Globals") or {}).get("Function") or {}
    global_code = global_function.pop("CodeUri", None)
    directories: dict[str, Path] = {}
    for logical_id, resource in template["Resources"].items():
        properties = resource.setdefault("Properties", {})
        if resource.get("Type") == _SAM_FUNCTION:
            key, code = "CodeUri", properties.get("CodeUri", global_code)
        elif resource.get("Type") == "AWS::Lambda::Function":
            key, code = "Code", properties.get("Code")
        else:
            continue
        directories[logical_id] = _code_directory(logical_id, code, base)
        placeholder = {"Bucket": _PLACEHOLDER_BUCKET, "Key": logical_id}
        properties[key] = (
            placeholder
            if key == "CodeUri"
            else {"S3Bucket": _PLACEHOLDER_BUCKET, "S3Key": logical_id}
        )
    return directories


def _hide_local_files(template: Mapping[str, Any]) -> None:
    """Let the transform take what else is on this machine; nobody opens it here."""
    for logical_id, resource in template["Resources"].items():
        key = _LOCAL_FILES.get(resource.get("Type"))
        if key and isinstance(resource["Properties"].get(key), str):
            resource["Properties"][key] = f"s3://{_PLACEHOLDER_BUCKET}/{logical_id}"


def _code_directory(logical_id: str, code: object, base: Path) -> Path:
    place = f"Resources.{logical_id}"
    if not isinstance(code, str) or code.startswith("s3://"):
        raise TemplateError(f"{place}: the local run needs a code directory, not {code!r}")
    directory = (base / code).resolve()
    if not directory.is_dir():
        raise TemplateError(f"{place}: there is no code directory {directory}")
    return directory


def _expand(template: dict[str, Any], parameters: Mapping[str, str], region: str) -> dict[str, Any]:
    """Run the SAM transform."""
    # Imported here: it takes more than a second, too much for a command that deploys nothing.
    import boto3.session  # noqa: PLC0415 - see above
    from samtranslator.model.exceptions import InvalidDocumentException  # noqa: PLC0415 - see above
    from samtranslator.parser.parser import Parser  # noqa: PLC0415 - see above
    from samtranslator.translator.translator import Translator  # noqa: PLC0415 - see above

    # It logs that it has no switchboard of the hosted transform, for each function anew.
    logging.getLogger("samtranslator.feature_toggle").setLevel(logging.ERROR)
    translator = Translator({}, Parser(), boto_session=boto3.session.Session(region_name=region))
    try:
        expanded = translator.translate(copy.deepcopy(template), dict(parameters))
    except InvalidDocumentException as error:
        causes = "; ".join(cause.message for cause in error.causes) or error.message
        raise TemplateError(f"the SAM transform refuses the template: {causes}") from error
    finally:
        # They go nowhere, but the translator complains on standard error about any that are kept.
        translator.metrics.publish()
    return dict(expanded)
