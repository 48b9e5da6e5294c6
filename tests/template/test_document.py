"""docs/template.md lists what the template has: parameters with defaults, resources with types."""

import re

from tests.template import model

DOCUMENT = (model.ROOT / "docs" / "template.md").read_text()


def rows(heading: str) -> list[tuple[str, str]]:
    section = re.search(rf"^## {heading}\n(.*?)(?=^## )", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert section
    return re.findall(r"^\| `(\w+)` \| `?([^`|]*?)`? \| \S", section[1], re.MULTILINE)


def test_parameters_stand_in_the_document_with_their_defaults() -> None:
    parameters = [
        (name, str(parameter["Default"]) or "empty")
        for name, parameter in model.source()["Parameters"].items()
    ]

    documented = rows("Parameters")

    assert documented == parameters


def test_resources_stand_in_the_document_with_their_types() -> None:
    resources = [(name, item["Type"]) for name, item in model.source()["Resources"].items()]

    documented = rows("Resources")

    assert documented == resources


def test_each_parameter_stands_in_a_group_of_the_console() -> None:
    groups = model.source()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]

    shown = [name for group in groups for name in group["Parameters"]]

    assert sorted(shown) == sorted(model.source()["Parameters"])
