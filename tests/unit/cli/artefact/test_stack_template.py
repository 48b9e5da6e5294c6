from pathlib import Path

from pipeline.cli.artefact.stack_template import handlers, packaged_template
from pipeline.local.translate import load_template

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
        expected["Resources"][name]["Properties"]["CodeUri"] = f"{name}.zip"
    assert load_template(made) == expected


def test_the_deployed_template_repeats_what_anchors_share() -> None:
    text = packaged_template(TEMPLATE, "arm64")

    assert "&id" not in text
    assert "*id" not in text
