"""The template of a built artefact: the source template, its functions' code the packages."""

from pathlib import Path
from typing import Any, Final

import yaml

from pipeline.cli.artefact.distributions import Architecture
from pipeline.local.translate import load_template

_FUNCTION: Final = "AWS::Serverless::Function"


def handlers(template: Path) -> dict[str, str]:
    """Return the `Handler` of each function of a template by its logical id."""
    return {
        logical_id: resource["Properties"]["Handler"]
        for logical_id, resource in load_template(template)["Resources"].items()
        if resource["Type"] == _FUNCTION
    }


def packaged_template(template: Path, architecture: Architecture) -> str:
    """Return the text of the template that deploys the packages which lie beside it.

    It is made of nothing but the source and lists what the source's anchors repeat.
    """
    document = load_template(template)
    shared = document["Globals"]["Function"]
    del shared["CodeUri"]
    shared["Architectures"] = [architecture]
    for logical_id in handlers(template):
        document["Resources"][logical_id]["Properties"]["CodeUri"] = f"{logical_id}.zip"
    head = f"# Made by `streamwarden build` from {template.name}; do not edit.\n"
    return head + yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100)


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002  as inherited
        """Write out what is shared: not every tool reads aliases."""
        return True
