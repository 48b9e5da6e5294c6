"""The template of a built artefact: the source template, its functions' code the packages."""

import hashlib
from pathlib import Path
from typing import Any, Final

import yaml

from pipeline.cli.artefact.distributions import Architecture
from pipeline.local.translate import load_template

SETTINGS: Final = "samconfig.toml"
"""Beside the template: the values of its parameters in each environment."""

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

    It is made of nothing but the source and lists what the source's anchors repeat. Each function's
    description ends with a digest of the source and its settings: SAM publishes a version when the
    text of a function changes, and a parameter's value is no part of it. Without the digest, what
    invokes the function would go on with the values of before.

    Source: AutoPublishAliasAllProperties in the AWS SAM Developer Guide, and samtranslator.
    """
    document = load_template(template)
    shared = document["Globals"]["Function"]
    del shared["CodeUri"]
    shared["Architectures"] = [architecture]
    release = _release(template)
    for logical_id in handlers(template):
        properties = document["Resources"][logical_id]["Properties"]
        properties["CodeUri"] = f"{logical_id}.zip"
        description = properties.get("Description", "")
        properties["Description"] = {"Fn::Join": [" ", [description, f"Release {release}."]]}
    head = f"# Made by `streamwarden build` from {template.name}; do not edit.\n"
    return head + yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100)


def _release(template: Path) -> str:
    settings = template.with_name(SETTINGS)
    texts = [path.read_bytes() for path in (template, settings) if path.exists()]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:12]


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002  as inherited
        """Write out what is shared: not every tool reads aliases."""
        return True
