import re
from pathlib import Path

from pipeline.cli.artefact.stack_template import handlers, packaged_template
from pipeline.local.translate import load_template, translate

ROOT = Path(__file__).resolve().parents[4]
TEMPLATE = ROOT / "template.yaml"


def test_the_deployed_template_is_the_source_but_for_code_and_processor(tmp_path: Path) -> None:
    made = tmp_path / "template.yaml"

    made.write_text(packaged_template(TEMPLATE, "x86_64"))

    expected = load_template(TEMPLATE)
    shared = expected["Globals"]["Function"]
    assert shared.pop("CodeUri") == "."
    assert shared["Architectures"] == ["arm64"]
    shared["Architectures"] = ["x86_64"]
    for name in handlers(TEMPLATE):
        properties = expected["Resources"][name]["Properties"]
        properties["CodeUri"] = f"{name}.zip"
        properties["Description"] = {"Fn::Join": [" ", [properties["Description"], "Release R."]]}
    deployed = re.sub(r"Release [0-9a-f]{12}\.", "Release R.", made.read_text())
    made.write_text(deployed)
    assert load_template(made) == expected


def test_the_deployed_template_repeats_what_anchors_share() -> None:
    text = packaged_template(TEMPLATE, "arm64")

    assert "&id" not in text
    assert "*id" not in text


def test_a_change_of_settings_makes_new_versions_as_one_of_the_template_does(
    tmp_path: Path,
) -> None:
    template, settings = tmp_path / "template.yaml", tmp_path / "samconfig.toml"
    template.write_text(SMALL)

    before = _version(template)
    settings.write_text('parameter_overrides = ["Days=1"]')
    first = _version(template)
    settings.write_text('parameter_overrides = ["Days=2"]')
    second = _version(template)
    template.write_text(SMALL.replace("Default: 1", "Default: 2"))
    third = _version(template)

    assert len({before, first, second, third}) == 4
    assert _version(template) == third


SMALL = """
Transform: AWS::Serverless-2016-10-31
Parameters: { Days: { Type: Number, Default: 1 } }
Globals: { Function: { CodeUri: . } }
Resources:
  One:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: one.handler
      AutoPublishAlias: live
      AutoPublishAliasAllProperties: true
      Environment: { Variables: { DAYS: !Ref Days } }
"""


def _version(template: Path) -> str:
    """Return the logical id of the version that SAM makes of the built template."""
    folder = template.parent / "built"
    folder.mkdir(exist_ok=True)
    (folder / "template.yaml").write_text(packaged_template(template, "arm64"))
    (folder / "One.zip").mkdir(exist_ok=True)  # the local transform wants folders
    expansion = translate(folder / "template.yaml", {}, region="eu-central-1").template
    versions = [str(name) for name in expansion["Resources"] if name.startswith("OneVersion")]
    assert len(versions) == 1
    return versions[0]
