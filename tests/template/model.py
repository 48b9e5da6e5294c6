"""The template as its tests read it: the source in long form, and the expansion."""

import re
from functools import cache
from pathlib import Path
from typing import Any, Final

from pipeline.local.translate import load_template, translate

ROOT: Final = Path(__file__).resolve().parents[2]
PATH: Final = ROOT / "template.yaml"

Properties = dict[str, Any]

RULES_PARAMETER: Final = "/${AWS::StackName}/rules"
"""The one name that no resource has: that of the parameter which overrides the rules."""

_NAMED: Final = re.compile(
    r"arn:\$\{AWS::Partition\}:\w+:\$\{AWS::Region\}:\$\{AWS::AccountId\}"
    r":(\w+)(?:/\$\{(\w+)\}(?:/(\*))?)?"
)
"""An ARN written out, as Athena's and Glue's have to be: of a workgroup, a catalog, its tables."""


@cache
def source() -> dict[str, Any]:
    """Return the template as written."""
    return load_template(PATH)


@cache
def expansion() -> dict[str, Any]:
    """Return what CloudFormation gets to see once SAM has expanded the template."""
    return translate(PATH, {}, region="eu-central-1").template


def resources(kind: str) -> dict[str, Properties]:
    """Return the properties of the expansion's resources of a type, by logical id."""
    return {
        name: resource["Properties"]
        for name, resource in expansion()["Resources"].items()
        if resource["Type"] == kind
    }


def functions() -> dict[str, Properties]:
    """Return the properties of the Lambda functions, by logical id."""
    return resources("AWS::Lambda::Function")


def behind(alias: Properties) -> str:
    """Return the logical id of the function that a reference to an alias means.

    Raises:
        LookupError: It refers to something else, such as the function itself.
    """
    properties = resources("AWS::Lambda::Alias").get(alias.get("Ref", ""))
    if properties is None:
        raise LookupError(f"{alias} is no alias of a function")
    name: str = properties["FunctionName"]["Ref"]
    return name


def consumer(function: Properties) -> str:
    """Return the name of the consumer that a function's handler names."""
    handler: str = function["Handler"]
    return handler.split(".")[1]


def settings_of(function: Properties) -> dict[str, Any]:
    """Return a function's environment without what Powertools reads itself."""
    variables: dict[str, Any] = function["Environment"]["Variables"]
    return {name: value for name, value in variables.items() if not name.startswith("POWERTOOLS_")}


def listed(value: object) -> list[Any]:
    """Return a value that IAM lets stand alone or in a list as a list."""
    return value if isinstance(value, list) else [value]


def statements(logical_id: str) -> list[dict[str, Any]]:
    """Return every policy statement of a resource, wherever it stands."""
    return list(_statements(expansion()["Resources"][logical_id]))


def _statements(value: object) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        own = listed(value["Statement"]) if "Statement" in value else []
        return own + [found for part in value.values() for found in _statements(part)]
    if isinstance(value, list):
        return [found for part in value for found in _statements(part)]
    return []


def all_statements() -> list[tuple[str, dict[str, Any]]]:
    """Return every policy statement with the logical id that it belongs to."""
    return [
        (logical_id, statement)
        for logical_id in expansion()["Resources"]
        for statement in statements(logical_id)
    ]


def own(value: Any) -> Any:  # noqa: ANN401  a part of a template
    """Return what a value is when the stack makes stream and content bucket itself."""
    match value:
        case {"Fn::If": ["MakesStream" | "MakesContentBucket", made, _]}:
            return made
        case {"Fn::If": ["HasStreamKey" | "HasContentBucketKey", _, made]}:
            return made
        case _:
            return value


def place(arn: object) -> tuple[str, str]:
    """Return what an ARN expression names: logical id, and the path within it.

    `${LakeBucket.Arn}/events/*` is `("LakeBucket", "events/")`.

    Raises:
        LookupError: The expression has a form that no statement of the template needs so far.
    """
    match own(arn):
        case "*":
            return "*", ""
        case {"Ref": str(logical_id)}:
            return logical_id, ""
        case {"Fn::GetAtt": [str(logical_id), "Arn"]}:
            return logical_id, ""
        case {"Fn::GetAtt": [str(logical_id), "StreamArn"]}:
            return logical_id, "stream/"
        case {"Fn::Sub": str(text)} if found := re.fullmatch(r"\$\{(\w+)\.Arn\}/(.+)\*", text):
            return found[1], found[2]
        case {"Fn::Sub": [str(text), {"Arn": bucket}]} if text.startswith("${Arn}/"):
            return place(bucket)[0], text.removeprefix("${Arn}/").removesuffix("*")
        case {"Fn::Sub": str(text)} if text.endswith(RULES_PARAMETER):
            return RULES_PARAMETER, ""
        case {"Fn::Sub": str(text)} if found := _NAMED.fullmatch(text):
            return found[2] or found[1], found[3] or ""
        case _:
            raise LookupError(f"which resource is {arn}?")
